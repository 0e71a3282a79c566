package ledger_test

import (
	"context"
	"testing"

	"stackusage/internal/memstore"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// TestAnInterruptedIngestThatWasAboutToReturn: a file whose ingest died before its
// commit, and whose hour is not registered any more, was about to count again when the
// registration ended once more: it is about to no longer, and its day closes.
func TestAnInterruptedIngestThatWasAboutToReturn(t *testing.T) {
	ctx, store := t.Context(), memstore.NewTables(table.Names()...)
	l := &ledger.Ledger{Store: store}
	id, h := blobOf(cloudID, hour(t, "2019121019"), fileA)
	d := day(t, "20191210")
	if _, err := commit(ctx, &ledger.Ledger{Store: dyingAt{store, table.Insert}}, id, h, d); err == nil {
		t.Fatal("it did not die")
	}
	ended := h
	ended.Verdict = ledger.Unregistered
	_, err := l.DecideHour(ctx, id, ended)
	ok(t, err)
	if _, err := commit(ctx, &ledger.Ledger{Store: dyingAt{store, table.Update}}, id, h, d); err == nil {
		t.Fatal("it did not die before it counted again")
	}
	if standing, err := l.AcceptedHour(ctx, id); err != nil || standing.Challenger != id.SHA16 {
		t.Fatalf("pointer %+v, error %v", standing, err)
	}
	_, err = l.DecideHour(ctx, id, ended)
	ok(t, err)
	if standing, err := l.AcceptedHour(ctx, id); err != nil || standing.Challenger != "" || standing.Excluded != id.SHA16 {
		t.Errorf("pointer %+v, error %v", standing, err)
	}
	ok(t, stateNext(ctx, l, cloudID, d))
	if marked(t, l, cloudID, d.Compact()) {
		t.Error("the day is open")
	}
}

// dyingAt fails at each transaction by which a file would count, for the first time
// (table.Insert) or again (table.Update).
type dyingAt struct {
	table.Store
	verb table.Verb
}

func (d dyingAt) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if name == table.UsageHours && len(ops) == 2 && ops[0].Verb == d.verb {
		return errFault
	}
	return d.Store.Apply(ctx, name, partition, ops...)
}
