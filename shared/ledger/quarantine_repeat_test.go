package ledger_test

import (
	"context"
	"testing"

	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// TestARepeatKeepsWhatBecameOfARow: ingesting an hour again, before its verdict is
// there, does not bring back rows that an operator has decided about since. Rows of
// other rules, whose bytes are in another file, take the place of the old ones.
func TestARepeatKeepsWhatBecameOfARow(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	id, _ := blobOf(cloudID, hour(t, "2019121019"), "aaaaaaaaaaaaaaaa")
	put := func(file string) {
		t.Helper()
		ok(t, l.PutQuarantine(ctx, id, []ledger.Quarantined{
			{Line: 1, Code: "a", Bytes: file, Status: ledger.RowRejected}, {Line: 7, Code: "b", Bytes: file, Status: ledger.RowRejected}}))
	}
	read := func() (status []string) {
		t.Helper()
		for row, err := range l.Store.List(ctx, table.Quarantine, cloudID+"_20191210", "", "") {
			ok(t, err)
			status = append(status, row.Props["status"].(string))
		}
		return status
	}
	put("quarantine/one")
	row, err := l.Store.Get(ctx, table.Quarantine, cloudID+"_20191210", "19_aaaaaaaaaaaaaaaa_0000000007")
	ok(t, err)
	row.Props["status"], row.Props["decidedBy"] = string(ledger.Dismissed), "olga"
	ok(t, l.Store.Apply(ctx, table.Quarantine, row.Partition, table.Op{Verb: table.Update, Row: row}))
	put("quarantine/one")
	if got := read(); len(got) != 2 || got[1] != string(ledger.Dismissed) {
		t.Errorf("after a repeat: %v", got)
	}
	put("quarantine/two")
	if got := read(); len(got) != 2 || got[1] != string(ledger.RowRejected) {
		t.Errorf("under other rules: %v", got)
	}
}
