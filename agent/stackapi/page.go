package stackapi

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"stackusage/agent/neterr"
)

// try asks for the page once and hands on what was not handed on before.
func (p *page) try(ctx context.Context) (next string, err error) {
	c := p.client
	request, cancel := context.WithTimeout(ctx, c.conf.Timeout)
	defer cancel()

	req, err := http.NewRequestWithContext(request, http.MethodGet, p.link.String(), nil)
	if err != nil {
		return "", p.fail(nil, &Error{Err: err})
	}
	req.Header.Set("Accept", "application/json")
	if c.conf.Token != nil {
		token, err := c.conf.Token(request)
		if err != nil {
			return "", fmt.Errorf("%s page %d: get token: %w", p.op, p.number, err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return "", p.broken(ctx, nil, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return "", p.fail(resp, refusal(resp, time.Now()))
	}
	if date, err := http.ParseTime(resp.Header.Get("Date")); err == nil && date.Before(p.end) {
		return "", p.fail(resp, &Error{Code: "StackClock", Message: "by the stack's clock it is " + date.UTC().Format(time.RFC3339), Err: ErrNotReady})
	}

	var rowErr error
	body := &gauge{r: bufio.NewReader(resp.Body), most: maxPageBytes}
	replayed := &replay{page: p, want: p.rows, hash: sha256.New()}
	head, err := decodePage(body, func(raw []byte) error {
		rowErr = replayed.row(raw)
		return rowErr
	})
	if err == nil && replayed.seen < replayed.want {
		rowErr = ErrChanged
	}
	switch {
	case errors.Is(rowErr, ErrChanged):
		return "", p.fail(resp, &Error{Code: "PageChanged", Err: rowErr})
	case rowErr != nil:
		return "", rowErr
	case body.err != nil || errors.Is(err, io.ErrUnexpectedEOF):
		return "", p.broken(ctx, resp, err)
	case errors.Is(err, errNoValue):
		e := &Error{Status: resp.StatusCode, Code: head.code, Message: head.message, Err: err}
		if notReady(head.code, head.message) {
			e.Err = ErrNotReady
		}
		return "", p.fail(resp, e)
	case err != nil:
		return "", p.fail(resp, &Error{Status: resp.StatusCode, Code: "InvalidAnswer", Err: err})
	}
	return head.next, nil
}

// fail completes an error with what was asked, and the answer's id if there was
// an answer.
func (p *page) fail(resp *http.Response, e *Error) *Error {
	e.Op, e.Page = p.op, p.number
	if resp != nil {
		e.RequestID = cut(resp.Header.Get("x-ms-request-id"))
	}
	return e
}

// broken is the error for a connection that failed before or within an answer.
// A certificate that is not trusted will not be in a second either.
func (p *page) broken(ctx context.Context, resp *http.Response, err error) *Error {
	untrusted := errors.As(err, new(*tls.CertificateVerificationError))
	return p.fail(resp, &Error{Err: neterr.Bare(err), transient: ctx.Err() == nil && !untrusted})
}
