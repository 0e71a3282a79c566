package outbox_test

import (
	"context"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"strings"
	"testing"
	"time"

	"stackusage/internal/ledgertest"
	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
)

var ignoreTags = cmpopts.IgnoreUnexported(outbox.Batch{}, openday.Entry{})

func TestBatches(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	const batches = 103 // more than one transaction takes
	m := ledgertest.ManifestOf(ledgertest.CloudID, d, batches)
	id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: 7}
	t.Run("a batch that was never listed is not found", func(t *testing.T) {
		_, err := outbox.Read(ctx, tables, id)
		ledgertest.Is(t, err, table.ErrNotFound)
	})
	t.Run("a stated day's batches are listed in order, ready, under a mark", func(t *testing.T) {
		ledgertest.OK(t, outbox.Open(ctx, tables, m, ledgertest.Landed))
		ids, all, err := outbox.OfRevision(ctx, tables, ledgertest.CloudID, d, 1)
		ledgertest.OK(t, err)
		if len(ids) != batches || ids[6] != id || ids[batches-1].Number != batches {
			t.Errorf("listed %d: %v", len(ids), ids)
		}
		want := outbox.Batch{State: outbox.Ready, Blob: "outbox/7", SHA256: "hash 7", Records: 2}
		if diff := cmp.Diff(want, all[6], ignoreTags); diff != "" {
			t.Errorf("batch (-want +got):\n%s", diff)
		}
		marks, err := openday.List(ctx, tables)
		ledgertest.OK(t, err)
		wantMarks := []openday.Entry{{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Mark: openday.Mark{Since: ledgertest.Landed, LastLanding: ledgertest.Landed}}}
		if diff := cmp.Diff(wantMarks, marks, ignoreTags); diff != "" {
			t.Errorf("marks (-want +got):\n%s", diff)
		}
	})
	t.Run("a note on a batch stands, and one made without having seen it does not", func(t *testing.T) {
		one, err := outbox.Read(ctx, tables, id)
		ledgertest.OK(t, err)
		two := one
		one.State, one.Tries, one.LastResponse, one.NotBefore = outbox.Waiting, 1, "busy", ledgertest.Landed.Add(time.Minute)
		ledgertest.OK(t, outbox.Update(ctx, tables, id, one))
		two.State = outbox.BatchDone
		ledgertest.Is(t, outbox.Update(ctx, tables, id, two), table.ErrChanged)
		now, err := outbox.Read(ctx, tables, id)
		ledgertest.OK(t, err)
		if diff := cmp.Diff(one, now, ignoreTags); diff != "" {
			t.Errorf("batch (-want +got):\n%s", diff)
		}
		ledgertest.OK(t, outbox.Update(ctx, tables, id, two.On(now)))
	})
	t.Run("listing them again changes nothing", func(t *testing.T) {
		was := ledgertest.Dump(t, tables, ledgertest.CloudID)
		ledgertest.OK(t, outbox.Open(ctx, tables, m, ledgertest.Landed.Add(time.Hour)))
		if diff := cmp.Diff(was, ledgertest.Dump(t, tables, ledgertest.CloudID)); diff != "" {
			t.Errorf("rows (-want +got):\n%s", diff)
		}
	})
	t.Run("a listing that broke off is completed", func(t *testing.T) {
		ledgertest.OK(t, outbox.Open(ctx, tables, ledgertest.ManifestOf(ledgertest.Cloud(1), d, 3), ledgertest.Landed))
		ledgertest.OK(t, outbox.Open(ctx, tables, ledgertest.ManifestOf(ledgertest.Cloud(1), d, 5), ledgertest.Landed))
		ids, _, err := outbox.OfRevision(ctx, tables, ledgertest.Cloud(1), d, 1)
		ledgertest.OK(t, err)
		if len(ids) != 5 {
			t.Errorf("listed %v", ids)
		}
	})
}

