package handlers_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"stackusage/shared/outcome"
)

// commerceServer is commerce as docs/formats/commerce.md has it, on loopback.
type commerceServer struct {
	*httptest.Server
	lock     sync.Mutex
	accepted map[string]string // recordId -> bytes
	bodies   []string          // of all requests
	// answer takes a request over when it returns true. Set it before the call.
	answer func(w http.ResponseWriter, body []byte) bool
}

func newCommerce(t testing.TB) *commerceServer {
	s := &commerceServer{accepted: map[string]string{}}
	s.Server = httptest.NewServer(http.HandlerFunc(s.records))
	t.Cleanup(s.Close)
	return s
}

func (s *commerceServer) records(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil || req.Method != http.MethodPost || req.URL.Path != "/v1/records" {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.lock.Lock()
	defer s.lock.Unlock()
	s.bodies = append(s.bodies, string(body))
	if s.answer != nil && s.answer(w, body) {
		return
	}
	writeResults(w, s.take(body))
}

// take answers each record by the contract.
func (s *commerceServer) take(body []byte) []outcome.Result {
	var results []outcome.Result
	for _, record := range recordsOf(body) {
		var id struct{ RecordID string }
		_ = json.Unmarshal(record, &id) // a record of ours
		status := outcome.Accepted
		if have, known := s.accepted[id.RecordID]; known {
			status = outcome.Duplicate
			if have != string(record) {
				status = outcome.Conflict
			}
		} else {
			s.accepted[id.RecordID] = string(record)
		}
		results = append(results, outcome.Result{RecordID: id.RecordID, Status: status})
	}
	return results
}

func recordsOf(body []byte) []json.RawMessage {
	var batch struct{ Records []json.RawMessage }
	_ = json.Unmarshal(body, &batch) // a batch of ours
	return batch.Records
}

func writeResults(w http.ResponseWriter, results []outcome.Result) {
	_ = json.NewEncoder(w).Encode(map[string]any{"results": results})
}
