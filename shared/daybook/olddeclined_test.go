package daybook_test

import (
	"testing"

	"stackusage/internal/ledgertest"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
)

// TestDeclinedOfAnEarlierVersion: rows of batches that were answered before there was a
// column declined. What expired then is listed, and an operator can carry it forward.
func TestDeclinedOfAnEarlierVersion(t *testing.T) {
	tables, d := ledgertest.InMemory(), ledgertest.Day(t, "20191210")
	ledgertest.OK(t, outbox.Open(t.Context(), tables, daily.Manifest{CloudID: ledgertest.CloudID, UsageDay: d, Revision: 1,
		Batches: []daily.Batch{{Number: 1, Records: 5}, {Number: 2, Records: 5}, {Number: 3, Records: 5}}}, ledgertest.Landed))
	for n, b := range []outbox.Batch{{Accepted: 2, Rejected: 1, Expired: 1, Conflict: 1}, {Rejected: 4, Expired: 1, Decision: outbox.DecisionReject}, {Accepted: 5}} {
		b.State, b.Records = outbox.BatchDone, 5
		props := table.Encode(b)
		delete(props, "declined")
		id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: n + 1}
		have, err := tables.Get(t.Context(), table.UsageBatches, ledgertest.CloudID+"_20191210", "0001_0000"+string(rune('1'+n)))
		ledgertest.OK(t, err)
		have.Props = props
		ledgertest.OK(t, tables.Apply(t.Context(), table.UsageBatches, have.Partition, table.Op{Verb: table.Update, Row: have}))
		read, err := outbox.Read(t.Context(), tables, id)
		if want := []int64{3, 1, 0}[n]; err != nil || read.Declined != want {
			t.Errorf("batch %d: %d declined, want %d; error %v", n+1, read.Declined, want, err)
		}
	}
	ledgertest.OK(t, tables.Apply(t.Context(), table.UsageDays, ledgertest.CloudID, table.Op{Row: table.Row{Partition: ledgertest.CloudID, Key: "20191210_0001",
		Props: table.Encode(daybook.Revision{Number: 1, Batches: 3})}}))
	days, err := daybook.DeclinedDays(t.Context(), tables, ledgertest.CloudID)
	if err != nil || len(days) != 1 || days[0].Records != 4 {
		t.Errorf("days %+v, error %v", days, err)
	}
	if _, err := daybook.AskSettle(t.Context(), tables, ledgertest.CloudID, d, ledgertest.Because("agreed")); err != nil {
		t.Error(err)
	}
}

// TestDeclinedByClass: what an infrastructure subscription makes free is declined of
// both classes. Summed up, the list would say that nothing is at stake.
func TestDeclinedByClass(t *testing.T) {
	tables, d := ledgertest.InMemory(), ledgertest.Day(t, "20191210")
	id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: 1}
	ledgertest.OK(t, tables.Apply(t.Context(), table.UsageDays, ledgertest.CloudID, table.Op{Row: table.Row{Partition: ledgertest.CloudID, Key: "20191210_0001",
		Props: table.Encode(daybook.Revision{Number: 1, Batches: 1})}}))
	ledgertest.OK(t, outbox.Open(t.Context(), tables, daily.Manifest{CloudID: ledgertest.CloudID, UsageDay: d, Revision: 1, Batches: []daily.Batch{{Number: 1, Records: 2}}}, ledgertest.Landed))
	have, err := tables.Get(t.Context(), table.UsageBatches, ledgertest.CloudID+"_20191210", "0001_00001")
	ledgertest.OK(t, err)
	have.Props = table.Encode(outbox.Batch{State: outbox.BatchDone, Records: 2, Rejected: 2, Declined: 2})
	ledgertest.OK(t, tables.Apply(t.Context(), table.UsageBatches, have.Partition, table.Op{Verb: table.Update, Row: have}))
	for class, quantity := range map[string]string{"admin": "-16.5", "full": "16.5"} {
		ledgertest.OK(t, tables.Apply(t.Context(), table.DailyUsage, ledgertest.CloudID+"_20191210", table.Op{Row: table.Row{Partition: ledgertest.CloudID + "_20191210", Key: class,
			Props: table.Props{"revision": int64(id.Revision), "billingSubscriptionId": ledgertest.CloudID, "meterId": ledgertest.CloudID, "meterClass": class, "quantity": quantity, "outcome": "Rejected"}}}))
	}
	days, err := daybook.DeclinedDays(t.Context(), tables, ledgertest.CloudID)
	if err != nil || len(days) != 1 || len(days[0].Meters) != 2 || days[0].Meters[0].Class != "admin" || days[0].Meters[1].Quantity.String() != "16.5" {
		t.Errorf("days %+v, error %v", days, err)
	}
}

// TestNothingToSettle: who asks is told why once.
func TestNothingToSettle(t *testing.T) {
	tables := ledgertest.InMemory()
	ledgertest.OK(t, tables.Apply(t.Context(), table.UsageDays, ledgertest.CloudID, table.Op{Row: table.Row{Partition: ledgertest.CloudID, Key: "20191210_0001",
		Props: table.Encode(daybook.Revision{Number: 1})}}))
	_, err := daybook.AskSettle(t.Context(), tables, ledgertest.CloudID, ledgertest.Day(t, "20191210"), ledgertest.Because("agreed"))
	want := "settle day 2019-12-10 of " + ledgertest.CloudID + ": no record of revision 1 is declined: it cannot be settled"
	if ledgertest.Is(t, err, daybook.ErrNotSettled); err.Error() != want {
		t.Errorf("%s; want %s", err, want)
	}
	_, err = daybook.AskCarry(t.Context(), tables, ledgertest.CloudID, ledgertest.Day(t, "20191210"), ledgertest.Day(t, "20191211"), 0, ledgertest.Because("agreed"))
	ledgertest.Is(t, err, daybook.ErrNotCarried)
}
