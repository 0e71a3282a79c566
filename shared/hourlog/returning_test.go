package hourlog_test

import (
	"context"
	"testing"

	"stackusage/internal/ledgertest"
	"stackusage/internal/memstore"
	"stackusage/shared/hourlog"
	"stackusage/shared/table"
)

// TestAnInterruptedIngestThatWasAboutToReturn: a file whose ingest died before its
// commit, and whose hour is not registered any more, was about to count again when the
// registration ended once more: it is about to no longer, and its day closes.
func TestAnInterruptedIngestThatWasAboutToReturn(t *testing.T) {
	ctx, store := t.Context(), memstore.NewTables(table.Names()...)
	tables := store
	id, h := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), ledgertest.FileA)
	d := ledgertest.Day(t, "20191210")
	if _, err := ledgertest.Commit(ctx, dyingAt{store, table.Insert}, id, h, d); err == nil {
		t.Fatal("it did not die")
	}
	ended := h
	ended.Verdict = hourlog.Unregistered
	_, err := hourlog.Record(ctx, tables, id, ended)
	ledgertest.OK(t, err)
	if _, err := ledgertest.Commit(ctx, dyingAt{store, table.Update}, id, h, d); err == nil {
		t.Fatal("it did not die before it counted again")
	}
	if standing, err := hourlog.AcceptedHour(ctx, tables, id); err != nil || standing.Challenger != id.SHA16 {
		t.Fatalf("pointer %+v, error %v", standing, err)
	}
	_, err = hourlog.Record(ctx, tables, id, ended)
	ledgertest.OK(t, err)
	if standing, err := hourlog.AcceptedHour(ctx, tables, id); err != nil || standing.Challenger != "" || standing.Excluded != id.SHA16 {
		t.Errorf("pointer %+v, error %v", standing, err)
	}
	ledgertest.OK(t, ledgertest.CloseNext(ctx, tables, ledgertest.CloudID, d))
	if ledgertest.Marked(t, tables, ledgertest.CloudID, d.Compact()) {
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
