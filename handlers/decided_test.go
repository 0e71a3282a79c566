package handlers_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
)

var firstBatch = outbox.ID{CloudID: cloudID, Day: theDay, Revision: 1, Number: 1}

// refused is a rig with one batch that commerce refused whole, and an operator
// who decided that this is final.
func refused(t *testing.T, n int) (*rig, *gate) {
	t.Helper()
	r := statedWith(t, n)
	g := newGate(t, r, standin.Options{})
	g.set(refuseAll)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.State != outbox.Waiting || b.DeclinedSince.IsZero() {
		t.Fatalf("%+v", b)
	}
	r.reject(t)
	return r, g
}

func (r *rig) reject(t *testing.T) {
	t.Helper()
	_, err := outbox.AskSettle(t.Context(), r.Tables, firstBatch, outbox.SettleDeclined, because("the meter was withdrawn"))
	ok(t, err)
}

// checkDecided checks how many records were rejected by decision, and that row
// and lines say whose it was.
func (r *rig) checkDecided(t *testing.T, want int) {
	t.Helper()
	n := 0
	for key, line := range r.rows(t, table.DailyUsage) {
		if line["outcomeCode"] != "RejectedByDecision" {
			continue
		}
		n++
		if line["outcome"] != "Rejected" || line["outcomeMessage"] != "2019-12-12T09:00:00Z, decided by olga: the meter was withdrawn. Commerce said BadRecord: a gateway does not like it" {
			t.Errorf("%s: %v %v", key, line["outcome"], line["outcomeMessage"])
		}
	}
	if n != want {
		t.Errorf("%d records are rejected by decision, want %d", n, want)
	}
	if b := r.batch(t); b.Decision != outbox.DecisionSettle || b.SettleAs != outbox.SettleDeclined || b.DecidedBy != "olga" || b.DecisionReason != "the meter was withdrawn" || !b.DecidedAt.Equal(because("").At) {
		t.Errorf("%+v", b)
	}
}

func TestABatchThatAnOperatorRejects(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 5, 240} {
		t.Run(fmt.Sprintf("all of %d records are refused", n), func(t *testing.T) {
			t.Parallel()
			r, g := refused(t, n)
			before := len(g.posts)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1)) // due at once
			g.checkEnd(t, r, n, "Rejected", nil)
			r.checkDecided(t, n)
			if got := len(g.posts) - before; got > 2*n-1 {
				t.Errorf("%d requests", got)
			}
			before = len(g.posts)
			r.reject(t) // once more
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			r.advance(time.Hour)
			r.sweep(t)
			if len(g.posts) != before || len(r.ofDay(t, table.OpenDays)) != 0 {
				t.Error("a repeat does something")
			}
			r.verified(t)
		})
	}
	t.Run("commerce takes all of it by now", func(t *testing.T) {
		t.Parallel()
		r, g := refused(t, 5)
		g.set(nil)
		r.forward(t, 1)
		g.checkEnd(t, r, 5, "Accepted", nil)
		r.checkDecided(t, 0)
	})
	t.Run("commerce takes some of it by now", func(t *testing.T) {
		t.Parallel()
		r, g := refused(t, 5)
		g.set(poison(2, 3))
		r.forward(t, 1)
		g.checkEnd(t, r, 5, "Accepted", map[int]string{2: "Rejected", 3: "Rejected"})
		r.checkDecided(t, 0) // that it takes others is the proof
	})
	t.Run("a record that was taken while its answer got lost is billed", func(t *testing.T) {
		t.Parallel()
		r, g := refused(t, 5)
		g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
			if records := recordsOf(body); len(records) == 1 && strings.Contains(string(body), "/sa004\"") {
				g.taken(req)
			}
			return refuseAs(w, 400)
		}
		r.forward(t, 1)
		g.checkEnd(t, r, 5, "Rejected", map[int]string{4: "Accepted"})
		r.checkDecided(t, 4)
	})
	t.Run("commerce is away, or cannot be read back: the decision waits", func(t *testing.T) {
		t.Parallel()
		r, g := refused(t, 5)
		inner := g.inner
		g.inner = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) { w.WriteHeader(500) })
		for _, answer := range []func(http.ResponseWriter, *http.Request, []byte) bool{nil, refuseAll, nil} {
			g.set(answer)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			if b := r.batch(t); b.State != outbox.Waiting || len(r.answers(t)) != 0 {
				t.Errorf("%+v %v", b, r.answers(t))
			}
			r.checkDecided(t, 0)
			r.advance(25 * time.Hour)
		}
		g.inner = inner
		g.set(refuseAll)
		r.forward(t, 1)
		g.checkEnd(t, r, 5, "Rejected", nil)
		r.checkDecided(t, 5)
	})
	t.Run("commerce goes away in the middle of it", func(t *testing.T) {
		t.Parallel()
		r, g := refused(t, 5)
		before := len(g.posts)
		g.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
			if len(g.posts) == before+6 {
				w.WriteHeader(503)
				return true
			}
			return refuseAs(w, 400)
		}
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if n := len(r.answers(t)); n == 0 || n == 5 {
			t.Errorf("%d answers", n)
		}
		r.advance(time.Hour)
		r.forward(t, 1)
		g.checkEnd(t, r, 5, "Rejected", nil)
		r.checkDecided(t, 5)
	})
	t.Run("the next revision states only what is new, until an operator restates the day", func(t *testing.T) {
		t.Parallel()
		r, g := refused(t, 3)
		r.forward(t, 1)
		g.set(nil)
		r.ingest(t, hour00+1, row(1, hour22, "1"))
		r.advance(49 * time.Hour)
		r.done(t, "CloseDay", dayMessage(theDay))
		r.done(t, "ForwardBatch", strings.Replace(batchMessage(theDay, 1), `"revision":1`, `"revision":2`, 1))
		if got := g.records(t); len(got) != 1 || got[0].Quantity != "1" {
			t.Errorf("billed %v, want the late row alone", got)
		}
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("the meter is back"))
		ok(t, err)
		r.settle(t, rand.New(rand.NewPCG(1, 1)))
		g.billed(t, []string{row(1, hour22-1, "0.125"), row(2, hour22-1, "1.125"), row(3, hour22-1, "2.125"), row(1, hour22, "1")})
	})
}

