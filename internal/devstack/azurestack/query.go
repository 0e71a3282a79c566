package azurestack

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const usageVersion = "2015-06-01-preview"

// query is a usage request that has been understood.
type query struct {
	start, end time.Time // reported time, [start, end)
	subscriber string    // lower-case GUID; empty for all
	offset     int       // rows to leave out, from the continuation token
}

// parseQuery reads the parameters of a usage request; now is the stack's clock.
// Parameters it does not know, such as showDetails, are ignored as a stack does.
func parseQuery(v url.Values, now time.Time) (query, *apiError) {
	var q query
	if err := checkVersion(v.Get("api-version"), usageVersion); err != nil {
		return q, err
	}
	if granularity := v.Get("aggregationGranularity"); !strings.EqualFold(granularity, "hourly") {
		return q, &apiError{http.StatusBadRequest, "InvalidAggregationGranularity",
			"The aggregation granularity '" + granularity + "' is not supported; the stand-in serves hourly only."}
	}
	for _, p := range []struct {
		name string
		to   *time.Time
	}{{"reportedStartTime", &q.start}, {"reportedEndTime", &q.end}} {
		text := v.Get(p.name)
		if text == "" {
			return q, invalidProperty(p.name, "is missing")
		}
		t, err := parseTime(text)
		if err != nil {
			return q, invalidProperty(p.name, "is not a time")
		}
		if !t.Truncate(time.Hour).Equal(t) {
			return q, invalidProperty(p.name, "is not on a full hour")
		}
		*p.to = t
	}
	if !q.start.Before(q.end) {
		return q, invalidProperty("reportedEndTime", "is not after reportedStartTime")
	}
	if q.end.After(now) {
		return q, &apiError{http.StatusBadRequest, "RequestEndTimeIsInFuture", "The reportedEndTime of the request is in the future."}
	}
	q.subscriber = strings.ToLower(v.Get("subscriberId"))
	return q, nil
}

// parseTime reads a time in the forms that clients are known to send:
//
//	2017-03-01T00:00:00Z
//	2017-03-01T00:00:00.00Z
//	2019-12-10T19:00:00.0000000+00:00
//	2015-06-16T18:53:11+00:00Z        (as the documentation has it)
//
// and returns it in UTC.
func parseTime(text string) (time.Time, error) {
	if strings.HasSuffix(text, "+00:00Z") {
		text = strings.TrimSuffix(text, "Z")
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, err
	}
	return t.UTC(), nil
}

// mark names a query in continuation tokens, so that a token is good for its
// own query only.
func (q query) mark() string {
	text := strings.Join([]string{q.start.Format(time.RFC3339), q.end.Format(time.RFC3339), q.subscriber}, "|")
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:8])
}

func (q query) token(offset int) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(offset) + "." + q.mark()))
}

// resume sets the offset from a continuation token.
func (q *query) resume(token string) error {
	text, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return err
	}
	number, mark, _ := strings.Cut(string(text), ".")
	offset, err := strconv.Atoi(number)
	if err != nil {
		return err
	}
	if offset < 0 || mark != q.mark() {
		return errors.New("token of another query")
	}
	q.offset = offset
	return nil
}
