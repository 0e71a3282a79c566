package hourlog_test

import (
	"context"
	"testing"

	"stackusage/internal/faultstore"
	"stackusage/internal/ledgertest"
	"stackusage/shared/hourlog"
	"stackusage/shared/table"
)

// TestARepeatKeepsWhatBecameOfARow: ingesting an hour again, before its verdict is
// there, does not bring back rows that an operator has decided about since. Rows of
// other rules, whose bytes are in another file, take the place of the old ones.
func TestARepeatKeepsWhatBecameOfARow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	id, _ := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), "aaaaaaaaaaaaaaaa")
	put := func(file string) {
		t.Helper()
		ledgertest.OK(t, hourlog.PutQuarantine(ctx, tables, id, []hourlog.Quarantined{
			{Line: 1, Code: "a", Bytes: file, Status: hourlog.RowRejected}, {Line: 7, Code: "b", Bytes: file, Status: hourlog.RowRejected}}))
	}
	read := func() (status []string) {
		t.Helper()
		for row, err := range tables.List(ctx, table.Quarantine, ledgertest.CloudID+"_20191210", "", "") {
			ledgertest.OK(t, err)
			status = append(status, row.Props["status"].(string))
		}
		return status
	}
	put("quarantine/one")
	row, err := tables.Get(ctx, table.Quarantine, ledgertest.CloudID+"_20191210", "19_aaaaaaaaaaaaaaaa_0000000007")
	ledgertest.OK(t, err)
	row.Props["status"], row.Props["decidedBy"] = string(hourlog.Dismissed), "olga"
	ledgertest.OK(t, tables.Apply(ctx, table.Quarantine, row.Partition, table.Op{Verb: table.Update, Row: row}))
	put("quarantine/one")
	if got := read(); len(got) != 2 || got[1] != string(hourlog.Dismissed) {
		t.Errorf("after a repeat: %v", got)
	}
	put("quarantine/two")
	if got := read(); len(got) != 2 || got[1] != string(hourlog.RowRejected) {
		t.Errorf("under other rules: %v", got)
	}
}

// TestARepeatOfAHundredRows takes a transaction that fails, a list and a transaction,
// whatever is there and of which rules.
func TestARepeatOfAHundredRows(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var front faultstore.Front
	tables := faultstore.Tables{Front: &front, Inner: ledgertest.InMemory()}
	id, _ := ledgertest.BlobOf(ledgertest.CloudID, ledgertest.Hour(t, "2019121019"), "aaaaaaaaaaaaaaaa")
	rows := func(n int, file string) (all []hourlog.Quarantined) {
		for line := range n {
			all = append(all, hourlog.Quarantined{Line: int64(line), Code: "a", Bytes: file, Status: hourlog.RowRejected})
		}
		return all
	}
	ledgertest.OK(t, hourlog.PutQuarantine(ctx, tables, id, rows(60, "quarantine/one")))
	for name, again := range map[string][]hourlog.Quarantined{"of the same rules": rows(100, "quarantine/one"), "of other rules": rows(100, "quarantine/two")} {
		operations := 0
		front.Through(func(_ faultstore.Operation, do func() error) error {
			operations++
			return do()
		})
		ledgertest.OK(t, hourlog.PutQuarantine(ctx, tables, id, again))
		front.Through(nil)
		if operations > 3 {
			t.Errorf("%s: %d operations", name, operations)
		}
		n := 0
		for row, err := range tables.List(ctx, table.Quarantine, ledgertest.CloudID+"_20191210", "", "") {
			ledgertest.OK(t, err)
			if n++; row.Props["bytes"] != again[0].Bytes {
				t.Errorf("%s: row %s is of %s", name, row.Key, row.Props["bytes"])
			}
		}
		if n != 100 {
			t.Errorf("%s: %d rows", name, n)
		}
	}
}
