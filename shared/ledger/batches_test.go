package ledger_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

var ignoreTags = cmpopts.IgnoreUnexported(ledger.Batch{}, ledger.OpenMark{})

func manifestOf(cloudID string, d usage.Day, batches int) ledger.Manifest {
	m := ledger.Manifest{CloudID: cloudID, UsageDay: d, Revision: 1, File: "daily/file"}
	for n := 1; n <= batches; n++ {
		m.Batches = append(m.Batches, daily.Batch{Number: n, Records: 2, SHA256: fmt.Sprint("hash ", n), Blob: fmt.Sprint("outbox/", n)})
	}
	return m
}

// records are n daily records of one batch.
func records(t testing.TB, d usage.Day, n int) []daily.Record {
	t.Helper()
	all := make([]daily.Record, n)
	for i := range all {
		q, err := usage.ParseQuantity(fmt.Sprintf("%d.5", i))
		ok(t, err)
		all[i] = daily.Record{
			RecordID: fmt.Sprintf("record-%04d", i), Kind: daily.Usage, Revision: 1, BillingModel: "PayAsYouUse",
			SubscriptionID: "09065051-cfe9-4fcf-b90c-87f2af292fc9", MeterID: "meter", MeterClass: "full", Quantity: q,
			UsageDate: d, UsageStart: d.Start(), UsageEnd: d.End(), Hours: usage.HourSet(0).With(0).With(18),
			Region: daily.Region, Location: daily.Location, ResourceURI: fmt.Sprint("/subscriptions/s/vm", i),
			Flags: []string{"a", "b"},
		}
	}
	return all
}

func accept(records []daily.Record) map[string]ledger.Answer {
	answers := map[string]ledger.Answer{}
	for _, r := range records {
		answers[r.RecordID] = ledger.Answer{Status: "Accepted"}
	}
	return answers
}

