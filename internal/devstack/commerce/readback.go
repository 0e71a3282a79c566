package commerce

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"stackusage/internal/devstack/commerce/record"
)

// maxQuery is how many records one read-back may ask for, as in the wire contract.
const maxQuery = 500

// query is the body of a read-back.
type query struct {
	CloudID   string   `json:"cloudId"`
	UsageDate string   `json:"usageDate"`
	RecordIDs []string `json:"recordIds"`
}

func (s *Server) readBack(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.opts.MaxBytes))
	if err != nil {
		writeError(w, http.StatusRequestEntityTooLarge, "QueryTooLarge", "the query is too long, or could not be read to its end")
		return
	}
	q, bad := decodeQuery(body)
	if bad != nil {
		writeError(w, http.StatusBadRequest, bad.Code, bad.Message)
		return
	}
	found, err := s.store.receipts(r.Context(), q)
	if err != nil {
		s.internal(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, map[string][]receipt{"value": found})
}

// decodeQuery reads the body of a read-back. Its ids come back sorted, each once.
func decodeQuery(body []byte) (query, *problem) {
	var q query
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.DisallowUnknownFields()
	err := dec.Decode(&q)
	if err == nil {
		if _, end := dec.Token(); end != io.EOF {
			err = errors.New("something follows it")
		}
	}
	if _, badDay := time.Parse(time.DateOnly, q.UsageDate); err == nil {
		err = badDay
	}
	if err != nil || !record.IsGUID(q.CloudID) || q.RecordIDs == nil || slices.ContainsFunc(q.RecordIDs, func(id string) bool { return !record.IsGUID(id) }) {
		return q, &problem{"InvalidQuery", `the body must be {"cloudId":<GUID>,"usageDate":"2019-12-10","recordIds":[<GUID>,...]}`}
	}
	if len(q.RecordIDs) > maxQuery {
		return q, &problem{"InvalidQuery", fmt.Sprintf("the query names %d records, at most %d are taken", len(q.RecordIDs), maxQuery)}
	}
	slices.Sort(q.RecordIDs)
	q.RecordIDs = slices.Compact(q.RecordIDs)
	return q, nil
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	query, bad := params(r, "cloudId")
	cloudID := strings.ToLower(query["cloudId"])
	if bad == nil && cloudID != "" && !record.IsGUID(cloudID) {
		bad = &problem{"InvalidQuery", "cloudId must be a GUID or absent"}
	}
	if bad != nil {
		writeError(w, http.StatusBadRequest, bad.Code, bad.Message)
		return
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	out := bufio.NewWriterSize(w, 64<<10)
	err := s.store.eachRaw(r.Context(), cloudID, func(raw []byte) error {
		out.Write(raw)
		return out.WriteByte('\n')
	})
	if err == nil {
		err = out.Flush()
	}
	s.finish(r, err)
}

// finish ends a streamed answer. When it could not be written whole the
// connection is cut: half a file must not look like a whole one.
func (s *Server) finish(r *http.Request, err error) {
	if err != nil {
		s.opts.Log.ErrorContext(r.Context(), "answer cut", slog.String("path", r.URL.Path), slog.Any("error", err))
		panic(http.ErrAbortHandler)
	}
}
