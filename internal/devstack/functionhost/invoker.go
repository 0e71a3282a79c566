package functionhost

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// Version is the version of the real host whose behaviour was recorded.
const Version = "4.1045.200.25556"

const (
	userAgent          = "Azure-Functions-Host/" + Version
	versionHeader      = "X-Azure-Functions-HostVersion"
	invocationHeader   = "X-Azure-Functions-InvocationId"
	timeoutGrace       = 2 * time.Second // between a timeout and the kill
	userLogsCategory   = "Function.%s.User"
	invocationCategory = "Function."
)

// invoker calls functions, one invocation at a time or many at once.
type invoker struct {
	sup     *supervisor
	clock   *clock
	log     *slog.Logger
	stats   *counters
	outputs *outputWriter
	timeout time.Duration // host time; 0: unbounded
}

// invocation is one call under way.
type invocation struct {
	id      string
	fn      *function
	log     *slog.Logger
	started bool // its work was begun; read after run has returned
}

func (iv *invoker) newInvocation(fn *function) *invocation {
	in := &invocation{id: uuid.NewString(), fn: fn}
	in.log = iv.log.With("function", fn.name, "invocation", in.id)
	return in
}

// errTimeout fails an invocation that reached functionTimeout.
var errTimeout = errors.New("invocation reached functionTimeout")

// errHostEnded says that the host ended while a call was under way. Nobody may
// conclude anything from it: the function may have run.
var errHostEnded = errors.New("host ended during the invocation")

// call sends the envelope of an invocation, and writes its outputs other than
// HTTP. It returns errHostEnded, or why the invocation failed.
func (iv *invoker) call(ctx context.Context, fn *function, reason string, body []byte) (*response, error) {
	var resp *response
	err := iv.run(ctx, iv.newInvocation(fn), reason, func(ctx context.Context, in *invocation, w *worker) error {
		r, err := post(ctx, w, in, body)
		if err != nil {
			return err
		}
		for _, line := range r.Logs {
			in.log.Info(line, "category", fmt.Sprintf(userLogsCategory, fn.name))
		}
		if err := iv.outputs.write(ctx, fn, r); err != nil {
			return err
		}
		resp = r
		return nil
	})
	if err != nil {
		return nil, err
	}
	return resp, nil
}

// run carries out one invocation under functionTimeout. Work that returns
// errHang is waited behind until then. Work that is still running at the
// timeout is left running: it ends with the process.
func (iv *invoker) run(ctx context.Context, in *invocation, reason string, work func(context.Context, *invocation, *worker) error) error {
	fn := in.fn
	iv.stats.update(fn, func(s *FunctionStats) { s.Invocations++ })
	in.log.Info("Executing 'Functions."+fn.name+"'", "category", invocationCategory+fn.name, "reason", reason)
	begin := time.Now()
	err := iv.attempt(ctx, in, work)
	took := time.Since(begin)
	if err != nil {
		iv.stats.update(fn, func(s *FunctionStats) { s.Failed++ })
		in.log.Error("Executed 'Functions."+fn.name+"' (Failed)", "category", invocationCategory+fn.name, "duration", took, "error", err)
		return err
	}
	iv.stats.update(fn, func(s *FunctionStats) { s.Succeeded++ })
	in.log.Info("Executed 'Functions."+fn.name+"' (Succeeded)", "category", invocationCategory+fn.name, "duration", took)
	return nil
}

func (iv *invoker) attempt(ctx context.Context, in *invocation, work func(context.Context, *invocation, *worker) error) error {
	w, err := iv.sup.await(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errHostEnded, err)
	}
	done := make(chan error, 1)
	in.started = true
	go func() {
		if err := work(ctx, in, w); !errors.Is(err, errHang) {
			done <- err
			return
		}
		in.log.Debug(errHang.Error())
	}()
	var expired <-chan time.Time
	if iv.timeout > 0 {
		timer := time.NewTimer(iv.clock.real(iv.timeout))
		defer timer.Stop()
		expired = timer.C
	}
	select {
	case err := <-done:
		if err != nil && ctx.Err() != nil {
			return fmt.Errorf("%w: %w", errHostEnded, err)
		}
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errHostEnded, context.Cause(ctx))
	case <-expired:
		iv.stats.update(in.fn, func(s *FunctionStats) { s.Timeouts++ })
		in.log.Error(fmt.Sprintf("Timeout value of %v exceeded by function 'Functions.%s'. Initiating cancellation.", iv.timeout, in.fn.name))
		time.AfterFunc(iv.clock.real(timeoutGrace), iv.sup.restart)
		return errTimeout
	}
}

// post sends an envelope as the real host does: chunked, over HTTP/1.1.
func post(ctx context.Context, w *worker, in *invocation, body []byte) (*response, error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	stream, _ := open()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url("/"+in.fn.name), stream)
	if err != nil {
		return nil, fmt.Errorf("call handler: %w", err)
	}
	req.ContentLength = -1
	req.GetBody = open // for 307 and 308
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	setHostHeaders(req.Header, userAgent, in.id)
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call handler: %w", err)
	}
	defer resp.Body.Close()
	return decodeResponse(resp)
}

func setHostHeaders(h http.Header, agent, id string) {
	h.Set("User-Agent", agent)
	h.Set(versionHeader, Version)
	h.Set(invocationHeader, id)
}
