package handlers_test

import (
	"testing"

	"stackusage/internal/faultstore"
	"stackusage/shared/table"
)

// count says how many storage requests a piece of work makes.
func (r *rig) count(work func()) int {
	requests := 0
	r.through(func(op faultstore.Operation, do func() error) error {
		requests++
		return do()
	})
	work()
	r.through(nil)
	return requests
}

// TestCost pins the number of storage requests. They are what the app pays for
// and waits for; a change of these numbers is a change of the design.
func TestCost(t *testing.T) {
	t.Parallel()
	r := registered(t)
	pin := func(what string, want int, work func()) {
		t.Helper()
		if got := r.count(work); got != want {
			t.Errorf("%s takes %d storage requests, want %d", what, got, want)
		}
	}
	name := r.land(t, hour22, rowsOf(hour22)...)
	// Is there a verdict? The blob, the registration, whether another blob
	// counts; the partial, its input, reading and writing the day's mark; the
	// transaction that commits.
	pin("an hour of one usage day", 9, func() { r.done(t, "IngestHour", landedMessage(name)) })
	// The verdict, and whether the registration still accepts the hour.
	pin("an hour that comes twice", 2, func() { r.done(t, "IngestHour", landedMessage(name)) })

	name = r.land(t, hour00, append(rowsOf(hour00), row(1, hour00, "1"), "{}")...)
	// As above, and for a second usage day: its partial, its input, reading and
	// writing its mark. For rejected rows, however many up to 100: their file and
	// one write of their rows.
	pin("an hour of two usage days with a refused row", 9+4+2, func() { r.done(t, "IngestHour", landedMessage(name)) })

	// As an hour of two usage days: it has an input of its own day and, in the
	// settling hours, of the day before, whatever rows it has.
	other := r.land(t, hour00+24)
	pin("an hour without rows that settles a day", 9+4, func() { r.done(t, "IngestHour", landedMessage(other)) })

	// The registration, and the hours of two reported days to see what is
	// missing; the mark, the last revision, the inputs, the verdict on each.
	pin("a day that is not due", 1+2+3+2, func() { r.done(t, "CloseDay", dayMessage(theDay)) })
	r.ingest(t, hour23, rowsOf(hour23)...)
	// As above with three inputs; each partial; the list of infrastructure
	// subscriptions, which the registration has not got yet; the catalogue of meters; batch,
	// daily file, settlement and manifest; the revision; which batches are listed, the mark of their answers, their
	// list, a message for each; the day's mark away.
	pin("a day of three inputs and one batch", 1+2+3+3+3+1+1+4+1+3+1+1, func() { r.done(t, "CloseDay", dayMessage(theDay)) })

	// The batch's row and its bytes; the claim, and the row that it made; the
	// answers; the receipt; the row again.
	pin("a batch", 2+2+1+1+1, func() { r.done(t, "ForwardBatch", batchMessage(theDay, 1)) })
	if got := r.rows(t, table.DailyUsage); len(got) != 3 {
		t.Errorf("the batch was not forwarded: %v", got)
	}
	// The row, and done.
	pin("a batch that comes twice", 1, func() { r.done(t, "ForwardBatch", batchMessage(theDay, 1)) })
}
