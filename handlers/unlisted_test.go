package handlers_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"stackusage/internal/faultstore"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// TestUnlistedBatches: a closer that dies between the revision and the list of
// its batches, and hours that come before the message does again. Every write
// after the revision is tried.
func TestUnlistedBatches(t *testing.T) {
	t.Parallel()
	for _, lost := range []string{table.OpenDays, table.UsageBatches, queue.Batches} {
		t.Run("the closer dies before it writes "+lost, func(t *testing.T) {
			t.Parallel()
			r := registered(t)
			commerce := newBilling(t, r)
			r.complete(t)
			stated := false
			r.through(func(op faultstore.Operation, do func() error) error {
				stated = stated || op.Write && op.Name == table.UsageDays
				if stated && op.Write && op.Name == lost {
					return errFault
				}
				return do()
			})
			r.fails(t, "CloseDay", dayMessage(theDay))
			r.through(nil)
			r.onlyOfDay(t, table.UsageDays)
			r.ingest(t, hour00+1, row(7, hour22, "8"))
			r.settle(t, rand.New(rand.NewPCG(1, 2)))
			if days := r.ofDay(t, table.UsageDays); len(days) != 2 {
				t.Errorf("%d revisions, want 2", len(days))
			}
			got := commerce.sums(t)
			for resource, want := range map[string]string{"sa001": "9/2", "sa007": "8"} {
				found := false
				for key, sum := range got {
					found = found || strings.HasSuffix(key, resource) && sum == want
				}
				if !found {
					t.Errorf("%s is not billed as %s: %v", resource, want, got)
				}
			}
		})
	}
}
