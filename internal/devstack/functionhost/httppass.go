package functionhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// passer sends a request through to the handler and its answer back. Any answer
// is a success of the invocation.
type passer func(ctx context.Context, in *invocation, handler *worker, w http.ResponseWriter, r *http.Request) error

// pass runs an HTTP function whose requests go through to the handler.
func (h *Host) pass(w http.ResponseWriter, r *http.Request, fn *function, how passer) {
	finished := make(chan struct{})
	answer := &trackedWriter{ResponseWriter: w}
	in := h.invoker.newInvocation(fn)
	err := h.invoker.run(h.working, in, callReason, func(ctx context.Context, in *invocation, handler *worker) error {
		defer close(finished)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(r.Context(), cancel)()
		return how(ctx, in, handler, answer, r)
	})
	if in.started {
		// After a timeout the work goes on until the process is killed, and it may
		// write to w until then.
		<-finished
	}
	switch {
	case err == nil:
	case answer.written:
		panic(http.ErrAbortHandler) // so that the caller sees that the answer is cut short
	default:
		w.WriteHeader(http.StatusInternalServerError)
	}
}

type trackedWriter struct {
	http.ResponseWriter
	written bool
}

func (t *trackedWriter) WriteHeader(code int) {
	t.written = true
	t.ResponseWriter.WriteHeader(code)
}

func (t *trackedWriter) Write(b []byte) (int, error) {
	t.written = true
	return t.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find Flush.
func (t *trackedWriter) Unwrap() http.ResponseWriter { return t.ResponseWriter }

// proxy is enableProxyingHttpRequest: bodies stream both ways.
func proxy(ctx context.Context, in *invocation, handler *worker, w http.ResponseWriter, r *http.Request) (failed error) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		} else if p != nil {
			failed = errors.New("proxy request: the answer was cut short")
		}
	}()
	// The real proxy escapes the percent sign of an escaped slash once more.
	path := strings.ReplaceAll(strings.ReplaceAll(r.URL.EscapedPath(), "%2F", "%252F"), "%2f", "%252f")
	target, err := url.Parse(handler.url(path))
	if err != nil {
		return fmt.Errorf("proxy request: %w", err)
	}
	target.RawQuery = r.URL.RawQuery
	p := &httputil.ReverseProxy{
		Transport:     retryRefused{handler.client.Transport},
		FlushInterval: -1,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL = target
			pr.Out.Host = target.Host
			pr.SetXForwarded()
			pr.Out.Header.Set("X-Ms-Invocation-Id", in.id)
			pr.Out.Header.Set(versionHeader, Version)
			pr.Out.Header.Set(invocationHeader, in.id)
		},
		ErrorHandler: func(_ http.ResponseWriter, _ *http.Request, err error) {
			failed = fmt.Errorf("proxy request: %w", err)
		},
		ErrorLog: slog.NewLogLogger(in.log.Handler(), slog.LevelDebug),
	}
	// With a server in its context the proxy panics when an answer breaks off;
	// without one it would end the answer as if it were whole.
	ctx = context.WithValue(ctx, http.ServerContextKey, r.Context().Value(http.ServerContextKey))
	p.ServeHTTP(w, r.WithContext(ctx))
	return failed
}

// retryRefused tries again while nobody listens, up to ten times in about a
// second and a half.
type retryRefused struct{ next http.RoundTripper }

func (t retryRefused) RoundTrip(r *http.Request) (*http.Response, error) {
	body := r.Body
	if body != nil {
		r.Body = io.NopCloser(body) // a failed dial would close it before it was read
		defer body.Close()
	}
	pause := 50 * time.Millisecond
	for try := 0; ; try++ {
		resp, err := t.next.RoundTrip(r)
		if err == nil || try == 10 || !errors.Is(err, syscall.ECONNREFUSED) {
			return resp, err
		}
		if err := sleep(r.Context(), pause); err != nil {
			return nil, err
		}
		pause = min(pause*2, 250*time.Millisecond)
	}
}

// errChunked refuses what the real host cannot forward.
var errChunked = errors.New("forward request: a chunked body cannot be forwarded")

// forward is enableForwardingHttpRequest: the request is built anew, and loses
// some of itself on the way.
func forward(ctx context.Context, in *invocation, handler *worker, w http.ResponseWriter, r *http.Request) error {
	if r.ContentLength < 0 {
		return errChunked
	}
	var body io.Reader
	if r.ContentLength > 0 {
		body = r.Body
	}
	out, err := http.NewRequestWithContext(ctx, r.Method, handler.url(r.URL.EscapedPath()+joinedQuery(r)), body)
	if err != nil {
		return fmt.Errorf("forward request: %w", err)
	}
	out.ContentLength = r.ContentLength
	out.Host = r.Host
	for name, v := range r.Header {
		if !strings.HasPrefix(name, "Content-") || name == "Content-Type" {
			out.Header[name] = v
		}
	}
	out.Header.Del("Connection")
	setHostHeaders(out.Header, strings.TrimSpace(r.UserAgent()+" "+userAgent), in.id)
	resp, err := handler.client.Transport.RoundTrip(out) // follows no redirects
	if err != nil {
		return fmt.Errorf("forward request: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body) // the real host buffers it
	if err != nil {
		return fmt.Errorf("forward request: read answer: %w", err)
	}
	for name, v := range resp.Header {
		w.Header()[name] = v
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = w.Write(answer) // the caller may have gone
	return nil
}

// joinedQuery is the query with the values of a repeated name joined.
func joinedQuery(r *http.Request) string {
	var pairs []string
	for _, q := range parseQuery(r.URL.RawQuery) {
		var escaped []string
		for _, v := range q.values {
			escaped = append(escaped, strings.ReplaceAll(url.QueryEscape(v), "+", "%20"))
		}
		pairs = append(pairs, strings.ReplaceAll(url.QueryEscape(q.name), "+", "%20")+"="+strings.Join(escaped, ","))
	}
	if pairs == nil {
		return ""
	}
	return "?" + strings.Join(pairs, "&")
}
