package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
)

// third reports whether a record is that of resource 3.
func third(raw []byte) bool { return bytes.Contains(raw, []byte("/sa003\"")) }

// answering takes a request record by record, and answers the third record with
// another result; nil leaves it out. taken: it takes the record all the same.
func (g *gate) answering(result *outcome.Result, taken bool) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		results := []outcome.Result{}
		for _, raw := range recordsOf(body) {
			if !third(raw) || taken {
				got := g.taken(part(req, raw))[0]
				if !third(raw) {
					results = append(results, got)
					continue
				}
			}
			if result != nil {
				var id struct{ RecordID string }
				_ = json.Unmarshal(raw, &id) // a record of ours
				one := *result
				one.RecordID = id.RecordID
				results = append(results, one)
			}
		}
		writeResults(w, results)
		return true
	}
}

func (r *rig) settleBatch(t *testing.T, as outbox.Outcome, reason string) error {
	t.Helper()
	_, err := outbox.AskSettle(t.Context(), r.Tables, firstBatch, as, because(reason))
	return err
}

// settledAnswers checks that four records are accepted, and how the third ended.
func (r *rig) settledAnswers(t *testing.T, g *gate, waived bool) {
	t.Helper()
	answers := r.answers(t)
	for i := 1; i <= 5; i++ {
		name := fmt.Sprintf("sa%03d", i)
		if got := answers[name]; i != 3 && got != "Accepted" && got != "Duplicate" || i == 3 && got != "Rejected" {
			t.Errorf("%s: %s", name, got)
		}
	}
	b := r.batch(t)
	if b.State != outbox.BatchDone || b.Rejected != 1 || (b.Declined == 0) != waived || b.Unread != 0 || !b.SettleFrom.IsZero() || b.Partial {
		t.Errorf("%+v", b)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1))) // the other day, too
	g.agree(t, r, 5)
	if n := len(r.rows(t, table.OpenDays)); (n == 0) != waived {
		t.Errorf("%d days are open", n)
	}
}

// TestAResultThatCannotBeRead: a record whose result cannot be read, or is left
// out, again and again, holds up no other; and an operator can end it.
func TestAResultThatCannotBeRead(t *testing.T) {
	t.Parallel()
	for name, result := range map[string]*outcome.Result{
		"a Conflict with 12,50":      {Status: outcome.Conflict, Quantity: "12,50"},
		"a Conflict with 1E+999":     {Status: outcome.Conflict, Quantity: "1E+999"},
		"a status that nobody knows": {Status: "Queued"},
		"left out":                   nil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.set(g.answering(result, false))
			if err := r.settleBatch(t, outbox.SettleDeclined, "too early"); err == nil || !strings.Contains(err.Error(), "commerce may still answer it") {
				t.Errorf("settled before any try: %v", err)
			}
			var log string
			for range outbox.UnreadTries {
				log = r.logged(func() { r.done(t, "ForwardBatch", batchMessage(theDay, 1)) })
				r.advance(2 * time.Hour)
			}
			if b := r.batch(t); len(r.answers(t)) != 4 || b.State != outbox.Waiting || b.Unread != outbox.UnreadTries || !strings.Contains(b.LastResponse, "unreadable: 1 of 5 records have no answer") {
				t.Fatalf("%v %+v", r.answers(t), b)
			}
			if !strings.Contains(log, `"level":"ERROR","msg":"batch waits"`) || !strings.Contains(log, `"kind":"unreadable"`) {
				t.Errorf("no alarm: %s", log)
			}
			for range 3 {
				posts := len(g.posts)
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				if n := len(g.posts) - posts; n != 1 {
					t.Errorf("%d requests with a record that is alone", n)
				}
				r.advance(2 * time.Hour)
			}
			ok(t, r.settleBatch(t, outbox.SettleAccepted, "they say that they have it"))
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			if b := r.batch(t); b.State != outbox.Waiting || !strings.Contains(b.LastResponse, "a read-back does not show 1 record") {
				t.Errorf("%+v", b)
			}
			ok(t, r.settleBatch(t, outbox.SettleDeclined, "they have not"))
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			if b := r.batch(t); b.SettledAs() != outbox.SettleDeclined || !strings.Contains(b.Earlier, "settle as accepted by olga: they say that they have it") {
				t.Errorf("%+v", b)
			}
			r.settledAnswers(t, g, true)
			if err := r.settleBatch(t, outbox.SettleAccepted, "no"); err == nil || !strings.Contains(err.Error(), "every record of it has a final answer") {
				t.Errorf("settled twice: %v", err)
			}
		})
		t.Run(name+", and commerce has the record", func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.set(g.answering(result, true))
			r.forward(t, 3)
			r.settle(t, rand.New(rand.NewPCG(1, 1)))
			if answers := g.agree(t, r, 5); answers["sa003"] != "Accepted" {
				t.Errorf("%v", answers)
			}
		})
	}
}

