package ledger_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func TestAskRestate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	_, err := l.AskRestate(ctx, cloudID, d, because("x"))
	is(t, err, table.ErrNotFound)
	id, h := blobOf(cloudID, hour(t, "2019121019"), fileA)
	_, err = commit(ctx, l, id, h, d)
	ok(t, err)
	ok(t, stateNext(ctx, l, cloudID, d))
	first, err := l.AskRestate(ctx, cloudID, d, because("first"))
	ok(t, err)
	second, err := l.AskRestate(ctx, cloudID, d, because("second"))
	ok(t, err)
	if first != second {
		t.Errorf("a request without an answer was replaced: %+v", second)
	}
	// Hours that mark the day at the same time take the request along.
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			id, h := blobOf(cloudID, hour(t, "2019121019")+1+usage.Hour(i%4), fmt.Sprintf("%016x", i))
			if _, err := commit(ctx, l, id, h, d); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for range 2 {
		ok(t, stateNext(ctx, l, cloudID, d))
	}
	last, err := l.LastRevision(ctx, cloudID, d)
	ok(t, err)
	if last.Number != 2 || last.Restate != first.Restate || last.Reason != "first" || last.By != "olga" || last.InputCount != 5 {
		t.Errorf("revision %+v", last)
	}
	if marked(t, l, cloudID, d.Compact()) {
		t.Error("the day is still open")
	}
}

// Of two requests without an answer the one that settles more stands, whichever
// came first; the revision says what it had settled anew.
func TestAWiderRequestTakesThePlaceOfANarrowerOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	id, h := blobOf(cloudID, hour(t, "2019121019"), fileA)
	_, err := commit(ctx, l, id, h, d)
	ok(t, err)
	ok(t, stateNext(ctx, l, cloudID, d))
	for i, want := range []string{ledger.SettleNothing, ledger.SettleRegistration, ledger.SettleAll, ledger.SettleAll, ledger.SettleAll} {
		settle := []string{ledger.SettleNothing, ledger.SettleRegistration, ledger.SettleAll, ledger.SettleRegistration, ledger.SettleAll}[i]
		asked, err := l.AskRevision(ctx, cloudID, d, settle, because(fmt.Sprint("request ", i)))
		ok(t, err)
		if asked.Settle != want || asked.RestateReason != fmt.Sprint("request ", min(i, 2)) {
			t.Errorf("request %d that settles %q: what stands is %+v", i, settle, asked)
		}
	}
	ok(t, stateNext(ctx, l, cloudID, d))
	last, err := l.LastRevision(ctx, cloudID, d)
	ok(t, err)
	if last.Settle != ledger.SettleAll || last.Reason != "request 2" || marked(t, l, cloudID, d.Compact()) {
		t.Errorf("revision %+v", last)
	}
}
