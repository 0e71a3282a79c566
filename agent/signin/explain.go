package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"stackusage/agent/neterr"
)

// maxAnswerBytes is how much of an issuer's answer is read, which azidentity
// does not bound.
const maxAnswerBytes = 1 << 20

// maxSkew is what issuers forgive a client's clock.
const maxSkew = 5 * time.Minute

// seen is what went over the wire for one token. azidentity turns errors of the
// connection into text, and what they were would be lost.
type seen struct {
	err    error         // of the last request; nil if there was an answer
	status int           // of the last answer
	skew   time.Duration // how far the issuer's clock is ahead, by its last answer
}

type seenKey struct{}

// recorder sends azidentity's requests.
type recorder struct{ client *http.Client }

// Do implements policy.Transporter.
func (r recorder) Do(req *http.Request) (*http.Response, error) {
	resp, err := r.client.Do(req)
	seen, ours := req.Context().Value(seenKey{}).(*seen)
	if !ours {
		return resp, err
	}
	seen.err = err
	if err != nil {
		if kind := kindOf(err); kind == UntrustedCertificate || kind == UnknownHost {
			err = lasting{err}
		}
		return nil, err
	}
	seen.status = resp.StatusCode
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
		seen.skew = time.Until(date)
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxAnswerBytes), resp.Body}
	return resp, nil
}

// lasting is an error that azcore need not try again.
type lasting struct{ error }

func (lasting) NonRetriable()   {}
func (e lasting) Unwrap() error { return e.error }

// explain finds out what an error of azidentity means.
func (c *credential) explain(ctx context.Context, err error, seen *seen) *Error {
	var failed *azidentity.AuthenticationFailedError
	if errors.As(err, &failed) && failed.RawResponse != nil {
		e := &Error{Status: failed.RawResponse.StatusCode, skew: seen.skew}
		// What cannot be read is missing from the explanation only.
		text, _ := runtime.Payload(failed.RawResponse)
		e.read(text, c.conf.Method)
		return e
	}
	cause := seen.err
	if cause == nil && ctx.Err() != nil {
		cause = ctx.Err()
	}
	switch {
	case cause == nil && seen.status != 0:
		// Its words are left out: they quote the answer, and with it perhaps a token.
		return &Error{Kind: Unknown, Status: seen.status, Detail: "its answer is not what an issuer of tokens answers"}
	case cause == nil:
		return &Error{Kind: Unknown, Detail: brief(err.Error())}
	}
	e := &Error{Kind: kindOf(cause), Err: cause}
	if c.conf.Method == ManagedIdentity && e.Kind != UntrustedCertificate {
		e.Kind = NoManagedIdentity
	}
	return e
}

// read takes code and message out of an issuer's refusal.
func (e *Error) read(text []byte, method string) {
	var body struct {
		Error       any    `json:"error"`
		Description string `json:"error_description"`
		Codes       []int  `json:"error_codes"`
		Message     string `json:"message"` // of a managed identity's endpoint
	}
	if json.Unmarshal(text, &body) != nil {
		e.Detail = brief(string(text))
	}
	if body.Description == "" {
		body.Description = body.Message
	}
	if body.Description != "" {
		e.Detail = brief(body.Description)
	}
	e.Code = codeOf(body.Description)
	if e.Code == "" && len(body.Codes) > 0 {
		e.Code = fmt.Sprintf("AADSTS%d", body.Codes[0])
	}
	kind, _ := body.Error.(string)
	e.Kind = kindOfRefusal(e.Status, e.Code, kind, e.Detail, method)
}

// codeOf returns the AADSTS or MSIS code that a message begins with.
func codeOf(message string) string {
	code, _, _ := strings.Cut(message, ":")
	digits := strings.TrimPrefix(strings.TrimPrefix(code, "AADSTS"), "MSIS")
	if digits == code || digits == "" || len(digits) > 10 || strings.Trim(digits, "0123456789") != "" {
		return ""
	}
	return code
}

// token is what looks like a JSON Web Token.
var token = regexp.MustCompile(`eyJ[\w-]+\.[\w-]+(\.[\w-]*)?`)

// brief is a message without the issuer's trace and without tokens, on one line.
func brief(text string) string {
	text, _, _ = strings.Cut(text, "Trace ID:")
	text = token.ReplaceAllString(text, "***")
	text = strings.Join(strings.Fields(text), " ")
	const most = 400
	if len(text) > most {
		text = text[:most] + "..."
	}
	return strings.ToValidUTF8(text, "")
}

// kindOfRefusal sorts an issuer's answer.
func kindOfRefusal(status int, code, kind, detail, method string) Kind {
	if k, known := codes[code]; known {
		if code == "AADSTS700027" && strings.Contains(strings.ToLower(detail), "expired") {
			return ExpiredCertificate
		}
		return k
	}
	switch {
	case status == http.StatusTooManyRequests || status == http.StatusRequestTimeout || status >= 500:
		return Unavailable
	case kind == "invalid_resource" || kind == "invalid_scope":
		return WrongAudience
	case method == ManagedIdentity:
		return NoManagedIdentity
	case kind == "invalid_client" && method == ClientSecret:
		return WrongSecret
	case kind == "invalid_client" && method == ClientCertificate:
		return WrongCertificate
	case kind == "unauthorized_client":
		return UnknownClient
	case kind == "invalid_tenant":
		return UnknownTenant
	}
	return Unknown
}

// codes are Entra's and AD FS's: learn.microsoft.com/entra/identity-platform,
// reference-error-codes; the events of AD FS. AD FS answers every client that it
// does not believe alike, MSIS9622, so that one is not here.
var codes = map[string]Kind{
	"AADSTS7000215": WrongSecret,
	"AADSTS7000222": ExpiredSecret,
	"AADSTS700027":  WrongCertificate,
	"AADSTS1000502": ExpiredCertificate,
	"AADSTS700024":  ClockOff,
	"AADSTS500011":  WrongAudience,
	"AADSTS50001":   WrongAudience,
	"AADSTS1002012": WrongAudience,
	"AADSTS70011":   WrongAudience,
	"MSIS9602":      WrongAudience,
	"AADSTS90002":   UnknownTenant,
	"AADSTS900023":  UnknownTenant,
	"AADSTS700016":  UnknownClient,
	"AADSTS7000112": Denied, // the application is disabled
	"AADSTS501051":  Denied, // it is not assigned to the resource
	"AADSTS53003":   Denied, // a policy of conditional access
}

// kindOf sorts an error of a connection.
func kindOf(err error) Kind {
	switch kind := neterr.Explain(err, neterr.Place{}).Kind; kind {
	case neterr.None:
		return Unknown
	case neterr.NoTLS:
		return Unreachable
	default:
		return Kind(kind)
	}
}