// TestSettledWithoutAReadBack: it waits until commerce can be read back, and goes
// by what that shows.
func TestSettledWithoutAReadBack(t *testing.T) {
	t.Parallel()
	for _, as := range []outbox.Outcome{outbox.SettleAccepted, outbox.SettleDeclined} {
		t.Run(string(as), func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.set(g.answering(nil, true))
			inner, away := g.inner, true
			g.inner = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if away && req.URL.Path == queryPath {
					w.WriteHeader(500)
					return
				}
				inner.ServeHTTP(w, req)
			})
			for range 5 {
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				r.advance(2 * time.Hour)
			}
			ok(t, r.settleBatch(t, as, "so be it"))
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			if b := r.batch(t); b.State != outbox.Waiting || len(r.answers(t)) != 4 {
				t.Fatalf("%+v", b)
			}
			away = false
			r.advance(2 * time.Hour)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			r.settle(t, rand.New(rand.NewPCG(1, 1)))
			if answers := g.agree(t, r, 5); answers["sa003"] != "Accepted" {
				t.Errorf("%v", answers)
			}
		})
	}
}

// TestStatusesOfRecords: any 4xx that is not the endpoint's isolates the guilty
// record, as 400 does.
func TestStatusesOfRecords(t *testing.T) {
	t.Parallel()
	for _, status := range []int{402, 409, 411, 422, 451} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.answer = func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
				return third(body) && refuseAs(w, status)
			}
			if tries := r.forward(t, 1); tries != 1 {
				t.Errorf("%d tries", tries)
			}
			g.checkEnd(t, r, 5, "Accepted", map[int]string{3: "Rejected"})
			r.settledAnswers(t, g, false)
		})
	}
}

// TestStatusesOfTheEndpoint: they say nothing of the records. They wait, with an
// alarm.
func TestStatusesOfTheEndpoint(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 5)
	g := newGate(t, r, standin.Options{})
	for _, status := range []int{404, 405, 407, 408, 410} {
		g.set(func(w http.ResponseWriter, _ *http.Request, _ []byte) bool { return refuseAs(w, status) })
		posts := len(g.posts)
		log := r.logged(func() { r.done(t, "ForwardBatch", batchMessage(theDay, 1)) })
		if n := len(g.posts) - posts; n != 1 || !strings.Contains(log, `"level":"ERROR","msg":"batch waits"`) || !strings.Contains(log, `"kind":"endpoint"`) {
			t.Errorf("%d: %d requests, log %s", status, n, log)
		}
		r.advance(25 * time.Hour)
	}
	if b := r.batch(t); len(r.answers(t)) != 0 || b.State != outbox.Waiting || !b.DeclinedSince.IsZero() {
		t.Errorf("%v %+v", r.answers(t), b)
	}
	g.set(nil)
	r.forward(t, 1)
	g.checkEnd(t, r, 5, "Accepted", nil)
}

