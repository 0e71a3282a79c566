package handlers_test

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daybook"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// TestWritesOfDeclinedDays: each write on the way into the state and out of it
// fails in both ways, or is the last before a kill.
func TestWritesOfDeclinedDays(t *testing.T) {
	t.Parallel()
	right := map[string]string{"2019-12-10 " + payer: dayTotal, "2019-12-10 " + otherPayer: dayTotal}
	ask := func(t *testing.T, r *rig) {
		_, err := daybook.AskSettle(t.Context(), r.Tables, cloudID, theDay, because("agreed"))
		ok(t, err)
	}
	end := func(t *testing.T, r *rig) {
		t.Helper()
		rnd := rand.New(rand.NewPCG(1, 1))
		r.untilNothingIsOpen(t, rnd)
		if len(r.rows(t, table.OpenDays)) > 0 { // declined, and nobody has settled it
			r.checkDeclined(t)
			ask(t, r)
			r.untilNothingIsOpen(t, rnd)
		}
		r.verified(t)
		if diff := cmp.Diff(right, paid(t, gateOf(r).billing)); diff != "" {
			t.Errorf("charged (-want +got):\n%s", diff)
		}
		if rows := r.rows(t, table.OpenDays); len(rows) > 0 {
			t.Errorf("open: %v", rows)
		}
	}
	half := func(t *testing.T) *rig {
		r, g := halfDeclined(t, halves["the reversal is declined"])
		keepGate(r, g)
		return r
	}
	for name, c := range map[string]struct {
		prepare func(*testing.T, *rig)
		step    func(*testing.T, *rig) (int, string)
	}{
		"the last answer is there": {func(t *testing.T, r *rig) {
			r.advance(61 * time.Minute)
			r.done(t, "CloseDay", dayMessage(theDay))
			for _, m := range r.take(t, queue.Batches) {
				r.done(t, "ForwardBatch", m)
			}
			if len(r.rows(t, table.OpenDays)) != 1 {
				t.Fatal("the revision is not open")
			}
		}, func(_ *testing.T, r *rig) (int, string) {
			return r.post("/Sweep", `{"Data":{"timer":{"IsPastDue":false}},"Metadata":{}}`)
		}},
		"it is stated again": {func(_ *testing.T, r *rig) { r.advance(61 * time.Minute) },
			func(_ *testing.T, r *rig) (int, string) { return r.call("CloseDay", dayMessage(theDay)) }},
		"an operator settles it": {func(*testing.T, *rig) {}, func(t *testing.T, r *rig) (int, string) {
			if _, err := daybook.AskSettle(t.Context(), r.Tables, cloudID, theDay, because("agreed")); err != nil {
				return http.StatusInternalServerError, err.Error()
			}
			return http.StatusOK, ""
		}},
		"it is settled": {ask, func(_ *testing.T, r *rig) (int, string) { return r.call("CloseDay", dayMessage(theDay)) }},
	} {
		t.Run(name, func(t *testing.T) {
			eachWriteFailed(t,
				func(t *testing.T) *rig { r := half(t); c.prepare(t, r); return r },
				func(r *rig) (int, string) { return c.step(t, r) },
				func(t *testing.T, _, r *rig) { end(t, r) })
		})
	}
}
