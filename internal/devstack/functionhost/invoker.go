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

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/process"
)

// Version is the version of the real host whose behaviour was recorded.
const Version = "4.1045.200.25556"

const (
	userAgent          = "Azure-Functions-Host/" + Version
	versionHeader      = "X-Azure-Functions-HostVersion"
	invocationHeader   = "X-Azure-Functions-InvocationId"
	timeoutGrace       = 2 * time.Second // between a timeout and the kill
	invocationCategory = "Function."
)

// invoker calls functions, one invocation at a time or many at once.
type invoker struct {
	sup     *process.Supervisor
	clock   *clock
	log     *slog.Logger
	stats   *counters
	timeout time.Duration // host time; 0: unbounded
}

// invocation is one call under way.
type invocation struct {
	id      string
	fn      *app.Function
	log     *slog.Logger
	started bool // its work was begun; read after run has returned
}

func (iv *invoker) newInvocation(fn *app.Function) *invocation {
	in := &invocation{id: uuid.NewString(), fn: fn}
	in.log = iv.log.With("function", fn.Name, "invocation", in.id)
	return in
}

// errTimeout fails an invocation that reached functionTimeout.
var errTimeout = errors.New("invocation reached functionTimeout")

// errHostEnded says that the host ended while a call was under way. Nobody may
// conclude anything from it: the function may have run.
var errHostEnded = errors.New("host ended during the invocation")

// call sends the envelope of an invocation. It returns errHostEnded, or why the
// invocation failed.
func (iv *invoker) call(ctx context.Context, fn *app.Function, reason string, body []byte) error {
	return iv.run(ctx, iv.newInvocation(fn), reason, func(ctx context.Context, in *invocation, p *process.Process) error {
		logs, err := post(ctx, p, in, body)
		for _, line := range logs {
			in.log.Info(line, "category", "Function."+fn.Name+".User")
		}
		return err
	})
}

// work is what is done in an invocation.
type work func(context.Context, *invocation, *process.Process) error

// run carries out one invocation under functionTimeout. Work that returns
// errHang is waited behind until then. Work that is still running at the
// timeout is left running: it ends with the process.
func (iv *invoker) run(ctx context.Context, in *invocation, reason string, work work) error {
	fn := in.fn
	iv.stats.update(fn, func(s *FunctionStats) { s.Invocations++ })
	in.log.Info("Executing 'Functions."+fn.Name+"'", "category", invocationCategory+fn.Name, "reason", reason)
	begin := time.Now()
	err := iv.attempt(ctx, in, work)
	took := time.Since(begin)
	if err != nil {
		iv.stats.update(fn, func(s *FunctionStats) { s.Failed++ })
		in.log.Error("Executed 'Functions."+fn.Name+"' (Failed)", "category", invocationCategory+fn.Name, "duration", took, "error", err)
		return err
	}
	iv.stats.update(fn, func(s *FunctionStats) { s.Succeeded++ })
	in.log.Info("Executed 'Functions."+fn.Name+"' (Succeeded)", "category", invocationCategory+fn.Name, "duration", took)
	return nil
}

func (iv *invoker) attempt(ctx context.Context, in *invocation, work work) error {
	p, err := iv.sup.Await(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", errHostEnded, err)
	}
	done := make(chan error, 1)
	in.started = true
	go func() {
		if err := work(ctx, in, p); !errors.Is(err, errHang) {
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
		in.log.Error(fmt.Sprintf("Timeout value of %v exceeded by function 'Functions.%s'. Initiating cancellation.", iv.timeout, in.fn.Name))
		time.AfterFunc(iv.clock.real(timeoutGrace), iv.sup.Restart)
		return errTimeout
	}
}

// post sends an envelope as the real host does: chunked, over HTTP/1.1.
func post(ctx context.Context, p *process.Process, in *invocation, body []byte) (logs []string, err error) {
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	stream, _ := open()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.URL("/"+in.fn.Name), stream)
	if err != nil {
		return nil, fmt.Errorf("call handler: %w", err)
	}
	req.ContentLength = -1
	req.GetBody = open // for 307 and 308
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set(versionHeader, Version)
	req.Header.Set(invocationHeader, in.id)
	resp, err := p.Client().Do(req)
	if err != nil {
		return nil, fmt.Errorf("call handler: %w", err)
	}
	defer resp.Body.Close()
	return decodeResponse(resp)
}