// TestARecordThatBreaksCommerce: requests with it end in 500, or without an answer.
// After some tries an operator can end it, and the others are billed.
func TestARecordThatBreaksCommerce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(g *gate, w http.ResponseWriter, req *http.Request)
		silent bool
		end    string
	}{
		"with 500":    {func(_ *gate, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, false, "Rejected"},
		"with a cut":  {func(*gate, http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, "Rejected"},
		"after it is": {func(g *gate, _ http.ResponseWriter, req *http.Request) { g.taken(req); panic(http.ErrAbortHandler) }, false, "Accepted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
				if !third(body) || c.end == "Accepted" && len(recordsOf(body)) > 1 {
					if third(body) {
						w.WriteHeader(500)
						return true
					}
					return false
				}
				c.answer(g, w, req)
				return true
			}
			for range outbox.SettleTries {
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				r.advance(2 * time.Hour)
			}
			if len(r.answers(t)) != 0 {
				t.Fatalf("%v", r.answers(t))
			}
			ok(t, r.settleBatch(t, outbox.SettleDeclined, "it breaks them"))
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			if c.silent {
				b := r.batch(t)
				if len(r.answers(t)) != 4 || b.SettleFrom.IsZero() || !strings.Contains(b.LastResponse, "may be on their way") {
					t.Fatalf("%v %+v", r.answers(t), b)
				}
				posts := len(g.posts)
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				_, err := outbox.AskRetry(t.Context(), r.Tables, firstBatch, because("at once"))
				ok(t, err)
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				if b := r.batch(t); b.State == outbox.BatchDone {
					t.Errorf("settled while a request may be on its way: %+v", b)
				}
				r.advance(r.Settings.SendLimit + 2*time.Second)
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				if len(g.posts) != posts {
					t.Errorf("%d more requests", len(g.posts)-posts)
				}
			}
			if c.end == "Rejected" {
				r.settledAnswers(t, g, true)
				return
			}
			r.settle(t, rand.New(rand.NewPCG(1, 1)))
			if answers := g.agree(t, r, 5); answers["sa003"] != c.end {
				t.Errorf("%v", answers)
			}
		})
	}
}

// TestWritesOfASettledBatch: each write fails in both ways.
func TestWritesOfASettledBatch(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			keepGate(r, g)
			g.set(g.answering(nil, false))
			for range outbox.UnreadTries {
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				r.advance(2 * time.Hour)
			}
			ok(t, r.settleBatch(t, outbox.SettleDeclined, "they will not say"))
			return r
		},
		func(r *rig) (int, string) { return r.call("ForwardBatch", batchMessage(theDay, 1)) },
		func(t *testing.T, _, r *rig) {
			if r.batch(t).State != outbox.BatchDone {
				r.advance(2 * time.Minute)
				r.forward(t, 1)
			}
			r.settledAnswers(t, gateOf(r), true)
		})
}

// TestALongReceipt: commerce says much about each record, in characters that JSON
// writes long. Later revisions can be made all the same.
func TestALongReceipt(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 500)
	g := newGate(t, r, standin.Options{})
	g.answer = func(w http.ResponseWriter, _ *http.Request, body []byte) bool {
		results := []outcome.Result{}
		for _, raw := range recordsOf(body) {
			var id struct{ RecordID string }
			_ = json.Unmarshal(raw, &id) // a record of ours
			results = append(results, outcome.Result{RecordID: id.RecordID, Status: outcome.Rejected, Message: strings.Repeat("<", 2000)})
		}
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		_ = enc.Encode(map[string]any{"results": results})
		return true
	}
	r.forward(t, 1)
	if b := r.batch(t); b.Rejected != 500 || b.Declined != 500 {
		t.Fatalf("%+v", b)
	}
	g.set(nil)
	_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("state it again"))
	ok(t, err)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	if n := len(g.records(t)); n != 500 {
		t.Errorf("%d records are billed", n)
	}
}
