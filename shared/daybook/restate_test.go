package daybook_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"stackusage/internal/ledgertest"
	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

func TestAskRestate(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	_, err := daybook.AskRestate(ctx, tables, ledgertest.CloudID, d, ledgertest.Because("x"))
	ledgertest.Is(t, err, table.ErrNotFound)
	id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), ledgertest.FileA)
	_, err = ledgertest.Commit(ctx, tables, id, h, d)
	ledgertest.OK(t, err)
	ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, ledgertest.CloudID, d))
	first, err := daybook.AskRestate(ctx, tables, ledgertest.CloudID, d, ledgertest.Because("first"))
	ledgertest.OK(t, err)
	second, err := daybook.AskRestate(ctx, tables, ledgertest.CloudID, d, ledgertest.Because("second"))
	ledgertest.OK(t, err)
	if first != second {
		t.Errorf("a request without an answer was replaced: %+v", second)
	}
	// Hours that mark the day at the same time take the request along.
	var wait sync.WaitGroup
	for i := range 12 {
		wait.Go(func() {
			id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019")+1+usage.Hour(i%4), fmt.Sprintf("%016x", i))
			if _, err := ledgertest.Commit(ctx, tables, id, h, d); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	for range 2 {
		ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, ledgertest.CloudID, d))
	}
	last, err := daybook.LastRevision(ctx, tables, ledgertest.CloudID, d)
	ledgertest.OK(t, err)
	if last.Number != 2 || last.Restate != first.Restate || last.Reason != "first" || last.By != "olga" || last.InputCount != 5 {
		t.Errorf("revision %+v", last)
	}
	if ledgertest.Marked(t, tables, ledgertest.CloudID, d.Compact()) {
		t.Error("the day is still open")
	}
}

// Of two requests without an answer the one that settles more stands, whichever
// came first; the revision says what it had settled anew.
func TestAWiderRequestTakesThePlaceOfANarrowerOne(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), ledgertest.FileA)
	_, err := ledgertest.Commit(ctx, tables, id, h, d)
	ledgertest.OK(t, err)
	ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, ledgertest.CloudID, d))
	for i, want := range []string{openday.SettleNothing, openday.SettleRegistration, openday.SettleAll, openday.SettleAll, openday.SettleAll} {
		settle := []string{openday.SettleNothing, openday.SettleRegistration, openday.SettleAll, openday.SettleRegistration, openday.SettleAll}[i]
		asked, err := daybook.AskRevision(ctx, tables, ledgertest.CloudID, d, settle, ledgertest.Because(fmt.Sprint("request ", i)))
		ledgertest.OK(t, err)
		if asked.Settle != want || asked.RestateReason != fmt.Sprint("request ", min(i, 2)) {
			t.Errorf("request %d that settles %q: what stands is %+v", i, settle, asked)
		}
	}
	ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, ledgertest.CloudID, d))
	last, err := daybook.LastRevision(ctx, tables, ledgertest.CloudID, d)
	ledgertest.OK(t, err)
	if last.Settle != openday.SettleAll || last.Reason != "request 2" || ledgertest.Marked(t, tables, ledgertest.CloudID, d.Compact()) {
		t.Errorf("revision %+v", last)
	}
}
