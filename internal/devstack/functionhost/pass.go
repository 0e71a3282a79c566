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

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/process"
)

// pass runs an HTTP function: its requests go through to the handler. Any response is
// a success of the invocation.
func (h *Host) pass(w http.ResponseWriter, r *http.Request, fn *app.Function) {
	finished := make(chan struct{})
	answer := &trackedWriter{ResponseWriter: w}
	in := h.invoker.newInvocation(fn)
	err := h.invoker.run(h.working, in, callReason, func(ctx context.Context, in *invocation, handler *process.Process) error {
		defer close(finished)
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(r.Context(), cancel)()
		return proxy(ctx, in, handler, answer, r)
	})
	if in.started {
		// After a timeout the work goes on until the process is killed, and it may
		// write to w until then.
		<-finished
	}
	switch {
	case err == nil:
	case answer.written:
		panic(http.ErrAbortHandler) // so that the caller sees that the response is cut short
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
func proxy(ctx context.Context, in *invocation, handler *process.Process, w http.ResponseWriter, r *http.Request) (failed error) {
	defer func() {
		if p := recover(); p != nil && p != http.ErrAbortHandler {
			panic(p)
		} else if p != nil {
			failed = errors.New("proxy request: the response was cut short")
		}
	}()
	// The real proxy escapes the percent sign of an escaped slash once more.
	path := strings.ReplaceAll(strings.ReplaceAll(r.URL.EscapedPath(), "%2F", "%252F"), "%2f", "%252f")
	target, err := url.Parse(handler.URL(path))
	if err != nil {
		return fmt.Errorf("proxy request: %w", err)
	}
	target.RawQuery = r.URL.RawQuery
	p := &httputil.ReverseProxy{
		Transport:     retryRefused{handler.Client().Transport},
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