func TestBatches(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	const batches = 103 // more than one transaction takes
	m := manifestOf(cloudID, d, batches)
	id := ledger.BatchID{CloudID: cloudID, Day: d, Revision: 1, Number: 7}
	t.Run("a batch that was never listed is not found", func(t *testing.T) {
		_, err := l.Batch(ctx, id)
		is(t, err, table.ErrNotFound)
	})
	t.Run("a stated day's batches are listed in order, ready, under a mark", func(t *testing.T) {
		ok(t, l.OpenBatches(ctx, m, landed))
		ids, all, err := l.Batches(ctx, cloudID, d, 1)
		ok(t, err)
		if len(ids) != batches || ids[6] != id || ids[batches-1].Number != batches {
			t.Errorf("listed %d: %v", len(ids), ids)
		}
		want := ledger.Batch{State: ledger.BatchReady, Blob: "outbox/7", SHA256: "hash 7", Records: 2}
		if diff := cmp.Diff(want, all[6], ignoreTags); diff != "" {
			t.Errorf("batch (-want +got):\n%s", diff)
		}
		marks, err := l.OpenMarks(ctx)
		ok(t, err)
		wantMarks := []ledger.OpenMark{{CloudID: cloudID, Day: d, Revision: 1, OpenDay: ledger.OpenDay{Since: landed, LastLanding: landed}}}
		if diff := cmp.Diff(wantMarks, marks, ignoreTags); diff != "" {
			t.Errorf("marks (-want +got):\n%s", diff)
		}
	})
	t.Run("a note on a batch stands, and one made without having seen it does not", func(t *testing.T) {
		one, err := l.Batch(ctx, id)
		ok(t, err)
		two := one
		one.State, one.Tries, one.LastResponse, one.NotBefore = ledger.BatchWaiting, 1, "busy", landed.Add(time.Minute)
		ok(t, l.UpdateBatch(ctx, id, one))
		two.State = ledger.BatchDone
		is(t, l.UpdateBatch(ctx, id, two), table.ErrChanged)
		now, err := l.Batch(ctx, id)
		ok(t, err)
		if diff := cmp.Diff(one, now, ignoreTags); diff != "" {
			t.Errorf("batch (-want +got):\n%s", diff)
		}
		ok(t, l.UpdateBatch(ctx, id, two.On(now)))
	})
	t.Run("listing them again changes nothing", func(t *testing.T) {
		was := dump(t, l, cloudID)
		ok(t, l.OpenBatches(ctx, m, landed.Add(time.Hour)))
		if diff := cmp.Diff(was, dump(t, l, cloudID)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	t.Run("a listing that broke off is completed", func(t *testing.T) {
		ok(t, l.OpenBatches(ctx, manifestOf(cloud(1), d, 3), landed))
		ok(t, l.OpenBatches(ctx, manifestOf(cloud(1), d, 5), landed))
		ids, _, err := l.Batches(ctx, cloud(1), d, 1)
		ok(t, err)
		if len(ids) != 5 {
			t.Errorf("listed %v", ids)
		}
	})
}

func TestPutAnswers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	id := ledger.BatchID{CloudID: cloudID, Day: d, Revision: 1, Number: 1}
	rows := records(t, d, 3)
	lines := func(t *testing.T) map[string]table.Props {
		t.Helper()
		all := map[string]table.Props{}
		for row, err := range l.Store.List(ctx, table.DailyUsage, cloudID+"_20191210", "", "") {
			ok(t, err)
			all[row.Props["recordId"].(string)] = row.Props
		}
		return all
	}
	t.Run("a record without an answer has no row", func(t *testing.T) {
		ok(t, l.PutOutcomes(ctx, id, rows, map[string]ledger.Answer{"record-0001": {Status: "Accepted"}, "record-9999": {Status: "Accepted"}}))
		if got := lines(t); len(got) != 1 {
			t.Errorf("rows %v", got)
		}
	})
	t.Run("the first answer stands", func(t *testing.T) {
		answers := map[string]ledger.Answer{
			"record-0000": {Status: "Conflict", Code: "QuantityDiffers", Message: "12.5 is stored", Quantity: "12.5"},
			"record-0001": {Status: "Duplicate"},
			"record-0002": {Status: "Rejected", Message: strings.Repeat("é", 1000), Quantity: strings.Repeat("9", 100_000)},
		}
		ok(t, l.PutOutcomes(ctx, id, rows, answers))
		ok(t, l.PutOutcomes(ctx, id, rows, accept(rows)))
		got := lines(t)
		for record, want := range map[string]string{"record-0000": "Conflict", "record-0001": "Accepted", "record-0002": "Rejected"} {
			if got[record]["outcome"] != want {
				t.Errorf("%s: %v, want %s", record, got[record]["outcome"], want)
			}
		}
		if got["record-0000"]["storedQuantity"] != "12.5" || got["record-0000"]["outcomeCode"] != "QuantityDiffers" {
			t.Errorf("conflict: %v", got["record-0000"])
		}
	})
	t.Run("commerce's own texts are bounded, for a table would refuse them", func(t *testing.T) {
		for _, column := range []string{"outcomeMessage", "storedQuantity"} {
			if text := lines(t)["record-0002"][column].(string); len(text) > 1003 || !strings.HasSuffix(text, "...") {
				t.Errorf("%s has %d bytes", column, len(text))
			}
		}
	})
	t.Run("a row is the record as it was sent", func(t *testing.T) {
		want := table.Props{
			"recordId": "record-0001", "kind": "usage", "revision": int64(1), "batch": int64(1), "outcome": "Accepted",
			"billingModel": "PayAsYouUse", "billingSubscriptionId": "", "subscriptionId": "09065051-cfe9-4fcf-b90c-87f2af292fc9",
			"meterId": "meter", "meterName": "", "unit": "", "meterClass": "full", "flags": "a,b", "quantity": "1.5",
			"usageStart": d.Start(), "usageEnd": d.End(), "hours": "0,18", "region": "Azure Stack", "location": "azurestack",
			"resourceUri": "/subscriptions/s/vm1", "azureStackMeterId": "", "azureStackSubscriptionId": "",
			"azureStackLocation": "", "azureStackEventDateTime": "",
		}
		if diff := cmp.Diff(want, lines(t)["record-0001"]); diff != "" {
			t.Errorf("row (-want +got):\n%s", diff)
		}
	})
}

func TestFinishRevision(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	id, h := blobOf(cloudID, d.First(), "a")
	_, err := commit(ctx, l, id, h, d)
	ok(t, err)
	c, err := l.BeginClose(ctx, cloudID, d)
	ok(t, err)
	ok(t, state(ctx, l, c)) // says 2 batches
	ok(t, l.OpenBatches(ctx, manifestOf(cloudID, d, 2), landed))
	mark := func(t *testing.T) ledger.OpenMark {
		t.Helper()
		marks, err := l.OpenMarks(ctx)
		ok(t, err)
		for _, m := range marks {
			if m.Revision == 1 {
				return m
			}
		}
		t.Fatalf("no mark of the revision in %v", marks)
		return ledger.OpenMark{}
	}
	finish := func(m ledger.OpenMark, batches ...ledger.Batch) error {
		_, err := l.FinishRevision(ctx, m, batches, landed)
		return err
	}
	answered := ledger.Batch{State: ledger.BatchDone}
	t.Run("does nothing while the closer still lists batches", func(t *testing.T) {
		ok(t, finish(mark(t), answered))
		mark(t)
	})
	t.Run("does nothing while a batch has no answer", func(t *testing.T) {
		ok(t, finish(mark(t), answered, ledger.Batch{State: ledger.BatchWaiting}))
		mark(t)
	})
	t.Run("takes the revision off the list, and may be repeated", func(t *testing.T) {
		m := mark(t)
		ok(t, finish(m, answered, answered))
		if marked(t, l, cloudID, "20191210_0001") {
			t.Error("the mark stands")
		}
		ok(t, finish(m, answered, answered))
	})
	t.Run("a mark without a revision is an error", func(t *testing.T) {
		is(t, finish(ledger.OpenMark{CloudID: cloudID, Day: d, Revision: 9}, answered), table.ErrNotFound)
	})
}

func TestAnswersAreReadBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	l := inMemory()
	d := day(t, "20191210")
	id := ledger.BatchID{CloudID: cloudID, Day: d, Revision: 1, Number: 1}
	all := records(t, d, 4)
	want := map[string]ledger.Answer{
		all[1].RecordID: {Status: "Rejected", Code: "NoMeter", Message: "unknown meter"},
		all[3].RecordID: {Status: "Conflict", Quantity: "12.5"},
	}
	ok(t, l.PutOutcomes(ctx, id, all, want))
	got, err := l.Answers(ctx, id, all)
	ok(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}
