package azurestack

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// serveUsage answers a usage query of the provider.
func (s *Stack) serveUsage(w http.ResponseWriter, r *http.Request) *apiError {
	params := r.URL.Query()
	q, bad := parseQuery(params, s.opts.Now())
	if bad != nil {
		return bad
	}
	if q.subscriber != "" && !s.source.knows(q.subscriber) {
		return &apiError{http.StatusBadRequest, "SubscriberIdIsNotDirectTenant",
			"The subscriber '" + q.subscriber + "' is not a direct tenant of the caller."}
	}
	if token := params.Get("continuationToken"); token != "" {
		if err := q.resume(token); err != nil {
			return invalidProperty("continuationToken", "is not a token of this query")
		}
	}
	rows := s.source.between(q.start, q.end, q.subscriber)
	from := min(q.offset, len(rows))
	to := min(from+s.opts.PageSize, len(rows))
	var next string
	end := s.ending(q.start)
	if to < len(rows) || end == EndPage && to > from {
		params.Set("continuationToken", q.token(to))
		next = base(r) + r.URL.EscapedPath() + "?" + params.Encode()
	}
	writePage(w, rows[from:to], next, end)
	return nil
}

// ending is how the listing of an hour ends.
func (s *Stack) ending(start time.Time) string {
	if len(s.opts.Endings) == 0 {
		return EndAbsent
	}
	return s.opts.Endings[int(start.Unix()/3600)%len(s.opts.Endings)]
}

// writePage writes the envelope by hand: an encoder would rewrite the rows.
func writePage(w http.ResponseWriter, rows []Row, next, end string) {
	var body bytes.Buffer
	body.WriteString(`{"value":[`)
	for i, row := range rows {
		if i > 0 {
			body.WriteByte(',')
		}
		body.Write(row.Raw)
	}
	body.WriteByte(']')
	switch {
	case next == "" && end == EndNull:
		body.WriteString(`,"nextLink":null`)
	case next == "" && end == EndEmpty:
		body.WriteString(`,"nextLink":""`)
	case next != "":
		link, err := json.Marshal(next)
		if err != nil {
			panic(err) // a string always encodes
		}
		body.WriteString(`,"nextLink":`)
		body.Write(link)
	}
	body.WriteByte('}')
	w.Write(body.Bytes())
}

// base returns the address under which the client reached the stack.
func base(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + strings.ToLower(r.Host)
}
