package commerce

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"

	"stackusage/internal/devstack/commerce/record"
	"stackusage/internal/devstack/loopback"
)

const (
	accepted  = "Accepted"
	duplicate = "Duplicate"
	conflict  = "Conflict"
	rejected  = "Rejected"
	expired   = "Expired"
)

const (
	batchIDHeader = "x-ms-client-request-id"
	maxBatchID    = 128 // bytes
)

// result is the answer to one record of a batch.
type result struct {
	RecordID string `json:"recordId"`
	Status   string `json:"status"`
	Quantity string `json:"quantity,omitempty"` // Conflict: what is stored
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) error {
	s.hooks.countRequest()
	// The body is read before anything is answered: a client that is still
	// writing would see a reset connection instead of the answer.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		return &problem{http.StatusRequestEntityTooLarge, "BatchTooLarge", fmt.Sprintf("the batch is longer than %d bytes", maxBytes)}
	case err != nil:
		return invalidBatch("the body could not be read to its end")
	}
	f := s.hooks.nextFault()
	switch {
	case f.Cut == "before":
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		return &problem{f.Status, "Injected", "this answer was asked for"}
	}

	batchID := r.Header.Get(batchIDHeader)
	if len(batchID) > maxBatchID {
		return invalidBatch(batchIDHeader + " is too long")
	}
	w.Header().Set(batchIDHeader, batchID)
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &problem{http.StatusBadRequest, "InvalidContentType", "a batch is application/json"}
	}
	records, err := decodeBatch(body, s.opts.MaxRecords)
	if err != nil {
		return err
	}
	results := s.take(records)
	s.hooks.countResults(results)
	if s.hooks.shuffles() {
		rand.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	}
	results = results[min(f.DropResults, len(results)):]
	answerBatch(w, f.garble(results), f.Cut)
	return nil
}

// answerBatch writes the results, or as much of them as a cut leaves.
func answerBatch(w http.ResponseWriter, results []result, cut string) {
	answer := map[string][]result{"results": results}
	switch cut {
	case "after":
		panic(http.ErrAbortHandler)
	case "middle":
		var whole bytes.Buffer
		json.NewEncoder(&whole).Encode(answer)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(whole.Len()))
		w.Write(whole.Bytes()[:whole.Len()/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	loopback.JSON(w, http.StatusOK, answer)
}

// take checks the records in their order and keeps what it accepts.
func (s *Server) take(records []json.RawMessage) []result {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	now := s.opts.Now()
	results := make([]result, len(records))
	for i, raw := range records {
		r, bad := record.Parse(raw)
		if bad != nil {
			results[i] = result{RecordID: r.RecordID, Status: rejected, Code: bad.Code, Message: fmt.Sprintf("record %d: %s", i, bad.Message)}
			continue
		}
		results[i] = s.store.decide(r, now, func(r *record.Record) (status, code, message string) {
			switch {
			case s.hooks.rejectsMeter(r.MeterID, r.CommerceMeterID):
				return rejected, "MeterRejected", "this meter is refused on request"
			case s.opts.LatenessLimit > 0 && now.Sub(r.End()) > s.opts.LatenessLimit:
				return expired, "TooLate", fmt.Sprintf("the usage day ended more than %s ago", s.opts.LatenessLimit)
			}
			return "", "", ""
		})
	}
	return results
}
