package handlers_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
)

func TestARefusedRecordIsFoundAlone(t *testing.T) {
	t.Parallel()
	every := func(step, n int) (numbers []int) {
		for i := step; i <= n; i += step {
			numbers = append(numbers, i)
		}
		return numbers
	}
	for _, c := range []struct {
		name     string
		poisoned []int
		tries    int // at most
	}{
		{"the first", []int{1}, 1},
		{"one in the middle", []int{17}, 1},
		{"the last", []int{40}, 1},
		{"neighbours", []int{20, 21}, 1},
		{"the first and the last", []int{1, 40}, 1},
		{"a quarter at the beginning", every(1, 10), 1},
		{"one in three", every(3, 40), 2},
		{"all but two at the end", every(1, 38), 12},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 40)
			g := newGate(t, r, standin.Options{})
			g.set(poison(c.poisoned...))
			if tries := r.forward(t, 20); tries > c.tries {
				t.Errorf("%d tries, want at most %d", tries, c.tries)
			}
			named := map[int]string{}
			for _, n := range c.poisoned {
				named[n] = "Rejected"
			}
			g.checkEnd(t, r, 40, "Accepted", named)
			if len(c.poisoned) == 1 && len(g.posts) > 13 {
				t.Errorf("%d requests for one record in 40", len(g.posts))
			}
			for _, line := range r.rows(t, table.DailyUsage) {
				if line["outcome"] == "Rejected" && (line["outcomeCode"] != "BadRecord" || line["outcomeMessage"] != "a gateway does not like it") {
					t.Errorf("%v", line)
				}
			}
		})
	}
}

func TestARequestThatIsTooLargeIsCut(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 40)
	g := newGate(t, r, standin.Options{MaxRecords: 7})
	if tries := r.forward(t, 1); tries != 1 || len(g.posts) != 15 {
		t.Errorf("%d requests; want 1 of 40, 2 of 20, 4 of 10 and 8 of 5", len(g.posts))
	}
	g.checkEnd(t, r, 40, "Accepted", nil)
}

// TestManyRefusedRecords: no invocation asks without end, and each leaves fewer
// records to ask.
func TestManyRefusedRecords(t *testing.T) {
	t.Parallel()
	const n = 240
	r := statedWith(t, n)
	g := newGate(t, r, standin.Options{})
	var numbers []int
	named := map[int]string{}
	for i := 4; i <= n; i += 5 {
		numbers, named[i] = append(numbers, i), "Rejected"
	}
	g.set(poison(numbers...))
	for try := 1; r.batch(t).State != outbox.BatchDone; try++ {
		before, answered := len(g.posts), len(r.answers(t))
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if got := len(g.posts) - before; got > 64 {
			t.Errorf("try %d makes %d requests", try, got)
		}
		if len(r.answers(t)) == answered {
			t.Fatalf("try %d brings no answer", try)
		}
		r.advance(time.Hour)
	}
	g.checkEnd(t, r, n, "Accepted", named)
}

// TestCommerceRefusesEverything is decision 0005: it must not cost a day.
func TestCommerceRefusesEverything(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 3, 40} {
		t.Run(fmt.Sprint(n, " records"), func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, n)
			g := newGate(t, r, standin.Options{})
			var log bytes.Buffer
			r.Log = slog.New(slog.NewTextHandler(&log, nil))
			g.set(refuseAll)
			for range 6 {
				before := len(g.posts)
				log.Reset()
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				if got := len(g.posts) - before; got > 20 {
					t.Errorf("%d requests until it gives up", got)
				}
				b := r.batch(t)
				if b.State != outbox.Waiting || !strings.Contains(b.LastResponse, "declined: HTTP 400: BadRecord") || !strings.Contains(b.LastResponse, "it may be commerce") || b.DeclinedSince.IsZero() {
					t.Errorf("%+v", b)
				}
				if !strings.Contains(log.String(), `level=ERROR msg="batch waits"`) {
					t.Errorf("no alarm: %s", &log)
				}
				r.advance(25 * time.Hour)
			}
			if got := r.answers(t); len(got) != 0 {
				t.Errorf("answers %v", got)
			}
			g.set(nil)
			r.forward(t, 1)
			g.checkEnd(t, r, n, "Accepted", nil)
		})
	}
}

