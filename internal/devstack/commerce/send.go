package commerce

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"time"

	"stackusage/internal/devstack/commerce/record"
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
	maxBatchID    = 128 // bytes; it is kept beside every record of the batch
)

// result is the answer to one record of a batch.
type result struct {
	RecordID string `json:"recordId"`
	Status   string `json:"status"`
	Quantity string `json:"quantity,omitempty"` // Conflict: what is stored
	Code     string `json:"code,omitempty"`
	Message  string `json:"message,omitempty"`
}

func (s *Server) send(w http.ResponseWriter, r *http.Request) {
	s.hooks.countRequest()
	// The body is read before anything is answered: a client that is still
	// writing would see a reset connection instead of the answer.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBytes))
	var tooLong *http.MaxBytesError
	switch {
	case errors.As(err, &tooLong):
		writeError(w, http.StatusRequestEntityTooLarge, "BatchTooLarge",
			fmt.Sprintf("the batch is longer than %d bytes", s.opts.MaxBytes))
		return
	case err != nil:
		writeError(w, http.StatusBadRequest, "InvalidBatch", "the body could not be read to its end")
		return
	}
	f := s.hooks.nextFault()
	switch {
	case f.Cut == "before":
		panic(http.ErrAbortHandler)
	case f.Status != 0:
		if f.RetryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
		}
		writeError(w, f.Status, "Injected", "this answer was asked for")
		return
	}

	batchID := r.Header.Get(batchIDHeader)
	if len(batchID) > maxBatchID {
		writeError(w, http.StatusBadRequest, "InvalidBatch", batchIDHeader+" is too long")
		return
	}
	w.Header().Set(batchIDHeader, batchID)
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		writeError(w, http.StatusBadRequest, "InvalidContentType", "a batch is application/json")
		return
	}
	records, status, bad := decodeBatch(body, s.opts.MaxRecords)
	if bad != nil {
		writeError(w, status, bad.Code, bad.Message)
		return
	}
	// A batch is finished even when its sender has gone: that the reply is
	// lost while the records are taken is what the sender must be able to
	// live with.
	results, err := s.take(context.WithoutCancel(r.Context()), batchID, records)
	if err != nil {
		s.internal(w, r, err)
		return
	}
	s.hooks.countResults(results)
	s.opts.Log.InfoContext(r.Context(), "batch taken",
		slog.String("batch", batchID), slog.Int("records", len(records)), slog.Int("bytes", len(body)))

	if s.hooks.shuffles() {
		rand.Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	}
	results = results[min(f.DropResults, len(results)):]
	answerBatch(w, f.garble(results), f.Cut)
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
	writeJSON(w, http.StatusOK, answer)
}

// take checks the records in their order and keeps what it accepts, all in one
// transaction. On an error nothing was kept.
func (s *Server) take(ctx context.Context, batchID string, records []json.RawMessage) ([]result, error) {
	parsed := make([]*record.Record, len(records))
	faults := make([]*record.Fault, len(records))
	for i, raw := range records {
		parsed[i], faults[i] = record.Parse(raw)
	}

	s.taking.Lock()
	defer s.taking.Unlock()
	now := s.opts.Now()
	w, err := s.store.begin(ctx, batchID, now)
	if err != nil {
		return nil, fmt.Errorf("begin batch %s: %w", batchID, err)
	}
	defer w.rollback()
	results := make([]result, len(records))
	for i, r := range parsed {
		results[i] = result{RecordID: r.RecordID, Status: rejected}
		if bad := faults[i]; bad != nil {
			results[i].Code, results[i].Message = bad.Code, fmt.Sprintf("record %d: %s", i, bad.Message)
			continue
		}
		if err := s.decide(ctx, w, r, now, &results[i]); err != nil {
			return nil, fmt.Errorf("take batch %s: %w", batchID, err)
		}
	}
	if err := w.commit(); err != nil {
		return nil, fmt.Errorf("commit batch %s: %w", batchID, err)
	}
	return results, nil
}

// decide answers a record that is well formed, and keeps it if it is accepted.
// What was accepted before is answered first: a repeat of it is a success
// however late it comes.
func (s *Server) decide(ctx context.Context, w *writer, r *record.Record, now time.Time, out *result) error {
	known, same, quantity, err := w.known(ctx, r)
	switch {
	case err != nil:
		return err
	case known && same:
		out.Status = duplicate
	case known && quantity != r.Quantity:
		out.Status, out.Quantity = conflict, quantity
		out.Code, out.Message = "QuantityDiffers", "the recordId is known with another quantity"
	case known:
		out.Status, out.Quantity = conflict, quantity
		out.Code, out.Message = "ContentDiffers", "the recordId is known with the same quantity and other content"
	case s.hooks.rejectsMeter(r.MeterID, r.CommerceMeterID):
		out.Status, out.Code, out.Message = rejected, "MeterRejected", "this meter is refused on request"
	case s.opts.LatenessLimit > 0 && now.Sub(r.End()) > s.opts.LatenessLimit:
		out.Status, out.Code = expired, "TooLate"
		out.Message = fmt.Sprintf("the usage day ended more than %s ago", s.opts.LatenessLimit)
	default:
		out.Status = accepted
		return w.take(ctx, r)
	}
	return nil
}
