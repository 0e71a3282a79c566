package azurestack

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackusage/internal/devstack/loopback"
)

// Fault makes requests to Resource Manager go wrong. Faults wait in a queue:
// the first one applies until its count is used up.
type Fault struct {
	// Status is 401, 404, 429, 500, 502, 503, 504, 202 for "processing not
	// complete", 400 for RequestEndTimeIsInFuture, or 200 for a page without rows
	// whose link leads to the page itself; 0 cuts the connection.
	Status int `json:"status"`

	// Only is the kind of request that goes wrong: "subscriptions" for the list
	// of them, "stack" for the usage of all subscribers, "subscriber" for that
	// of one; empty means any. Requests of other kinds are answered well and
	// counted nowhere.
	Only string `json:"only"`

	// Count is how many requests go wrong; 0 means one.
	Count int `json:"count"`

	// Hour, if set, is the one reported hour whose requests go wrong.
	Hour time.Time `json:"hour,omitzero"`

	// Always makes the fault stay for ever, whatever Count says, and those after it
	// in the queue due as well.
	Always bool `json:"always"`

	// Skip is how many requests are answered well before.
	Skip int `json:"skip"`

	// RetryAfter, if positive, is sent as Retry-After, in seconds.
	RetryAfter int `json:"retryAfter"`

	// CutAfter is how many bytes of the true answer are sent before the
	// connection is cut. Used with status 0 only.
	CutAfter int `json:"cutAfter"`
}

var faultTexts = map[int][2]string{
	http.StatusOK:                  {},
	http.StatusUnauthorized:        {"ExpiredAuthenticationToken", "The access token has expired."},
	http.StatusNotFound:            {"ResourceNotFound", "The usage of the requested period could not be found."},
	http.StatusInternalServerError: {"InternalServerError", "An error has occurred."},
	http.StatusBadGateway:          {"BadGateway", "The web server received an invalid response."},
	http.StatusTooManyRequests:     {"TooManyRequests", "The number of requests exceeds the limit of the subscription."},
	http.StatusServiceUnavailable:  {"ServiceUnavailable", "The service is busy or the call is being throttled."},
	http.StatusGatewayTimeout:      {"GatewayTimeout", "The gateway did not receive a response from 'Microsoft.Commerce.Admin' within the specified time period."},
	http.StatusBadRequest:          {"RequestEndTimeIsInFuture", "The reportedEndTime of the request is in the future."},
	http.StatusAccepted:            {"ProcessingNotCompleted", "The usage data of the requested period is not available yet: processing not complete."},
}

func (f Fault) validate() error {
	if _, known := faultTexts[f.Status]; !known && f.Status != 0 {
		return fmt.Errorf("make fault: status %d is not one of 0, 200, 202, 400, 401, 404, 429, 500, 502, 503, 504", f.Status)
	}
	switch f.Only {
	case "", kindSubscriptions, kindStack, kindSubscriber:
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
	kindStack         = "stack"
	kindSubscriber    = "subscriber"
)

func kindOf(r *http.Request) string {
	switch {
	case strings.HasSuffix(strings.ToLower(strings.TrimRight(r.URL.Path, "/")), "/subscriptions"):
		return kindSubscriptions
	case r.URL.Query().Get("subscriberId") != "":
		return kindSubscriber
	default:
		return kindStack
	}
}

// fault serves the next fault, if one is due. It returns true when the request
// has been answered, and a writer that cuts the answer when that is the fault.
func (s *Stack) fault(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, bool) {
	f, due := s.nextFault(r)
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
	if f.Status == http.StatusOK {
		writePage(w, nil, base(r)+r.URL.RequestURI(), EndAbsent)
		return w, true
	}
	if f.Status == http.StatusAccepted {
		// The one answer of the family without the error envelope.
		loopback.JSON(w, f.Status, map[string]string{"code": text[0], "message": text[1]})
		return w, true
	}
	w.Header().Set("x-ms-failure-cause", "service")
	(&apiError{f.Status, text[0], text[1]}).write(w)
	return w, true
}

// nextFault is the first in the queue, unless that is one that stays and means other
// requests.
func (s *Stack) nextFault(r *http.Request) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.faults {
		f := &s.faults[i]
		means := (f.Only == "" || f.Only == kindOf(r)) && (f.Hour.IsZero() || f.Hour.Equal(hourOf(r)))
		switch {
		case f.Always && means:
			return *f, true
		case f.Always:
			continue
		case !means:
			return Fault{}, false
		case f.Skip > 0:
			f.Skip--
			return Fault{}, false
		}
		due := *f
		if f.Count--; f.Count <= 0 {
			s.faults = slices.Delete(s.faults, i, i+1)
		}
		return due, true
	}
	return Fault{}, false
}

// hourOf is the start of what a usage request asks for; zero for others.
func hourOf(r *http.Request) time.Time {
	at, err := parseTime(r.URL.Query().Get("reportedStartTime"))
	if err != nil {
		return time.Time{}
	}
	return at
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
	loopback.JSON(w, http.StatusOK, f)
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
