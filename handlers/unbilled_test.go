package handlers_test

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/daybook"
	"stackusage/shared/outcome"
)

// TestABilledRecordIsNotCalledUnbilled: the first try is taken and its reply
// lost; commerce, asked again, looks at dates or rules before it looks whether it
// has the record.
func TestABilledRecordIsNotCalledUnbilled(t *testing.T) {
	t.Parallel()
	for _, status := range []string{outcome.Expired, outcome.Rejected} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			r := statedWith(t, 3)
			g := newGate(t, r, standin.Options{})
			n := 0
			g.answer = func(w http.ResponseWriter, req *http.Request, body []byte) bool {
				if n++; n == 1 {
					g.taken(req)
					panic(http.ErrAbortHandler)
				}
				var results []outcome.Result
				for _, record := range recordsOf(body) {
					var id struct{ RecordID string }
					_ = json.Unmarshal(record, &id)
					results = append(results, outcome.Result{RecordID: id.RecordID, Status: status, Code: "TooLate"})
				}
				writeResults(w, results)
				return true
			}
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			r.advance(2 * time.Minute)
			r.done(t, "ForwardBatch", batchMessage(theDay, 1))
			g.checkEnd(t, r, 3, "Accepted", nil)
			if _, err := daybook.AskCarry(t.Context(), r.Tables, cloudID, theDay, theDay.Next(), 0, because("x")); err == nil {
				t.Error("a billed day may be carried forward")
			}
		})
	}
}
