package azurestack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Fault makes requests to Resource Manager go wrong. Faults wait in a queue:
// the first one applies until its count is used up.
type Fault struct {
	// Status is 429, 503, 504, 202 for "processing not complete", or 400 for
	// RequestEndTimeIsInFuture; 0 cuts the connection.
	Status int `json:"status"`

	// Only is the kind of request that goes wrong: "subscriptions" for the list
	// of them, "stamp" for the usage of all subscribers, "subscriber" for that
	// of one; empty means any. Requests of other kinds are answered well and
	// counted nowhere.
	Only string `json:"only"`

	// Count is how many requests go wrong; 0 means one.
	Count int `json:"count"`

	// Skip is how many requests are answered well before.
	Skip int `json:"skip"`

	// RetryAfter, if positive, is sent as Retry-After, in seconds.
	RetryAfter int `json:"retryAfter"`

	// CutAfter is how many bytes of the true answer are sent before the
	// connection is cut. Used with status 0 only.
	CutAfter int `json:"cutAfter"`
}

var faultTexts = map[int][2]string{
	http.StatusTooManyRequests:    {"TooManyRequests", "The number of requests exceeds the limit of the subscription."},
	http.StatusServiceUnavailable: {"ServiceUnavailable", "The service is busy or the call is being throttled."},
	http.StatusGatewayTimeout:     {"GatewayTimeout", "The gateway did not receive a response from 'Microsoft.Commerce.Admin' within the specified time period."},
	http.StatusBadRequest:         {"RequestEndTimeIsInFuture", "The reportedEndTime of the request is in the future."},
	http.StatusAccepted:           {"ProcessingNotCompleted", "The usage data of the requested period is not available yet: processing not complete."},
}

func (f Fault) validate() error {
	if _, known := faultTexts[f.Status]; !known && f.Status != 0 {
		return fmt.Errorf("make fault: status %d is not one of 0, 202, 400, 429, 503, 504", f.Status)
	}
	switch f.Only {
	case "", kindSubscriptions, kindStamp, kindSubscriber:
	default:
		return fmt.Errorf("make fault: only %.40q is not a kind of request", f.Only)
	}
	if f.Count < 0 || f.Skip < 0 || f.RetryAfter < 0 || f.CutAfter < 0 {
		return fmt.Errorf("make fault: a negative number in %+v", f)
	}
	return nil
}

// Kinds of requests, as Fault.Only names them.
const (
	kindSubscriptions = "subscriptions"
	kindStamp         = "stamp"
	kindSubscriber    = "subscriber"
)

func kindOf(r *http.Request) string {
	switch {
	case strings.HasSuffix(strings.ToLower(strings.TrimRight(r.URL.Path, "/")), "/subscriptions"):
		return kindSubscriptions
	case r.URL.Query().Get("subscriberId") != "":
		return kindSubscriber
	default:
		return kindStamp
	}
}

// fault serves the next fault, if one is due. It returns true when the request
// has been answered, and a writer that cuts the answer when that is the fault.
func (s *Stack) fault(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
	f, due := s.nextFault(kindOf(r))
	if !due {
		return w, false
	}
	if f.Status == 0 {
		return &cutWriter{ResponseWriter: w, left: f.CutAfter}, false
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	text := faultTexts[f.Status]
	if f.Status == http.StatusAccepted {
		// The one answer of the family without the error envelope.
		writeJSON(w, f.Status, map[string]string{"code": text[0], "message": text[1]})
		return w, true
	}
	w.Header().Set("x-ms-failure-cause", "service")
	(&apiError{f.Status, text[0], text[1]}).write(w)
	return w, true
}

func (s *Stack) nextFault(kind string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.faults) == 0 {
		return Fault{}, false
	}
	f := &s.faults[0]
	if f.Only != "" && f.Only != kind {
		return Fault{}, false
	}
	if f.Skip > 0 {
		f.Skip--
		return Fault{}, false
	}
	due := *f
	if f.Count--; f.Count <= 0 {
		s.faults = s.faults[1:]
	}
	return due, true
}

func (s *Stack) serveFaults(w http.ResponseWriter, r *http.Request) {
	var f Fault
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		invalidProperty("body", "is not a fault: "+err.Error()).write(w)
		return
	}
	if err := f.validate(); err != nil {
		invalidProperty("body", "is not a fault: "+err.Error()).write(w)
		return
	}
	s.mu.Lock()
	s.faults = append(s.faults, f)
	s.mu.Unlock()
	writeJSON(w, http.StatusOK, f)
}

// cutWriter drops the connection after some bytes of the answer.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (c *cutWriter) Write(p []byte) (int, error) {
	if len(p) < c.left {
		c.left -= len(p)
		return c.ResponseWriter.Write(p)
	}
	if c.left > 0 {
		c.ResponseWriter.Write(p[:c.left])
		http.NewResponseController(c.ResponseWriter).Flush()
	}
	panic(http.ErrAbortHandler)
}

// end cuts an answer that was shorter than what was to be sent of it.
func (c *cutWriter) end() { panic(http.ErrAbortHandler) }
