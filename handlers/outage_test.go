package handlers_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/commerce"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// TestAWeekWithoutCommerce: nothing of the host's patience is used up, and all
// is billed once when commerce is back.
func TestAWeekWithoutCommerce(t *testing.T) {
	t.Parallel()
	const n = 520 // two batches
	r := statedWith(t, n)
	g := newGate(t, r, standin.Options{})
	r.Commerce.(*commerce.Client).HTTP.Timeout = 300 * time.Millisecond
	var log bytes.Buffer
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	lived := false
	g.answer = func(w http.ResponseWriter, req *http.Request, _ []byte) bool {
		switch len(g.posts) % 6 {
		case 0:
			w.Header().Set("Retry-After", "1800")
			w.WriteHeader(503)
		case 1:
			w.WriteHeader(401)
		case 2:
			time.Sleep(400 * time.Millisecond)
		case 3:
			w.WriteHeader(429)
		case 4:
			refuseAll(w, req, nil)
		case 5:
			if !lived { // the only request that gets through in the week, its answer lost
				lived = true
				g.taken(req)
			}
			panic(http.ErrAbortHandler)
		}
		return true
	}
	inner := g.inner
	back := false
	g.inner = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !back && req.URL.Path == queryPath {
			w.WriteHeader([]int{503, 404, 401, 404, 500, 400}[g.gets%6])
			return
		}
		inner.ServeHTTP(w, req)
	})
	step := func() {
		r.advance(3 * time.Hour)
		r.lose(t, queue.Batches)
		r.sweep(t) // the queue's own delays are in real time: Sweep's messages stand for them
		for _, message := range r.take(t, queue.Batches) {
			r.done(t, "ForwardBatch", message)
		}
	}
	began := r.Now()
	for r.Now().Sub(began) < 7*24*time.Hour {
		step()
	}
	if len(g.posts)+g.gets < 80 || len(g.posts) < 50 || strings.Count(log.String(), "level=ERROR") < 10 {
		t.Errorf("%d requests and %d read-backs in a week, %d alarms", len(g.posts), g.gets, strings.Count(log.String(), "level=ERROR"))
	}
	if len(r.answers(t)) != 0 {
		t.Error("something is answered")
	}
	back = true
	g.set(nil)
	r.Commerce.(*commerce.Client).HTTP.Timeout = 20 * time.Second
	for range 3 {
		step()
	}
	if n := r.depth(t, queue.Batches+"-poison"); n != 0 {
		t.Errorf("%d messages are poisoned", n)
	}
	if failed := r.rows(t, table.FailedMessages); len(failed) != 0 {
		t.Errorf("failed messages: %v", failed)
	}
	if marks := r.ofDay(t, table.OpenDays); len(marks) != 0 {
		t.Errorf("open: %v", marks)
	}
	records := map[string]bool{}
	for _, record := range g.records(t) {
		records[record.ResourceURI] = true
	}
	if answers := r.answers(t); len(g.records(t)) != n || len(records) != n || len(answers) != n {
		t.Errorf("commerce has %d records of %d resources, %d are answered; want %d", len(g.records(t)), len(records), len(answers), n)
	}
	for name, answer := range r.answers(t) {
		if answer != "Accepted" && answer != "Duplicate" {
			t.Errorf("%s: %s", name, answer)
		}
	}
}
