package handlers_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/reasoned"
)

// TestADecisionMeanwhile: an operator decides while a sender is at work. The
// sender must not write over it, and what it does is done.
func TestADecisionMeanwhile(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(http.ResponseWriter, *http.Request, []byte) bool{
		"and commerce refuses on": refuseAll, "and commerce takes it": nil,
		"and commerce is away": func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { w.WriteHeader(503); return true },
	} {
		for at := 1; at <= 3; at++ {
			t.Run(fmt.Sprintf("%s, request %d", name, at), func(t *testing.T) {
				t.Parallel()
				r := statedWith(t, 3)
				g := newGate(t, r, standin.Options{})
				g.set(refuseAll)
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				r.advance(2 * time.Hour)
				before := len(g.posts)
				g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
					if len(g.posts) < before+at {
						return refuseAs(w, 400)
					}
					if len(g.posts) == before+at {
						r.reject(t)
					}
					return end != nil && end(w, req, body)
				}
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				decided := 0
				if name == "and commerce refuses on" && at == 1 { // before the records are asked one by one
					decided = 3
				}
				r.checkDecided(t, decided)
				b := r.batch(t)
				if b.State != outbox.BatchDone && !b.NotBefore.IsZero() {
					t.Errorf("it is to be tried at once: %+v", b)
				}
				if b.State != outbox.BatchDone {
					g.set(end)
					if end != nil {
						g.set(refuseAll)
					}
					if b.LeasedUntil.After(r.Now()) {
						t.Errorf("still claimed: %+v", b)
					}
					r.forward(t, 1)
				}
				g.agree(t, r, 3)
			})
		}
	}
}

func TestDecisionsOnBatchesThatCannotBe(t *testing.T) {
	t.Parallel()
	r := stated(t)
	rejection := func(want string) {
		t.Helper()
		_, err := outbox.AskSettle(t.Context(), r.Tables, firstBatch, outbox.SettleDeclined, because("no"))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
	rejection("commerce may still answer it")
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	rejection("every record of it has a final answer")
	before := r.batch(t)
	if b, err := outbox.AskRetry(t.Context(), r.Tables, firstBatch, because("no")); err != nil || b.RetriedBy != "" || r.batch(t).RetryReason != before.RetryReason {
		t.Errorf("%+v %v", b, err)
	}
	if _, err := outbox.AskRetry(t.Context(), r.Tables, firstBatch, reasoned.Decision{By: "olga"}); err == nil {
		t.Error("no reason, and no error")
	}
	other := firstBatch
	other.Number = 2
	if _, err := outbox.AskRetry(t.Context(), r.Tables, other, because("no")); err == nil || !strings.Contains(err.Error(), "no such row") {
		t.Errorf("error %v", err)
	}
}

func TestABatchIsTriedAtOnce(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 3)
	g := newGate(t, r, standin.Options{})
	g.answer = func(w http.ResponseWriter, _ *http.Request, _ []byte) bool {
		w.Header().Set("Retry-After", "80000")
		w.WriteHeader(503)
		return true
	}
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	g.set(nil)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if r.batch(t).State != outbox.Waiting {
		t.Fatal("it does not wait")
	}
	for range 2 {
		b, err := outbox.AskRetry(t.Context(), r.Tables, firstBatch, because("commerce is back"))
		ok(t, err)
		if !b.NotBefore.IsZero() || b.RetryReason != "commerce is back" || b.RetriedBy != "olga" {
			t.Errorf("%+v", b)
		}
	}
	r.lose(t, queue.Batches)
	r.advance(16 * time.Minute)
	r.sweep(t) // should the tool's message get lost
	if got := r.take(t, queue.Batches); len(got) != 1 || got[0] != queue.BatchMessage(firstBatch) {
		t.Errorf("queued %v", got)
	}
	r.forward(t, 1)
	g.checkEnd(t, r, 3, "Accepted", nil)
	if b := r.batch(t); b.RetriedBy != "olga" {
		t.Errorf("%+v", b)
	}
}