func TestPutAnswers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: 1}
	rows := ledgertest.Records(t, d, 3)
	lines := func(t *testing.T) map[string]table.Props {
		t.Helper()
		all := map[string]table.Props{}
		for row, err := range tables.List(ctx, table.DailyUsage, ledgertest.CloudID+"_20191210", "", "") {
			ledgertest.OK(t, err)
			all[row.Props["recordId"].(string)] = row.Props
		}
		return all
	}
	t.Run("a record without an answer has no row", func(t *testing.T) {
		ledgertest.OK(t, outbox.PutOutcomes(ctx, tables, id, rows, map[string]outbox.Answer{"record-0001": {Status: "Accepted"}, "record-9999": {Status: "Accepted"}}))
		if got := lines(t); len(got) != 1 {
			t.Errorf("rows %v", got)
		}
	})
	t.Run("the first answer stands", func(t *testing.T) {
		answers := map[string]outbox.Answer{
			"record-0000": {Status: "Conflict", Code: "QuantityDiffers", Message: "12.5 is stored", Quantity: "12.5"},
			"record-0001": {Status: "Duplicate"},
			"record-0002": {Status: "Rejected", Message: strings.Repeat("é", 1000), Quantity: strings.Repeat("9", 100_000)},
		}
		ledgertest.OK(t, outbox.PutOutcomes(ctx, tables, id, rows, answers))
		ledgertest.OK(t, outbox.PutOutcomes(ctx, tables, id, rows, ledgertest.Accept(rows)))
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
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	id, h := ledgertest.BlobOf(ledgertest.CloudID, d.First(), "a")
	_, err := ledgertest.Commit(ctx, tables, id, h, d)
	ledgertest.OK(t, err)
	c, err := daybook.Begin(ctx, tables, ledgertest.CloudID, d)
	ledgertest.OK(t, err)
	ledgertest.OK(t, ledgertest.Close(ctx, tables, c)) // says 2 batches
	ledgertest.OK(t, outbox.Open(ctx, tables, ledgertest.ManifestOf(ledgertest.CloudID, d, 2), ledgertest.Landed))
	mark := func(t *testing.T) openday.Entry {
		t.Helper()
		marks, err := openday.List(ctx, tables)
		ledgertest.OK(t, err)
		for _, m := range marks {
			if m.Revision == 1 {
				return m
			}
		}
		t.Fatalf("no mark of the revision in %v", marks)
		return openday.Entry{}
	}
	finish := func(m openday.Entry, batches ...outbox.Batch) error {
		_, err := daybook.FinishRevision(ctx, tables, m, batches, ledgertest.Landed)
		return err
	}
	answered := outbox.Batch{State: outbox.BatchDone}
	t.Run("does nothing while the closer still lists batches", func(t *testing.T) {
		ledgertest.OK(t, finish(mark(t), answered))
		mark(t)
	})
	t.Run("does nothing while a batch has no answer", func(t *testing.T) {
		ledgertest.OK(t, finish(mark(t), answered, outbox.Batch{State: outbox.Waiting}))
		mark(t)
	})
	t.Run("takes the revision off the list, and may be repeated", func(t *testing.T) {
		m := mark(t)
		ledgertest.OK(t, finish(m, answered, answered))
		if ledgertest.Marked(t, tables, ledgertest.CloudID, "20191210_0001") {
			t.Error("the mark stands")
		}
		ledgertest.OK(t, finish(m, answered, answered))
	})
	t.Run("a mark without a revision is an error", func(t *testing.T) {
		ledgertest.Is(t, finish(openday.Entry{CloudID: ledgertest.CloudID, Day: d, Revision: 9}, answered), table.ErrNotFound)
	})
}

func TestAnswersAreReadBack(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: 1}
	all := ledgertest.Records(t, d, 4)
	want := map[string]outbox.Answer{
		all[1].RecordID: {Status: "Rejected", Code: "NoMeter", Message: "unknown meter"},
		all[3].RecordID: {Status: "Conflict", Quantity: "12.5"},
	}
	ledgertest.OK(t, outbox.PutOutcomes(ctx, tables, id, all, want))
	got, err := outbox.Answers(ctx, tables, id, all)
	ledgertest.OK(t, err)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}
