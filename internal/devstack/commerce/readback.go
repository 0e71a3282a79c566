package commerce

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"stackusage/internal/devstack/commerce/record"
	"stackusage/internal/devstack/loopback"
)

// maxQuery is how many records one read-back may ask for, as in the wire contract.
const maxQuery = 500

// query is the body of a read-back.
type query struct {
	CloudID   string   `json:"cloudId"`
	UsageDate string   `json:"usageDate"`
	RecordIDs []string `json:"recordIds"`
}

func (s *Server) readBack(w http.ResponseWriter, r *http.Request) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBytes))
	if err != nil {
		return &problem{http.StatusRequestEntityTooLarge, "QueryTooLarge", "the query is too long, or could not be read to its end"}
	}
	q, err := decodeQuery(body)
	if err != nil {
		return err
	}
	loopback.JSON(w, http.StatusOK, map[string][]receipt{"value": s.store.receipts(q)})
	return nil
}

// decodeQuery reads the body of a read-back. Its ids come back sorted, each once.
func decodeQuery(body []byte) (query, error) {
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
		return q, invalidQuery(`the body must be {"cloudId":<GUID>,"usageDate":"2019-12-10","recordIds":[<GUID>,...]}`)
	}
	if len(q.RecordIDs) > maxQuery {
		return q, invalidQuery("the query names %d records, at most %d are taken", len(q.RecordIDs), maxQuery)
	}
	slices.Sort(q.RecordIDs)
	q.RecordIDs = slices.Compact(q.RecordIDs)
	return q, nil
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) error {
	query, err := params(r, "cloudId")
	if err != nil {
		return err
	}
	cloudID := strings.ToLower(query["cloudId"])
	if cloudID != "" && !record.IsGUID(cloudID) {
		return invalidQuery("cloudId must be a GUID or absent")
	}
	var out bytes.Buffer
	for _, r := range s.store.records(func(r *record.Record) bool { return cloudID == "" || r.CloudID == cloudID }) {
		out.Write(r.Raw)
		out.WriteByte('\n')
	}
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Write(out.Bytes())
	return nil
}
