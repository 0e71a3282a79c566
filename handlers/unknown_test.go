package handlers_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
)

var gateLock sync.Mutex // of what parallel tests share

// part is a request with one record of another.
func part(req *http.Request, records ...json.RawMessage) *http.Request {
	body, _ := json.Marshal(map[string]any{"records": records})
	other := req.Clone(req.Context())
	// As it stands: Marshal would write HTML characters in another way.
	if len(records) == 1 {
		body = []byte(`{"records":[` + string(records[0]) + `]}`)
	}
	other.Body = io.NopCloser(bytes.NewReader(body))
	return other
}

// TestRepliesThatAreAlwaysLost: sending again alone would never end.
func TestRepliesThatAreAlwaysLost(t *testing.T) {
	t.Parallel()
	lost := func(g *gate) { panic(http.ErrAbortHandler) }
	for _, c := range []struct {
		name  string
		take  func(g *gate, req *http.Request, body []byte)
		rest  string
		named map[int]string
		posts int
	}{
		{"all was taken", func(g *gate, req *http.Request, _ []byte) { g.taken(req) }, "Accepted", nil, 2},
		{"one was taken", func(g *gate, req *http.Request, body []byte) {
			for _, record := range recordsOf(body) {
				if bytes.Contains(record, []byte("/sa003")) {
					g.taken(part(req, record))
				}
			}
		}, "Accepted", nil, 3},
		{"nothing was taken", func(*gate, *http.Request, []byte) {}, "Accepted", nil, 3},
		{"another record is known by the id of one", func(g *gate, req *http.Request, body []byte) {
			for _, record := range recordsOf(body) {
				if bytes.Contains(record, []byte("/sa003")) {
					g.taken(part(req, bytes.Replace(record, []byte(`"quantity":"2.125"`), []byte(`"quantity":"7.5"`), 1)))
				}
			}
		}, "Accepted", map[int]string{3: "Conflict"}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.answer = func(_ http.ResponseWriter, req *http.Request, body []byte) bool {
				if len(g.posts) == 3 {
					return false // what is asked after the read-back
				}
				c.take(g, req, body)
				lost(g)
				return true
			}
			if tries := r.forward(t, 3); tries != 3 || g.gets != 1 || len(g.posts) != c.posts {
				t.Errorf("%d tries, %d requests, %d read-backs", tries, len(g.posts), g.gets)
			}
			if g.posts[0] != g.posts[1] {
				t.Error("the repeat has other bytes")
			}
			g.checkEnd(t, r, 5, c.rest, c.named)
			for _, line := range r.rows(t, table.DailyUsage) {
				if line["outcome"] == "Conflict" && line["storedQuantity"] != "7.5" {
					t.Errorf("%v", line)
				}
			}
		})
	}
}

// TestReadBackIsAway: the same answers that keep a batch waiting, from the
// read-back; and one that is of no use, without which sending goes on.
func TestReadBackIsAway(t *testing.T) {
	t.Parallel()
	for status, posts := range map[int]int{503: 2, 401: 2, 404: 3, 400: 3} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 5)
			g := newGate(t, r, standin.Options{})
			g.answer = func(_ http.ResponseWriter, req *http.Request, _ []byte) bool {
				if len(g.posts) < 3 {
					g.taken(req)
					panic(http.ErrAbortHandler)
				}
				return false
			}
			inner := g.inner
			broken := true
			g.inner = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				if broken && req.URL.Path == queryPath {
					w.WriteHeader(status)
					return
				}
				inner.ServeHTTP(w, req)
			})
			for range 3 {
				r.done(t, "ForwardBatch", batchMessage(theDay, 1))
				r.advance(2 * time.Hour)
			}
			if len(g.posts) != posts {
				t.Errorf("%d requests, want %d", len(g.posts), posts)
			}
			broken = false
			if posts == 2 {
				r.forward(t, 1)
				g.checkEnd(t, r, 5, "Accepted", nil)
				return
			}
			g.checkEnd(t, r, 5, "Duplicate", nil)
		})
	}
}

// TestAnswersThatAreWrong: each ends exact, whatever commerce answers first.
func TestAnswersThatAreWrong(t *testing.T) {
	t.Parallel()
	reply := func(change func([]outcome.Result) []outcome.Result) func(*gate, http.ResponseWriter, *http.Request) {
		return func(g *gate, w http.ResponseWriter, req *http.Request) { writeResults(w, change(g.taken(req))) }
	}
	for _, c := range []struct {
		name   string
		answer func(*gate, http.ResponseWriter, *http.Request)
		rest   string
		named  map[int]string
		tries  int
	}{
		{"in another order", reply(func(r []outcome.Result) []outcome.Result { r[0], r[4] = r[4], r[0]; return r[:] }), "Accepted", nil, 1},
		{"with an id that nobody asked about", reply(func(r []outcome.Result) []outcome.Result {
			return append(r, outcome.Result{RecordID: "someone else's", Status: outcome.Rejected})
		}), "Accepted", nil, 1},
		{"some missing", reply(func(r []outcome.Result) []outcome.Result { return r[1:3] }), "", nil, 2},
		{"all missing", reply(func(r []outcome.Result) []outcome.Result { return []outcome.Result{} }), "Duplicate", nil, 2},
		{"only for strangers", reply(func(r []outcome.Result) []outcome.Result {
			return []outcome.Result{{RecordID: "x", Status: outcome.Accepted}}
		}), "Duplicate", nil, 2},
		{"one twice, and the two differ", reply(func(r []outcome.Result) []outcome.Result {
			return append(r, outcome.Result{RecordID: r[0].RecordID, Status: outcome.Rejected})
		}), "Duplicate", nil, 2},
		{"a status that nobody knows", reply(func(r []outcome.Result) []outcome.Result { r[2].Status = "Queued"; return r }), "Duplicate", nil, 2},
		{"a conflict that does not say what is stored", reply(func(r []outcome.Result) []outcome.Result {
			for i := range r {
				r[i].Status, r[i].Quantity = outcome.Conflict, "much"
			}
			return r
		}), "Duplicate", nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, always := range []bool{false, true} {
				if always && c.tries == 1 {
					continue
				}
				r := statedWith(t, 5)
				g := newGate(t, r, standin.Options{})
				g.answer = func(w http.ResponseWriter, req *http.Request, _ []byte) bool {
					if len(g.posts) > 1 && !always {
						return false
					}
					c.answer(g, w, req)
					return true
				}
				if always { // then only the read-back ends it
					if c.name == "some missing" {
						continue // sending again does
					}
					r.forward(t, 3)
					g.checkEnd(t, r, 5, "Accepted", nil)
					continue
				}
				if tries := r.forward(t, c.tries); tries != c.tries {
					t.Errorf("%d tries, want %d", tries, c.tries)
				}
				rest := c.rest
				named := map[int]string{}
				if rest == "" { // two were answered at once, whichever they are
					rest = "Duplicate"
					for i := range 5 {
						if answer := r.answers(t)[fmt.Sprintf("sa%03d", i+1)]; answer == "Accepted" {
							named[i+1] = answer
						}
					}
					if len(named) != 2 {
						t.Errorf("%v: the first answers do not stand", named)
					}
				}
				g.checkEnd(t, r, 5, rest, named)
			}
		})
	}
}

func TestExpiredIsFinal(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 3)
	g := newGate(t, r, standin.Options{LatenessLimit: time.Hour})
	r.forward(t, 1)
	if b := r.batch(t); b.Expired != 3 {
		t.Errorf("%+v", b)
	}
	g.checkEnd(t, r, 3, "Expired", nil)
}
