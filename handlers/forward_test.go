package handlers_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// batch is the row of the only batch.
func (r *rig) batch(t testing.TB) outbox.Batch {
	t.Helper()
	tables := r.store.Tables
	b, err := outbox.Read(context.Background(), tables, outbox.ID{CloudID: cloudID, Day: theDay, Revision: 1, Number: 1})
	ok(t, err)
	return b
}

// answers maps the names of resources to what commerce said.
func (r *rig) answers(t testing.TB) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, line := range r.rows(t, table.DailyUsage) {
		uri := line["resourceUri"].(string)
		all[uri[strings.LastIndex(uri, "/")+1:]] = line["outcome"].(string)
	}
	return all
}

var allAccepted = map[string]string{"sa001": "Accepted", "sa002": "Accepted", "sa003": "Accepted"}

func TestForwardBatch(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	t.Run("the committed bytes go to commerce and each answer is a row", func(t *testing.T) {
		b := r.batch(t)
		if b.State != outbox.BatchDone || b.Accepted != 3 || b.Tries != 1 || !b.NotBefore.IsZero() {
			t.Errorf("%+v", b)
		}
		if len(r.commerce.bodies) != 1 || r.commerce.bodies[0] != string(r.blob(t, b.Blob)) {
			t.Errorf("commerce got %d requests, or other bytes", len(r.commerce.bodies))
		}
		if diff := cmp.Diff(allAccepted, r.answers(t)); diff != "" {
			t.Errorf("answers (-want +got):\n%s", diff)
		}
	})
	t.Run("the message again sends nothing", func(t *testing.T) {
		was := r.dump(t)
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if diff := cmp.Diff(was, r.dump(t)); diff != "" || len(r.commerce.bodies) != 1 {
			t.Errorf("%d requests; storage (-want +got):\n%s", len(r.commerce.bodies), diff)
		}
	})
}

// TestCommerceAway is every answer that is not final: the message goes back
// with a delay, the row waits, the host is told 200, and the same bytes are
// taken later.
func TestCommerceAway(t *testing.T) {
	t.Parallel()
	status := func(code int, header, value, body string) func(*rig, http.ResponseWriter, []byte) {
		return func(_ *rig, w http.ResponseWriter, _ []byte) {
			w.Header().Set(header, value)
			w.WriteHeader(code)
			_, _ = io.WriteString(w, body)
		}
	}
	for _, c := range []struct {
		name      string
		answer    func(r *rig, w http.ResponseWriter, body []byte)
		least     time.Duration // the batch waits
		most      time.Duration
		note      string
		later     string // what becomes of the records commerce had taken
		answersOf int    // that are known at once
	}{
		{"503 with Retry-After", status(503, "Retry-After", "120", ""), 119 * time.Second, 120 * time.Second, "busy: HTTP 503", "Accepted", 0},
		{"429 that asks for two hours", status(429, "Retry-After", "7200", ""), 119 * time.Minute, 2 * time.Hour, "busy: HTTP 429", "Accepted", 0},
		{"429 until a date", status(429, "Retry-After", time.Now().Add(3*time.Hour).UTC().Format(http.TimeFormat), ""), 170 * time.Minute, 3 * time.Hour, "busy: HTTP 429", "Accepted", 0},
		{"429 that asks for a week", status(429, "Retry-After", "604800", ""), 23 * time.Hour, 24 * time.Hour, "busy: HTTP 429", "Accepted", 0},
		{"500", status(500, "", "", "oops"), 14 * time.Second, 30 * time.Second, `unknown: HTTP 500: "oops"`, "Accepted", 0},
		{"401", status(401, "", "", `{"error":{"code":"Expired","message":"token"}}`), 14 * time.Second, 30 * time.Second, "credentials: HTTP 401: Expired: token", "Accepted", 0},
		{"400", status(400, "", "", `{"error":{"code":"Bad","message":"no"}}`), 14 * time.Second, 30 * time.Second, "declined: HTTP 400: Bad: no", "Accepted", 0},
		{"a cut reply to a batch that was taken", func(r *rig, w http.ResponseWriter, body []byte) {
			text, _ := json.Marshal(map[string]any{"results": r.commerce.take(body)})
			w.Header().Set("Content-Length", fmt.Sprint(len(text)))
			_, _ = w.Write(text[:len(text)/2])
		}, 14 * time.Second, 30 * time.Second, "unexpected EOF", "Duplicate", 0},
		{"200 with something else", status(200, "", "", "<html>"), 14 * time.Second, 30 * time.Second, "not a list of results", "Accepted", 0},
		{"a record without a result", func(r *rig, w http.ResponseWriter, body []byte) {
			writeResults(w, r.commerce.take(body)[:2])
		}, 14 * time.Second, 30 * time.Second, "1 of 3 records have no answer", "Duplicate", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := stated(t)
			r.take(t, queue.Batches)
			r.commerce.answer = func(w http.ResponseWriter, body []byte) bool { c.answer(r, w, body); return true }
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			b := r.batch(t)
			if delay := b.NotBefore.Sub(r.Now()); delay < c.least-time.Second || delay > c.most {
				t.Errorf("the batch waits %s, want %s to %s", delay, c.least, c.most)
			}
			if b.State != outbox.Waiting || b.Tries != 1 || !strings.Contains(b.LastResponse, c.note) {
				t.Errorf("%+v, want %q noted", b, c.note)
			}
			if seen := r.take(t, queue.Batches); len(seen) != 0 || r.depth(t, queue.Batches) != 1 {
				t.Errorf("the message is not put back with a delay: %v can be seen", seen)
			}
			if n := len(r.answers(t)); n != c.answersOf {
				t.Errorf("%d answers are recorded, want %d", n, c.answersOf)
			}
			first := len(r.commerce.bodies) // more than one where it is bisected
			t.Run("a message that comes too early sends nothing", func(t *testing.T) {
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				if n := len(r.commerce.bodies); n != first {
					t.Errorf("%d requests", n)
				}
			})
			t.Run("the same bytes are taken when it is time, of the records without an answer", func(t *testing.T) {
				r.commerce.answer = nil
				r.advance(time.Until(b.NotBefore) + 2*time.Second)
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				want := r.commerce.bodies[0]
				if c.answersOf > 0 {
					want = `{"records":[` + string(recordsOf([]byte(want))[c.answersOf]) + `]}`
				}
				if got := r.commerce.bodies[first:]; len(got) != 1 || got[0] != want {
					t.Errorf("%d requests, or other bytes", len(got))
				}
				b := r.batch(t)
				if b.State != outbox.BatchDone || b.Tries != 2 || b.Accepted+b.Duplicate != 3 {
					t.Errorf("%+v", b)
				}
				accepted := 0
				for _, answer := range r.answers(t) {
					if answer == "Accepted" {
						accepted++
					}
				}
				if want := map[string]int{"Accepted": 3, "Duplicate": c.answersOf}[c.later]; accepted != want {
					t.Errorf("%d records are Accepted, want %d: the first answer that was received stands", accepted, want)
				}
			})
		})
	}
}

