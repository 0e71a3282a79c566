package handlers_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/table"
)

// shows has a read-back show the third record, with other bytes than were sent.
func (g *gate) shows(quantity *string) {
	inner := g.inner
	g.inner = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.URL.Path != queryPath {
			inner.ServeHTTP(w, req)
			return
		}
		var asked struct{ RecordIDs []string }
		body, _ := io.ReadAll(req.Body)
		_ = json.Unmarshal(body, &asked) // a query of ours
		if len(asked.RecordIDs) != 1 {
			_, _ = io.WriteString(w, `{"value":[]}`)
			return
		}
		fmt.Fprintf(w, `{"value":[{"recordId":"%s","quantity":"%s","acceptedAt":"2026-01-02T03:04:05Z","sha256":"%s"}]}`, asked.RecordIDs[0], *quantity, strings.Repeat("ab", 32))
	})
}

// TestQuantitiesOfCommerce: it may write a quantity as it likes. One that cannot be
// read is no reason to call a record Rejected that commerce has.
func TestQuantitiesOfCommerce(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 5)
	g := newGate(t, r, standin.Options{})
	g.set(g.answering(&outcome.Result{Status: outcome.Conflict, Quantity: "2,125"}, false))
	shown := "2,125"
	g.shows(&shown)
	for range outbox.SettleTries {
		r.done(t, "ForwardBatch", batchMessage(theDay, 1))
		r.advance(2 * time.Hour)
	}
	ok(t, r.settleBatch(t, outbox.SettleDeclined, "they do not say"))
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.State != outbox.Waiting || len(r.answers(t)) != 4 || !strings.Contains(b.LastResponse, "stored quantity") {
		t.Fatalf("%v %+v", r.answers(t), b)
	}
	shown = "21.250E-1"
	r.advance(2 * time.Hour)
	r.done(t, "ForwardBatch", batchMessage(theDay, 1))
	if b := r.batch(t); b.Conflict != 1 || b.Declined != 0 || r.answers(t)["sa003"] != "Conflict" {
		t.Errorf("%v %+v", r.answers(t), b)
	}
}

// TestACodeThatReadsAsADecision: commerce decides nothing for an operator.
func TestACodeThatReadsAsADecision(t *testing.T) {
	t.Parallel()
	r := statedWith(t, 5)
	g := newGate(t, r, standin.Options{})
	g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
		if strings.Contains(string(body), "/sa002\"") {
			w.WriteHeader(422)
			_, _ = io.WriteString(w, `{"error":{"code":"RejectedByDecision","message":"m"}}`)
			return true
		}
		return g.answering(&outcome.Result{Status: outcome.Rejected, Code: "RejectedByDecision", Message: "a\x00b"}, false)(w, req, body)
	}
	r.forward(t, 1)
	if b := r.batch(t); b.Rejected != 2 || b.Declined != 2 {
		t.Errorf("%+v", b)
	}
	r.advance(time.Hour)
	r.sweep(t)
	if mark := r.onlyOfDay(t, table.OpenDays); mark["declined"] != int64(2) {
		t.Errorf("open: %v", mark)
	}
}