func TestTheOnlyRecordIsRefused(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 1)
	g := newGate(t, r, standin.Options{})
	g.set(poison(1))
	began := r.Now()
	r.forward(t, 10)
	if took := r.Now().Sub(began); took < 72*time.Hour || took > 102*time.Hour {
		t.Errorf("final after %s: nothing but time can tell", took)
	}
	g.checkEnd(t, r, 1, "Rejected", nil)
}

// TestOnlyTheRefusedRecordIsLeft: the others were answered by an earlier try,
// which says nothing of what commerce takes now.
func TestOnlyTheRefusedRecordIsLeft(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 10)
	g := newGate(t, r, standin.Options{})
	g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		g.answer = refuseAll
		var results []outcome.Result
		for _, record := range recordsOf(body)[1:] {
			results = append(results, g.taken(part(req, record))...)
		}
		writeResults(w, results)
		return true
	}
	for range 6 { // longer than the only record of a batch waits
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		if b := r.batch(t); b.State != outbox.Waiting || len(r.answers(t)) != 9 {
			t.Fatalf("%+v", b)
		}
		r.advance(25 * time.Hour)
	}
	g.set(poison(1))
	r.forward(t, 1)
	g.checkEnd(t, r, 10, "Accepted", map[int]string{1: "Rejected"})
}

// TestARecordThatWasTakenIsNotRejected: its answer got lost, and a gateway
// refuses it when it comes again. Rejected, it would be billed once more by the
// next revision.
func TestARecordThatWasTakenIsNotRejected(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 10)
	g := newGate(t, r, standin.Options{})
	g.answer = func(_ http.ResponseWriter, req *http.Request, _ []byte) bool {
		g.taken(req)
		g.answer = poison(3)
		panic(http.ErrAbortHandler)
	}
	r.forward(t, 2)
	g.checkEnd(t, r, 10, "Duplicate", map[int]string{3: "Accepted"})
}

// TestAwayInTheMiddle: commerce goes away while a poisoned batch is cut up.
func TestAwayInTheMiddle(t *testing.T) {
	t.Parallel()
	for at := 2; at <= 8; at++ {
		t.Run(fmt.Sprint("request ", at), func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 10)
			g := newGate(t, r, standin.Options{})
			refuse := poison(4)
			g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
				if len(g.posts) == at {
					w.WriteHeader(503)
					return true
				}
				return refuse(w, req, body)
			}
			r.forward(t, 2)
			g.checkEnd(t, r, 10, "Accepted", map[int]string{4: "Rejected"})
		})
	}
}

func TestBisectCrashes(t *testing.T) {
	t.Parallel()
	gates := map[*rig]*gate{}
	eachWriteFailed(t,
		func(t *testing.T) *rig {
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.set(poison(4))
			gateLock.Lock()
			defer gateLock.Unlock()
			gates[r] = g
			return r
		},
		func(r *rig) (int, string) { return r.call("ForwardBatch", batchMessage(theDay, 1)) },
		func(t *testing.T, _, got *rig) {
			t.Helper()
			gateLock.Lock()
			g := gates[got]
			gateLock.Unlock()
			got.advance(time.Hour) // a failed enqueue has put it back
			got.forward(t, 1)
			answers := got.answers(t)
			if b := got.batch(t); b.State != outbox.BatchDone || b.Rejected != 1 || b.Accepted+b.Duplicate != 4 || answers["sa004"] != "Rejected" || len(answers) != 5 {
				t.Errorf("%+v %v", b, answers)
			}
			if n := len(g.records(t)); n != 4 {
				t.Errorf("commerce has %d records, want 4", n)
			}
		})
}
