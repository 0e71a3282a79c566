package outbox_test

import (
	"context"
	"fmt"
	"github.com/google/go-cmp/cmp"
	"sync/atomic"
	"testing"

	"stackusage/internal/faultstore"
	"stackusage/internal/ledgertest"
	"stackusage/shared/outbox"
)

// TestRepeatedAnswersAreCheap: a batch that is sent again after a crash finds
// the rows of the first try. It must not ask for each of them.
func TestRepeatedAnswersAreCheap(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var requests atomic.Int64
	tables := ledgertest.InFront(ledgertest.InMemory(), func(_ faultstore.Operation, do func() error) error {
		requests.Add(1)
		return do()
	})
	d := ledgertest.Day(t, "20191210")
	id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: 1}
	all := ledgertest.Records(t, d, 500)
	keep := func(what string, want int64, keepOf int) {
		t.Helper()
		requests.Store(0)
		stand, err := outbox.KeepOutcomes(ctx, tables, id, all[:keepOf], ledgertest.Accept(all[:keepOf]))
		ledgertest.OK(t, err)
		if len(stand) != keepOf {
			t.Errorf("%s: %d answers stand, want %d", what, len(stand), keepOf)
		}
		if got := requests.Load(); got != want {
			t.Errorf("%s takes %d requests, want %d", what, got, want)
		}
	}
	keep("half a batch", 3, 250)
	// For each transaction with a row that is there: it fails, a listing tells
	// which ones; what is missing goes into another one. Then what stands.
	keep("the batch after half of it was kept", 2*2+3+2+1, 500)
	keep("the batch again", 5*2+1, 500)

	answers, err := outbox.Answers(ctx, tables, id, all)
	ledgertest.OK(t, err)
	if len(answers) != 500 {
		t.Errorf("%d answers in the table, want 500", len(answers))
	}
}

// TestAnswersInALargeDay: where more rows lie between those of a batch than are
// worth reading, each is asked for by itself, and the outcome is the same.
func TestAnswersInALargeDay(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	all := ledgertest.Records(t, d, 2300)
	for n := 0; n < len(all); n += 500 {
		id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: n/500 + 1}
		part := all[n:min(n+500, len(all))]
		ledgertest.OK(t, outbox.PutOutcomes(ctx, tables, id, part, ledgertest.Accept(part)))
	}
	// Rows are in order of the resource's hash: a batch with first and last of
	// them spans the day.
	id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: 9}
	spread := append(all[:0:0], all[:10]...)
	for i := range spread {
		spread[i] = all[i*len(all)/len(spread)]
	}
	strangers := ledgertest.Records(t, d, 2310)[2300:]
	both := append(spread, strangers...)
	answers := ledgertest.Accept(both)
	for _, r := range spread { // a repeat is answered otherwise; the first answer stands
		answers[r.RecordID] = outbox.Answer{Status: "Duplicate"}
	}
	stand, err := outbox.KeepOutcomes(ctx, tables, id, both, answers)
	ledgertest.OK(t, err)
	if diff := cmp.Diff(ledgertest.Accept(both), stand); diff != "" {
		t.Errorf("what stands (-want +got):\n%s", diff)
	}
}

// TestTwoSendersKeepAnswers: rows that another sender inserts between two
// looks are found at the next one.
func TestTwoSendersKeepAnswers(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	first := ledgertest.InMemory()
	d := ledgertest.Day(t, "20191210")
	id := outbox.ID{CloudID: ledgertest.CloudID, Day: d, Revision: 1, Number: 1}
	all := ledgertest.Records(t, d, 90)
	step := 0
	second := ledgertest.InFront(first, func(op faultstore.Operation, do func() error) error {
		if op.Write && step < 4 { // before each of the first transactions
			part := all[step*10 : step*10+10]
			step++
			if err := outbox.PutOutcomes(ctx, first, id, part, ledgertest.Accept(part)); err != nil {
				return fmt.Errorf("the other sender: %w", err)
			}
		}
		return do()
	})
	answers := map[string]outbox.Answer{}
	for _, r := range all {
		answers[r.RecordID] = outbox.Answer{Status: "Rejected"}
	}
	stand, err := outbox.KeepOutcomes(ctx, second, id, all, answers)
	ledgertest.OK(t, err)
	for i, r := range all {
		want := "Rejected"
		if i < 40 {
			want = "Accepted"
		}
		if got := stand[r.RecordID].Status; got != want {
			t.Errorf("record %d stands as %s, want %s", i, got, want)
		}
	}
	if step != 4 {
		t.Errorf("the other sender came %d times, want 4", step)
	}
}
