package stackapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"stackusage/agent/neterr"
)

// ErrNotReady means that usage for this hour is not available yet: it lies in the
// future, or processing is not complete. Ask again later. It never means that
// the hour is empty.
var ErrNotReady = errors.New("usage is not ready")

// Error is an answer of the stack that is not a page, or the lack of one.
type Error struct {
	Op         string        // what was asked, such as "collect hour 2019-12-10T19:00:00Z"
	Page       int           // of the listing, from 1; 0 for what has no pages
	Status     int           // HTTP status; 0 when no answer came
	Code       string        // the stack's code, such as "GatewayTimeout"; may be empty
	Message    string        // the stack's own words; may be empty
	RequestID  string        // x-ms-request-id, for the support case; may be empty
	RetryAfter time.Duration // how long the stack asked to wait; 0 if it did not
	Err        error         // ErrNotReady, or the cause if there was no answer; may be nil

	transient  bool // worth asking again
	everything bool // nothing can be asked for without what this was about
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Page != 0 {
		fmt.Fprintf(&b, " page %d", e.Page)
	}
	b.WriteByte(':')
	if e.Status != 0 {
		fmt.Fprintf(&b, " %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + printable(e.Code))
	}
	if e.Message != "" {
		b.WriteString(" " + strconv.Quote(e.Message))
	}
	if e.Err != nil {
		if b.String()[b.Len()-1] != ':' {
			b.WriteByte(':')
		}
		b.WriteString(" " + e.Err.Error())
	}
	if e.RequestID != "" {
		b.WriteString(" (x-ms-request-id " + printable(e.RequestID) + ")")
	}
	return b.String()
}

// printable is text of the stack that can forge no line of a log and steer no
// terminal.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Transient reports whether the stack, asked again later, may well answer:
// it was busy, the connection was cut, the usage is not ready, or a page changed
// between two tries, so that the hour must be told from its beginning.
func (e *Error) Transient() bool {
	return e.transient || errors.Is(e.Err, ErrNotReady) || errors.Is(e.Err, ErrChanged)
}

// TimedOut reports whether the stack's own gateway gave up on the request, or the
// client did: it was too large, not wrong.
func (e *Error) TimedOut() bool {
	timeout := net.Error(nil)
	return e.Status == http.StatusGatewayTimeout ||
		e.Status == 0 && !e.Unreachable() && (errors.Is(e.Err, context.DeadlineExceeded) || errors.As(e.Err, &timeout) && timeout.Timeout())
}

// Unreachable reports whether no connection to the stack came about: nothing was
// asked that could be wrong or too large.
func (e *Error) Unreachable() bool { return e.Status == 0 && neterr.NotReached(e.Err) }

// NotDirectTenant reports whether the stack refused a subscriber as none of its
// own: one of a delegated provider, or one that was never there.
func (e *Error) NotDirectTenant() bool {
	return strings.EqualFold(e.Code, "SubscriberIdIsNotDirectTenant")
}

// OfTheStack reports whether any other hour would fail alike: the stack cannot be
// reached, or does not let this client in.
func (e *Error) OfTheStack() bool { return e.everything || e.Unreachable() || e.Denied() }

// Denied reports whether the stack does not let this client in, by its answer.
func (e *Error) Denied() bool {
	return e.Status == http.StatusUnauthorized || e.Status == http.StatusForbidden || e.Code == "SubscriptionNotFound"
}

// maxErrorBytes is how much of an answer that is not a page is read.
const maxErrorBytes = 64 << 10

// refusal reads an answer that is not a page.
func refusal(resp *http.Response, now time.Time) *Error {
	// What cannot be read of the body is missing from the message only.
	text, _ := io.ReadAll(io.LimitReader(resp.Body, maxErrorBytes))
	e := &Error{Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"), now)}
	e.Code, e.Message = reason(text)
	switch resp.StatusCode {
	case http.StatusAccepted, http.StatusNoContent:
		e.Err = ErrNotReady
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		e.transient = true
	}
	if notReady(e.Code, e.Message) {
		e.Err, e.transient = ErrNotReady, false
	}
	return e
}

// notReady recognises the answers for usage that may still change.
func notReady(code, message string) bool {
	switch strings.ToLower(code) {
	case "requestendtimeisinfuture", "processingnotcompleted", "processingnotcomplete":
		return true
	}
	message = strings.ToLower(message)
	return strings.Contains(message, "processing not complete") || strings.Contains(message, "processing is not complete")
}

// reason finds code and message in {"error":{"code","message"}} or
// {"code","message"}; of anything else it returns the beginning as message.
func reason(text []byte) (code, message string) {
	type pair struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}
	var body struct {
		pair
		Error pair `json:"error"`
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, bom))
	if json.Unmarshal(text, &body) == nil {
		if body.Error != (pair{}) {
			body.pair = body.Error
		}
		if body.pair != (pair{}) {
			return cut(body.Code), cut(body.Message)
		}
	}
	if page := htmlPage(text); page != nil {
		return "", page.Error()
	}
	return "", cut(string(text))
}

var title = regexp.MustCompile(`(?is)<title[^>]*>(.*?)</title>`)

// htmlPage is the error of an answer that begins as HTML does; nil for any other. It has
// the page's title, which often says who answered.
func htmlPage(text []byte) error {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, bom))
	if len(text) == 0 || text[0] != '<' {
		return nil
	}
	what := "an HTML page"
	if m := title.FindSubmatch(text); m != nil {
		what += fmt.Sprintf(" %.100q", strings.Join(strings.Fields(cut(string(m[1]))), " "))
	}
	return errors.New(what + " in place of JSON: a proxy, a load balancer or a sign-in page answers for the stack; check stack.endpoint and proxy.url")
}

// token is what a token looks like in an answer that repeats the request.
var token = regexp.MustCompile(`(?i:(bearer)(?:\s|%20)+)[^\s"'<>,;\\]+|eyJ[\w-]+\.[\w.-]+`)

// cut is the beginning of the stack's words, without tokens.
func cut(text string) string {
	const most = 512
	text = token.ReplaceAllString(text, "$1 ***")
	if len(text) > most {
		return strings.ToValidUTF8(text[:most], "") + "..."
	}
	return text
}

// retryAfter reads both forms of the header: seconds and a date.
func retryAfter(text string, now time.Time) time.Duration {
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseInt(text, 10, 32); err == nil {
		return max(0, time.Duration(seconds)*time.Second)
	}
	date, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, date.Sub(now))
}
