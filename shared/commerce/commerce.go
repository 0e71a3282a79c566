// Package commerce is the wire contract with the service that bills usage, and
// its client. docs/formats/commerce.md.
//
// The client sends bytes that were fixed before; it never changes or repeats
// them by itself. What an answer means for the sender is in the error's kind.
package commerce

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"stackusage/shared/forward"
	"stackusage/shared/outcome"
	"stackusage/shared/strictjson"
)

// Client sends batches to one commerce endpoint. Safe for concurrent use.
type Client struct {
	// Endpoint is the URL before /v1/records.
	Endpoint string
	// HTTP carries the requests; it must have a timeout.
	HTTP *http.Client
	// Token makes the bearer token of a request; nil sends none.
	Token func(ctx context.Context) (string, error)
}

// requestTimeout bounds one request; below SEND_LIMIT.
const requestTimeout = 2 * time.Minute

// maxIdle is how many connections are kept for the next batch: more than messages are
// handled at once (docs/host.md). The default of net/http is two, and the others would
// begin each batch with a handshake.
const maxIdle = 64

// HTTPClient is a client for Client.HTTP.
func HTTPClient() *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = maxIdle
	return &http.Client{Timeout: requestTimeout, Transport: transport}
}

// What is kept of commerce's own words: they are stored in tables.
const (
	maxCode    = 200  // characters
	maxMessage = 2000 // characters
)

// maxRetryAfter bounds a wait that commerce asks for.
const maxRetryAfter = 7 * 24 * time.Hour

// maxAnswer bounds what is read of an answer: 500 results of 2 KiB, or records that
// are read back, which are shorter.
const maxAnswer = 1 << 20

// Send posts the body of one batch. id goes to commerce's logs. A record
// without a result has no known answer. Failures are *forward.Failure.
func (c *Client) Send(ctx context.Context, id string, body []byte) (map[string]outcome.Result, error) {
	target, err := c.target()
	if err != nil {
		return nil, &forward.Failure{Kind: forward.Unknown, Err: err}
	}
	resp, err := c.do(ctx, target.String(), id, body)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := readAnswer(resp)
	if err != nil {
		return nil, err
	}
	results, err := DecodeResults(answer)
	if err != nil {
		return nil, &forward.Failure{Kind: forward.Unreadable, Status: resp.StatusCode, Err: err}
	}
	return results, nil
}

func (c *Client) target() (*url.URL, error) {
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("endpoint %q: %w", c.Endpoint, err)
	}
	return endpoint.JoinPath("v1", "records"), nil
}

// maxToken bounds the wait for a token: an identity endpoint that hangs must
// not take the sender's whole time.
const maxToken = time.Minute

// do posts one body. Its failures are *forward.Failure: no answer came.
func (c *Client) do(ctx context.Context, target, id string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, &forward.Failure{Kind: forward.Unknown, Err: err}
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	if id != "" {
		req.Header.Set("x-ms-client-request-id", id)
	}
	if c.Token != nil {
		limited, cancel := context.WithTimeout(ctx, maxToken)
		defer cancel()
		token, err := c.Token(limited)
		if err != nil {
			return nil, &forward.Failure{Kind: forward.Credentials, Err: fmt.Errorf("get token: %w", err)}
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	// A redirect is not followed: it would turn a POST into a GET, or take
	// usage and token to another host. It is an answer like any other.
	direct := *c.HTTP
	direct.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := direct.Do(req)
	if err != nil {
		return nil, &forward.Failure{Kind: forward.Unknown, Err: err}
	}
	return resp, nil
}

func judge(resp *http.Response, answer []byte) *forward.Failure {
	e := &forward.Failure{Kind: forward.Unknown, Status: resp.StatusCode, RetryAfter: retryAfter(resp.Header.Get("Retry-After"))}
	var body struct {
		Error struct{ Code, Message string } `json:"error"`
	}
	if strictjson.Unmarshal(answer, &body) == nil && body.Error.Code != "" {
		e.Code, e.Message = fmt.Sprintf("%.*s", maxCode, body.Error.Code), fmt.Sprintf("%.*s", maxMessage, body.Error.Message)
		e.Reason = e.Code + ": " + e.Message
	} else {
		e.Reason = fmt.Sprintf("%.200q", answer)
	}
	switch status := resp.StatusCode; status {
	case http.StatusUnauthorized, http.StatusForbidden:
		e.Kind = forward.Credentials
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		e.Kind = forward.Busy
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusProxyAuthRequired, http.StatusRequestTimeout, http.StatusGone:
		e.Kind = forward.Endpoint
	default:
		if status >= 400 && status < 500 {
			e.Kind = forward.Declined
		}
	}
	return e
}

// retryAfter reads seconds or a date (RFC 9110); 0 for anything else.
func retryAfter(text string) time.Duration {
	if seconds, err := strconv.Atoi(text); err == nil && seconds > 0 {
		return time.Duration(min(seconds, int(maxRetryAfter/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return min(max(0, time.Until(at)), maxRetryAfter)
	}
	return 0
}

// errAnswer: commerce answered 200 with something that is not results.
var errAnswer = errors.New("the answer is not a list of results")

// DecodeResults reads the body of a 200. A status that is not known, a result
// without recordId, two results for one record, or a name that comes twice in an
// object make the whole answer unusable: it is better to ask again than to guess.
func DecodeResults(answer []byte) (map[string]outcome.Result, error) {
	var body struct {
		Results []outcome.Result `json:"results"`
	}
	if err := strictjson.Unmarshal(answer, &body); err != nil {
		return nil, fmt.Errorf("read results: %w: %w", errAnswer, err)
	}
	if body.Results == nil {
		return nil, fmt.Errorf("read results: %w", errAnswer)
	}
	results := make(map[string]outcome.Result, len(body.Results))
	for _, r := range body.Results {
		if !outcome.Known(r.Status) {
			return nil, fmt.Errorf("read results: record %.60q: %w: status %.40q", r.RecordID, errAnswer, r.Status)
		}
		if _, twice := results[r.RecordID]; twice || r.RecordID == "" {
			return nil, fmt.Errorf("read results: %w: recordId %.60q", errAnswer, r.RecordID)
		}
		r.Code = fmt.Sprintf("%.*s", maxCode, r.Code)
		r.Message = fmt.Sprintf("%.*s", maxMessage, r.Message)
		results[r.RecordID] = r
	}
	return results, nil
}
