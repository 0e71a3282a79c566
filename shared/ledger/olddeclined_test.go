package ledger_test

import (
	"testing"

	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// TestDeclinedOfAnEarlierVersion: rows of batches that were answered before there was a
// column declined. What expired then is listed, and an operator can carry it forward.
func TestDeclinedOfAnEarlierVersion(t *testing.T) {
	l, d := inMemory(), day(t, "20191210")
	ok(t, l.OpenBatches(t.Context(), ledger.Manifest{CloudID: cloudID, UsageDay: d, Revision: 1,
		Batches: []daily.Batch{{Number: 1, Records: 5}, {Number: 2, Records: 5}, {Number: 3, Records: 5}}}, landed))
	for n, b := range []ledger.Batch{{Accepted: 2, Rejected: 1, Expired: 1, Conflict: 1}, {Rejected: 4, Expired: 1, Decision: ledger.Reject}, {Accepted: 5}} {
		b.State, b.Records = ledger.BatchDone, 5
		props := table.Encode(b)
		delete(props, "declined")
		id := ledger.BatchID{CloudID: cloudID, Day: d, Revision: 1, Number: n + 1}
		have, err := l.Store.Get(t.Context(), table.UsageBatches, cloudID+"_20191210", "0001_0000"+string(rune('1'+n)))
		ok(t, err)
		have.Props = props
		ok(t, l.Store.Apply(t.Context(), table.UsageBatches, have.Partition, table.Op{Verb: table.Update, Row: have}))
		read, err := l.Batch(t.Context(), id)
		if want := []int64{3, 1, 0}[n]; err != nil || read.Declined != want {
			t.Errorf("batch %d: %d declined, want %d; error %v", n+1, read.Declined, want, err)
		}
	}
	ok(t, l.Store.Apply(t.Context(), table.UsageDays, cloudID, table.Op{Row: table.Row{Partition: cloudID, Key: "20191210_0001",
		Props: table.Encode(ledger.Revision{Number: 1, Batches: 3})}}))
	days, err := l.DeclinedDays(t.Context(), cloudID)
	if err != nil || len(days) != 1 || days[0].Records != 4 {
		t.Errorf("days %+v, error %v", days, err)
	}
	if _, err := l.AskSettle(t.Context(), cloudID, d, because("agreed")); err != nil {
		t.Error(err)
	}
}

// TestDeclinedByClass: what an infrastructure subscription makes free is declined of
// both classes. Summed up, the list would say that nothing is at stake.
func TestDeclinedByClass(t *testing.T) {
	l, d := inMemory(), day(t, "20191210")
	id := ledger.BatchID{CloudID: cloudID, Day: d, Revision: 1, Number: 1}
	ok(t, l.Store.Apply(t.Context(), table.UsageDays, cloudID, table.Op{Row: table.Row{Partition: cloudID, Key: "20191210_0001",
		Props: table.Encode(ledger.Revision{Number: 1, Batches: 1})}}))
	ok(t, l.OpenBatches(t.Context(), ledger.Manifest{CloudID: cloudID, UsageDay: d, Revision: 1, Batches: []daily.Batch{{Number: 1, Records: 2}}}, landed))
	have, err := l.Store.Get(t.Context(), table.UsageBatches, cloudID+"_20191210", "0001_00001")
	ok(t, err)
	have.Props = table.Encode(ledger.Batch{State: ledger.BatchDone, Records: 2, Rejected: 2, Declined: 2})
	ok(t, l.Store.Apply(t.Context(), table.UsageBatches, have.Partition, table.Op{Verb: table.Update, Row: have}))
	for class, quantity := range map[string]string{"admin": "-16.5", "full": "16.5"} {
		ok(t, l.Store.Apply(t.Context(), table.DailyUsage, cloudID+"_20191210", table.Op{Row: table.Row{Partition: cloudID + "_20191210", Key: class,
			Props: table.Props{"revision": int64(id.Revision), "billingSubscriptionId": cloudID, "meterId": cloudID, "meterClass": class, "quantity": quantity, "outcome": "Rejected"}}}))
	}
	days, err := l.DeclinedDays(t.Context(), cloudID)
	if err != nil || len(days) != 1 || len(days[0].Meters) != 2 || days[0].Meters[0].Class != "admin" || days[0].Meters[1].Quantity.String() != "16.5" {
		t.Errorf("days %+v, error %v", days, err)
	}
}

// TestNothingToSettle: who asks is told why once.
func TestNothingToSettle(t *testing.T) {
	l := inMemory()
	ok(t, l.Store.Apply(t.Context(), table.UsageDays, cloudID, table.Op{Row: table.Row{Partition: cloudID, Key: "20191210_0001",
		Props: table.Encode(ledger.Revision{Number: 1})}}))
	_, err := l.AskSettle(t.Context(), cloudID, day(t, "20191210"), because("agreed"))
	want := "settle day 2019-12-10 of " + cloudID + ": no record of revision 1 is declined: it cannot be settled"
	if is(t, err, ledger.ErrNotSettled); err.Error() != want {
		t.Errorf("%s; want %s", err, want)
	}
	_, err = l.AskCarry(t.Context(), cloudID, day(t, "20191210"), day(t, "20191211"), 0, because("agreed"))
	is(t, err, ledger.ErrNotCarried)
}