func TestADecidedBatchAndCrashes(t *testing.T) {
	t.Parallel()
	gates := map[*rig]*gate{}
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r, g := refused(t, 4)
			refuse := refuseAll
			g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
				if records := recordsOf(body); len(records) == 1 && strings.Contains(string(body), "/sa004\"") {
					g.taken(req) // taken, and the answer is another one
				}
				return refuse(w, req, body)
			}
			gateLock.Lock()
			defer gateLock.Unlock()
			gates[r] = g
			return r
		},
		func(r *rig) (int, string) { return r.call("ForwardBatch", batchMessage(theDay, 1)) },
		func(t *testing.T, _, r *rig) {
			t.Helper()
			gateLock.Lock()
			g := gates[r]
			gateLock.Unlock()
			if r.batch(t).State != outbox.BatchDone {
				r.advance(2 * time.Minute)
				r.forward(t, 1)
			}
			if answers := g.agree(t, r, 4); answers["sa004"] != "Accepted" || answers["sa001"] != "Rejected" {
				t.Errorf("%v", answers)
			}
			r.checkDecided(t, 3)
		})
}

// TestADecisionOnItsWay: the decision's own write fails, both ways, and the
// operator runs the command again.
func TestADecisionOnItsWay(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		t.Run(fmt.Sprint("stored: ", stored), func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 3)
			g := newGate(t, r, standin.Options{})
			g.set(refuseAll)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			r.failWrite(1, stored)
			if _, err := outbox.AskSettle(t.Context(), r.Tables, firstBatch, outbox.SettleDeclined, because("the meter was withdrawn")); err == nil {
				t.Fatal("no error")
			}
			r.through(nil)
			later := because("another reason")
			later.By = "otto"
			first := because("the meter was withdrawn")
			if !stored {
				later = first
			}
			b, err := outbox.AskSettle(t.Context(), r.Tables, firstBatch, outbox.SettleDeclined, later)
			ok(t, err)
			if b.DecidedBy != "olga" || b.DecisionReason != first.Reason {
				t.Errorf("the first decision does not stand: %+v", b)
			}
			r.forward(t, 1)
			g.checkEnd(t, r, 3, "Rejected", nil)
			r.checkDecided(t, 3)
		})
	}
}

// A decision that an earlier version recorded is carried out as it was meant.
func TestADecisionOfAnEarlierVersion(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 3)
	g := newGate(t, r, standin.Options{})
	g.set(refuseAll)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	b, err := outbox.Read(t.Context(), r.Tables, firstBatch)
	ok(t, err)
	why := because("the meter was withdrawn")
	b.Decision, b.DecidedBy, b.DecidedAt, b.DecisionReason, b.NotBefore = outbox.DecisionReject, why.By, why.At, why.Reason, time.Time{}
	ok(t, outbox.Update(t.Context(), r.Tables, firstBatch, b))
	r.forward(t, 1)
	g.checkEnd(t, r, 3, "Rejected", nil)
	if b := r.batch(t); b.SettledAs() != outbox.SettleDeclined || b.Declined != 0 {
		t.Errorf("%+v", b)
	}
}
