package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// agree checks that DailyUsage, the receipt and the counts of the only batch say
// the same of each record, word for word, and that what stands is what commerce
// has.
func (g *gate) agree(t *testing.T, r *rig, n int) map[string]string {
	t.Helper()
	answers := r.answers(t)
	b := r.batch(t)
	if b.State != outbox.BatchDone || len(answers) != n {
		t.Fatalf("%d answers, %+v", len(answers), b)
	}
	var receipt outbox.Receipt
	ok(t, json.Unmarshal(r.blob(t, b.Receipt), &receipt))
	said := map[string]string{}
	for _, line := range r.rows(t, table.DailyUsage) {
		said[line["recordId"].(string)] = line["outcome"].(string)
	}
	has := map[string]bool{}
	for _, record := range g.records(t) {
		has[record.RecordID] = true
	}
	for _, a := range receipt.Outcomes {
		if a.Status != said[a.RecordID] || a.Stands != has[a.RecordID] {
			t.Errorf("%s: the receipt says %s, stands %t; DailyUsage %s; commerce has it: %t", a.RecordID, a.Status, a.Stands, said[a.RecordID], has[a.RecordID])
		}
	}
	if b.Accepted+b.Duplicate != int64(len(has)) || b.Rejected+b.Expired != int64(n-len(has)) {
		t.Errorf("commerce has %d records: %+v", len(has), b)
	}
	r.verified(t)
	return answers
}

// rejecting takes the records of a request but for some, which are Rejected.
func (g *gate) rejecting(numbers ...int) func(http.ResponseWriter, *http.Request, []byte) bool {
	return func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		var results []outcome.Result
		for _, record := range recordsOf(body) {
			result := outcome.Result{Status: outcome.Rejected, Code: "NoSuchMeter", Message: "not yet"}
			for _, n := range numbers {
				if bytes.Contains(record, fmt.Appendf(nil, "/sa%03d\"", n)) {
					var id struct{ RecordID string }
					_ = json.Unmarshal(record, &id) // a record of ours
					result.RecordID = id.RecordID
				}
			}
			if result.RecordID == "" {
				result = g.taken(part(req, record))[0]
			}
			results = append(results, result)
		}
		writeResults(w, results)
		return true
	}
}

// TestARefusedRecordStaysRefused: commerce refuses a record and takes it when it
// comes again; whatever fails in between, it is either billed everywhere or
// nowhere.
func TestARefusedRecordStaysRefused(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(g *gate) func(http.ResponseWriter, *http.Request, []byte) bool{
		"in an answer record by record": func(g *gate) func(http.ResponseWriter, *http.Request, []byte) bool { return g.rejecting(2, 5) },
		"in a request of its own":       func(*gate) func(http.ResponseWriter, *http.Request, []byte) bool { return poison(2, 5) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gates, tried := map[*rig]*gate{}, map[*rig]bool{}
			gateOf := func(r *rig) *gate {
				gateLock.Lock()
				defer gateLock.Unlock()
				return gates[r]
			}
			eachWriteFailed(t,
				func(t *testing.T) *rig {
					r := statedWith(t, 5)
					g := newGate(t, r, standin.Options{})
					g.set(answer(g))
					gateLock.Lock()
					defer gateLock.Unlock()
					gates[r] = g
					return r
				},
				func(r *rig) (int, string) {
					gateLock.Lock()
					again := tried[r]
					tried[r] = true
					gateLock.Unlock()
					if again {
						gateOf(r).set(nil) // the meter is known by now, the gateway is mended
					}
					return r.call("ForwardBatch", batchMessage(theDay, 1))
				},
				func(t *testing.T, clean, r *rig) {
					t.Helper()
					if got := clean.answers(t); got["sa002"] != "Rejected" || got["sa001"] != "Accepted" {
						t.Errorf("without faults: %v", got)
					}
					if r.batch(t).State != outbox.BatchDone {
						r.advance(2 * time.Minute) // the one that died is given its time
						r.forward(t, 1)
					}
					gateOf(r).agree(t, r, 5)
				})
		})
	}
}

// TestNobodySendsInBetween: while one sender has made sure that commerce has not
// got a record and is about to call it Rejected, another must not have it taken.
func TestNobodySendsInBetween(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 5)
	g := newGate(t, r, standin.Options{})
	g.set(poison(3))
	inner := g.inner
	other := sync.OnceFunc(func() {
		g.set(nil)
		r.take(t, queue.Batches)
		posts := len(g.posts)
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if len(g.posts) != posts || r.depth(t, queue.Batches) != 1 {
			t.Errorf("%d requests, %d messages: the second sender does not wait", len(g.posts)-posts, r.depth(t, queue.Batches))
		}
	})
	g.inner = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		inner.ServeHTTP(w, req)
		if req.URL.Path == queryPath {
			other() // what is read back is on its way
		}
	})
	r.forward(t, 1)
	if answers := g.agree(t, r, 5); answers["sa003"] != "Rejected" {
		t.Errorf("%v", answers)
	}
	if b := r.batch(t); !b.LeasedUntil.IsZero() {
		t.Errorf("claimed until %s", b.LeasedUntil)
	}
}

// TestTwoAnswersForOneRecord: two senders, the second of which comes when the
// claim of the first has ended by its clock, are told different things. The one that is recorded first stands in the table and in the receipt.
func TestTwoAnswersForOneRecord(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 5)
	g := newGate(t, r, standin.Options{})
	first := true
	g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		if !first {
			return false
		}
		first = false
		r.advance(r.Settings.SendLimit + 2*time.Second)
		g.lock.Unlock() // the other sender is quicker
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		g.lock.Lock()
		return g.rejecting(2)(w, req, body)
	}
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if answers := g.agree(t, r, 5); answers["sa002"] != "Accepted" {
		t.Errorf("%v", answers)
	}
}