func TestBackoffGrowsToAnHour(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.commerce.answer = func(w http.ResponseWriter, _ []byte) bool { w.WriteHeader(500); return true }
	for try := 1; try <= 12; try++ {
		full := min(30*time.Second<<(try-1), time.Hour)
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		b := r.batch(t)
		delay := b.NotBefore.Sub(r.Now())
		if b.Tries != int64(try) || delay < full/2-time.Second || delay > full {
			t.Errorf("try %d: waits %s, want %s to %s", b.Tries, delay, full/2, full)
		}
		r.advance(delay + time.Second)
	}
}

func TestFinalRefusals(t *testing.T) {
	t.Parallel()
	r := stated(t)
	r.commerce.answer = func(w http.ResponseWriter, body []byte) bool {
		results := r.commerce.take(body)
		results[0] = outcome.Result{RecordID: results[0].RecordID, Status: outcome.Conflict, Quantity: "12.5", Code: "QuantityDiffers", Message: "other"}
		results[1] = outcome.Result{RecordID: results[1].RecordID, Status: outcome.Rejected, Code: "NoMeter", Message: "unknown meter"}
		results[2].Status = outcome.Expired
		writeResults(w, results)
		return true
	}
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.State != outbox.BatchDone || b.Conflict != 1 || b.Rejected != 1 || b.Expired != 1 || b.Accepted != 0 {
		t.Errorf("%+v", b)
	}
	answers := r.answers(t)
	if diff := cmp.Diff(map[string]string{"sa001": "Conflict", "sa002": "Rejected", "sa003": "Expired"}, answers); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
	for _, line := range r.rows(t, table.DailyUsage) {
		if line["outcome"] == "Conflict" && (line["storedQuantity"] != "12.5" || line["outcomeCode"] != "QuantityDiffers" || line["outcomeMessage"] != "other") {
			t.Errorf("%v", line)
		}
	}
	if n := r.depth(t, queue.Batches); n != 1 {
		t.Errorf("%d messages: a final answer is not sent again", n)
	}
}

func TestATamperedBatchIsNotSent(t *testing.T) {
	t.Parallel()
	r := stated(t)
	other := strings.Replace(string(r.blob(t, r.batch(t).Blob)), "4.5", "9.5", 1)
	r.putBlob(t, table.ContainerOutbox, "tampered", []byte(other))
	id := outbox.ID{CloudID: cloudID, Day: theDay, Revision: 1, Number: 1}
	b := r.batch(t)
	b.Blob = table.ContainerOutbox + "/tampered"
	ok(t, outbox.Update(t.Context(), r.Tables, id, b))
	if body := r.fails(t, "ForwardBatch", batchMessage(theDay, 1)); !strings.Contains(body, "its SHA-256 is") {
		t.Errorf("body %s", body)
	}
	if len(r.commerce.bodies) != 0 {
		t.Error("it was sent")
	}
}

func TestForwardBatchCrashes(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t, func(t *testing.T) *rig { return stated(t) },
		func(r *rig) (int, string) { return r.call("ForwardBatch", batchMessage(theDay, 1)) },
		func(t *testing.T, _, got *rig) {
			t.Helper()
			if b := got.batch(t); b.State != outbox.BatchDone || b.Accepted+b.Duplicate != 3 {
				t.Errorf("%+v", b)
			}
			if diff := cmp.Diff(3, len(got.commerce.accepted)); diff != "" {
				t.Errorf("records at commerce (-want +got):\n%s", diff)
			}
			if n := len(got.answers(t)); n != 3 {
				t.Errorf("%d answers, want 3", n)
			}
			for _, body := range got.commerce.bodies[1:] {
				if body != got.commerce.bodies[0] {
					t.Error("a repeat sent other bytes")
				}
			}
		})
}
