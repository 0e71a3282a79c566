package forward

import (
	"fmt"
	"net/http"
	"time"
)

// Kind says what a failed request means for its sender.
type Kind string

// Kinds of failure.
const (
	Unknown     Kind = "unknown"     // no answer, or a failure of the service: it may have been taken
	Unreadable  Kind = "unreadable"  // 200 without a result that can be read, of the request or of a record: it may have been taken
	Busy        Kind = "busy"        // 429, 503: later
	Credentials Kind = "credentials" // 401, 403: keep and alarm
	Endpoint    Kind = "endpoint"    // 404, 405, 407, 408, 410: it is not about the records; keep and alarm
	Declined    Kind = "declined"    // any other 4xx: nothing was taken, the same bytes will not do
)

// Failure is a request that brought no results. Nothing it says deletes a batch.
type Failure struct {
	Kind       Kind
	Status     int           // HTTP status; 0 if there was no answer
	RetryAfter time.Duration // 0 if commerce did not say
	Code       string        // commerce's own, where it gave one
	Message    string        // commerce's own, where it gave a code
	Reason     string        // code and message, or the beginning of what came instead
	Err        error
	Cut        bool // the answer ended too early
}

// Answered reports whether a whole answer came, and not a gateway's that did not
// wait for commerce's own: then no request is on its way any more.
func (e *Failure) Answered() bool {
	switch e.Status {
	case 0, http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		return false
	}
	return !e.Cut
}

func (e *Failure) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %v", e.Kind, e.Err)
	}
	return fmt.Sprintf("%s: HTTP %d: %s", e.Kind, e.Status, e.Reason)
}

func (e *Failure) Unwrap() error { return e.Err }

// AcceptedRecord is a record that commerce has accepted, as it is read back.
type AcceptedRecord struct {
	RecordID   string    `json:"recordId"`
	Quantity   string    `json:"quantity"`
	AcceptedAt time.Time `json:"acceptedAt"`
	SHA256     string    `json:"sha256"` // of the record's bytes, 64 hex digits
}
