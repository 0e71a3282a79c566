package commerce

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pageSize is how many records a read-back page holds, as in the wire contract.
const pageSize = 1000

type page struct {
	Value    []receipt `json:"value"`
	NextLink string    `json:"nextLink,omitempty"`
}

func (s *Server) readBack(w http.ResponseWriter, r *http.Request) {
	query, bad := params(r, "cloudId", "usageDate", "after")
	if bad != nil {
		writeError(w, http.StatusBadRequest, bad.Code, bad.Message)
		return
	}
	cloudID, after := strings.ToLower(query["cloudId"]), strings.ToLower(query["after"])
	usageDate := query["usageDate"]
	_, err := time.Parse(time.DateOnly, usageDate)
	if err != nil || !isGUID(cloudID) || after != "" && !isGUID(after) {
		writeError(w, http.StatusBadRequest, "InvalidQuery",
			"cloudId must be a GUID, usageDate a date like 2019-12-10, after a GUID or absent")
		return
	}
	// One more than a page tells whether there is a next one.
	found, err := s.store.receipts(r.Context(), cloudID, usageDate, after, pageSize+1)
	if err != nil {
		s.internal(w, r, err)
		return
	}
	answer := page{Value: found}
	if len(found) > pageSize {
		answer.Value = found[:pageSize]
		answer.NextLink = selfURL(r) + "?" + url.Values{
			"cloudId": {cloudID}, "usageDate": {usageDate}, "after": {found[pageSize-1].RecordID},
		}.Encode()
	}
	writeJSON(w, http.StatusOK, answer)
}

// selfURL is the address by which the caller reached this endpoint.
func selfURL(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host + r.URL.Path
}

func (s *Server) export(w http.ResponseWriter, r *http.Request) {
	query, bad := params(r, "cloudId")
	cloudID := strings.ToLower(query["cloudId"])
	if bad == nil && cloudID != "" && !isGUID(cloudID) {
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
