package handlers_test

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/daybook"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
)

// TestADifferenceIsAgainstWhatIsStored: a Conflict stands with the quantity that
// commerce has, not with what was sent; the next revision states the rest.
func TestADifferenceIsAgainstWhatIsStored(t *testing.T) {
	t.Parallel()
	r := registered(t)
	g := newGate(t, r, standin.Options{})
	r.complete(t)
	var ours atomic.Int64
	g.set(func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		results := []outcome.Result{}
		for _, raw := range recordsOf(body) {
			var one sentRecord
			_ = json.Unmarshal(raw, &one)
			if one.Kind == "usage" && ours.Add(1) == 1 { // commerce has another quantity under this id
				g.taken(part(req, []byte(strings.Replace(string(raw), `"quantity":"`+one.Quantity+`"`, `"quantity":"0.125"`, 1))))
			}
			results = append(results, g.taken(part(req, raw))[0])
		}
		writeResults(w, results)
		return true
	})
	rnd := rand.New(rand.NewPCG(1, 1))
	r.done(t, "CloseDay", dayMessage(theDay))
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	r.sweep(t)
	if b := r.batch(t); b.Conflict != 1 || b.Declined != 1 || b.Accepted != 2 {
		t.Errorf("batch %+v", b)
	}
	if mark := r.rows(t, table.OpenDays)[cloudID+"/20191210"]; mark["declined"] != int64(1) {
		t.Errorf("mark %v", mark)
	}
	r.settle(t, rnd)
	g.billed(t, wholeDay()...)
	if marks := r.rows(t, table.OpenDays); len(marks) > 0 {
		t.Errorf("open: %v", marks)
	}
	t.Run("reversals that are Expired stand for nothing, and those in Conflict for what is stored", func(t *testing.T) {
		n := 0
		g.declining(func(r sentRecord) *outcome.Result {
			if r.BillingSubscriptionID != payer {
				return nil
			}
			if n++; n == 1 {
				return &outcome.Result{Status: outcome.Conflict, Quantity: "-0.5"}
			}
			return &outcome.Result{Status: outcome.Expired}
		})
		r.movePayer(t)
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("other payer"))
		ok(t, err)
		r.settle(t, rnd)
		g.set(nil)
		_, err = daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("they take it now"))
		ok(t, err)
		r.settle(t, rnd)
		// Of the reversal that it has, commerce was told nothing here: what it is
		// charged less by that is missing in the sum.
		if diff := cmp.Diff(map[string]string{"2019-12-10 " + payer: "1/2", "2019-12-10 " + otherPayer: dayTotal}, paid(t, g.billing)); diff != "" {
			t.Errorf("charged (-want +got):\n%s", diff)
		}
	})
}

// TestSettleIsRefused: there is nothing to settle, or somebody asks for something
// else.
func TestSettleIsRefused(t *testing.T) {
	t.Parallel()
	r, g := halfDeclined(t, halves["the reversal is declined"])
	settle := func(reason string) error {
		_, err := daybook.AskSettle(t.Context(), r.Tables, cloudID, theDay, because(reason))
		return err
	}
	if _, err := daybook.AskSettle(t.Context(), r.Tables, cloudID, december(15), because("x")); !errors.Is(err, table.ErrNotFound) {
		t.Errorf("a day that was never closed: %v", err)
	}
	if err := settle(""); err == nil {
		t.Error("no reason, and no error")
	}
	ok(t, settle("agreed"))
	ok(t, settle("agreed"))
	if err := settle("something else"); !errors.Is(err, daybook.ErrNotSettled) {
		t.Errorf("another request: %v", err)
	}
	if _, err := daybook.AskCarry(t.Context(), r.Tables, cloudID, theDay, december(12), 0, because("agreed")); !errors.Is(err, daybook.ErrNotCarried) {
		t.Errorf("carried while it is to be settled: %v", err)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	if err := settle("agreed"); !errors.Is(err, daybook.ErrNotSettled) {
		t.Errorf("what is settled: %v", err)
	}
	_ = g
}

// TestALateHourIsNotWaived: an hour that comes between the decision and the
// revision that carries it out is stated, and only the rest is waived.
func TestALateHourIsNotWaived(t *testing.T) {
	t.Parallel()
	r, g := halfDeclined(t, halves["the reversal is declined"])
	_, err := daybook.AskSettle(t.Context(), r.Tables, cloudID, theDay, because("agreed"))
	ok(t, err)
	r.ingest(t, hour00+3, row(8, hour22, "4"))
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	r.checkClosed(t, g, map[string]string{"2019-12-10 " + payer: dayTotal, "2019-12-10 " + otherPayer: "58634277698583901/1000000000000000"})
}
