package azurestack

import (
	"net/url"
	"time"
)

var ParseTime = parseTime

// ParseQuery returns the reported window of a usage query, or the code of its
// refusal.
func ParseQuery(v url.Values, now time.Time) (start, end time.Time, code string) {
	q, bad := parseQuery(v, now)
	if bad != nil {
		return q.start, q.end, bad.code
	}
	return q.start, q.end, ""
}

// Resume reports whether a continuation token fits the query.
func Resume(v url.Values, now time.Time, token string) bool {
	q, bad := parseQuery(v, now)
	return bad == nil && q.resume(token) == nil
}
