package handlers_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/commerce"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/reasoned"
	"stackusage/shared/verify"
)

// slow cuts the connection of a request, and lets commerce take it later.
func (g *gate) slow(later *[]func()) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(_ http.ResponseWriter, req *http.Request, body []byte) bool {
		*later = append(*later, func() {
			for _, raw := range recordsOf(body) {
				g.taken(part(req, raw))
			}
		})
		panic(http.ErrAbortHandler)
	}
}

// TestARequestThatIsTakenLater: while a request without an answer may be on its way,
// no record of it is called unbilled, whatever commerce says of a repeat.
func TestARequestThatIsTakenLater(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		tries  int
		answer func(*gate) func(http.ResponseWriter, *http.Request, []byte) bool
		settle bool
	}{
		"a repeat is Expired": {1, func(g *gate) func(http.ResponseWriter, *http.Request, []byte) bool {
			return g.answering(&outcome.Result{Status: outcome.Expired}, false)
		}, false},
		"a repeat is refused for one record":     {1, func(*gate) func(http.ResponseWriter, *http.Request, []byte) bool { return poison(3) }, false},
		"a repeat is refused, and it is settled": {outbox.SettleTries, func(*gate) func(http.ResponseWriter, *http.Request, []byte) bool { return refuseAll }, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			var later []func()
			g.set(g.slow(&later))
			for range c.tries {
				r.advance(2 * time.Hour)
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			}
			if c.settle {
				ok(t, r.settleBatch(t, outbox.SettleDeclined, "they refuse it"))
			}
			r.advance(time.Minute)
			g.set(c.answer(g))
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			b := r.batch(t)
			if b.State != outbox.Waiting || !strings.Contains(b.LastResponse, "may be on their way") || b.NotBefore.Sub(r.Now()) > r.Settings.SendLimit {
				t.Fatalf("%v %+v", r.answers(t), b)
			}
			for _, take := range later {
				take()
			}
			r.advance(r.Settings.SendLimit + 2*time.Second)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			r.settle(t, rand.New(rand.NewPCG(1, 1)))
			if answers := g.agree(t, r, 5); answers["sa003"] != "Accepted" {
				t.Errorf("%v", answers)
			}
		})
	}
}

// impatient gives a request to send 0.2 s; what is read back may take longer, on a
// machine that is busy.
type impatient struct{}

func (impatient) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.URL.Path == queryPath {
		return http.DefaultTransport.RoundTrip(req)
	}
	ctx, cancel := context.WithCancel(req.Context())
	time.AfterFunc(200*time.Millisecond, cancel)
	return http.DefaultTransport.RoundTrip(req.WithContext(ctx))
}

// settledOf is a rig with a batch that had no answer often enough, and an operator
// who settled it as declined.
func settledOf(t *testing.T, n int, answer func(http.ResponseWriter, *http.Request, []byte) bool) (*rig, *gate) {
	t.Helper()
	r := statedWith(t, n)
	g := newGate(t, r, standin.Options{})
	r.Commerce = &commerce.Client{Endpoint: g.url, HTTP: &http.Client{Transport: impatient{}}}
	r.Settings.InvocationLimit = 2 * time.Second
	r.reroute(t)
	g.answer = answer
	for range outbox.SettleTries {
		r.advance(2 * time.Hour)
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	}
	_, err := outbox.AskSettle(t.Context(), r.Tables, firstBatch, outbox.SettleDeclined, reasoned.Decision{By: "olga", Reason: "it is of no use", At: r.Now()})
	ok(t, err)
	return r, g
}

// TestABatchThatIsNeverAnswered: commerce has more records than can be asked one by
// one, and answers no request. The decision is carried out all the same.
func TestABatchThatIsNeverAnswered(t *testing.T) {
	t.Parallel()
	r, g := settledOf(t, 20, func(_ http.ResponseWriter, req *http.Request, _ []byte) bool { <-req.Context().Done(); return true })
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.State != outbox.Waiting || b.SettleFrom.IsZero() {
		t.Fatalf("%+v", b)
	}
	if open := r.audit(t).Open; !slices.ContainsFunc(open, func(f verify.Finding) bool {
		return strings.HasPrefix(f.Where, "UsageBatches ") && strings.HasPrefix(f.What, "20 records have no outcome after 6 tries")
	}) {
		t.Errorf("verify says nothing of it: %v", open)
	}
	posts := len(g.posts)
	r.advance(r.Settings.SendLimit + 2*time.Second)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.State != outbox.BatchDone || b.Rejected != 20 || b.Declined != 0 || len(g.posts) != posts {
		t.Errorf("%d requests, %+v", len(g.posts)-posts, b)
	}
}

// TestADecisionThatIsTakenBack: settled as declined, and then as accepted, a batch is
// sent again.
func TestADecisionThatIsTakenBack(t *testing.T) {
	t.Parallel()
	r, g := settledOf(t, 3, func(http.ResponseWriter, *http.Request, []byte) bool { panic(http.ErrAbortHandler) })
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.SettleFrom.IsZero() {
		t.Fatalf("%+v", b)
	}
	ok(t, r.settleBatch(t, outbox.SettleAccepted, "they are back"))
	g.set(nil)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	g.checkEnd(t, r, 3, "Accepted", nil)
}

// TestARecordThatLooksLikeAnOutage: a gateway answers 403 or 503 to each request with
// one record. It waits, and a day after an operator settled it the others are billed.
func TestARecordThatLooksLikeAnOutage(t *testing.T) {
	t.Parallel()
	for _, status := range []int{403, 503} {
		r, g := settledOf(t, 5, func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
			return third(body) && refuseAs(w, status)
		})
		r.advance(2 * time.Hour)
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if len(r.answers(t)) != 0 {
			t.Fatalf("%d: %v", status, r.answers(t))
		}
		r.advance(24 * time.Hour)
		inner := g.inner
		g.inner = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) })
		posts := len(g.posts)
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if n := len(g.posts) - posts; n != 1 || len(r.answers(t)) != 0 {
			t.Errorf("%d: %d requests while commerce is away, %v", status, n, r.answers(t))
		}
		g.inner = inner
		r.advance(2 * time.Hour)
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		r.settledAnswers(t, g, true)
	}
}
