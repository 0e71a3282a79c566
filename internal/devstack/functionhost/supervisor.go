package functionhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

const (
	maxErrors   = 3                // the third stops the host
	errorWindow = 30 * time.Minute // host time between two errors after which counting starts again
)

// ErrTooManyCrashes ends a host whose handler crashed, or did not start, three
// times without half an hour of host time between two of them.
var ErrTooManyCrashes = errors.New("exceeded http worker restart retry count")

var errReplace = errors.New("the process is to be replaced")

// supervisor owns the handler process. At any time there is at most one.
type supervisor struct {
	spec  *workerSpec
	clock *clock
	log   *slog.Logger
	stats *counters

	restarts chan struct{} // a request to replace the process, whichever it is

	mu      sync.Mutex
	current *worker
	ready   chan struct{} // closed once current answers; replaced at a restart
	isReady bool

	errors []time.Time
}

func newSupervisor(spec *workerSpec, c *clock, log *slog.Logger, stats *counters) *supervisor {
	return &supervisor{
		spec: spec, clock: c, log: log, stats: stats,
		restarts: make(chan struct{}, 1),
		ready:    make(chan struct{}),
	}
}

// run keeps a handler alive until ctx ends, which returns nil, or until the
// handler has failed too often.
func (s *supervisor) run(ctx context.Context) error {
	for {
		err := s.runOne(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			s.log.Debug("Restarting http invoker channel")
		default:
			s.log.Error("the handler failed", "error", err)
			if s.countError() >= maxErrors {
				s.log.Error("Exceeded http worker restart retry count. Shutting down Functions Host")
				return fmt.Errorf("%w: %w", ErrTooManyCrashes, err)
			}
		}
		s.stats.restarted()
	}
}

// countError notes an error now and returns how many count together.
func (s *supervisor) countError() int {
	now := s.clock.now()
	if n := len(s.errors); n > 0 && now.Sub(s.errors[n-1]) > errorWindow {
		s.errors = nil
	}
	s.errors = append(s.errors, now)
	return len(s.errors)
}

// runOne starts one process and returns when another should take its place:
// nil if that counts as nothing, else the error to count.
func (s *supervisor) runOne(ctx context.Context) error {
	w, err := s.spec.start()
	if err != nil {
		return err
	}
	defer w.kill()
	s.setCurrent(w)
	defer s.setCurrent(nil)
	if err := s.initialize(ctx, w); err != nil {
		if errors.Is(err, errReplace) {
			return nil
		}
		return err
	}
	exited := w.exited
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.restarts:
			return nil
		case <-exited:
			if w.code != 0 {
				return w.exitError()
			}
			// The real host takes 0 for an intended end. It neither restarts the
			// handler nor tells anybody: calls meet a closed port from here on.
			s.log.Debug("the handler exited with code 0 and is not restarted")
			exited = nil
		}
	}
}

// initialize waits until the handler answers. Exit codes count here too, except
// that a process which ends with 0 is waited for until the time is up.
func (s *supervisor) initialize(ctx context.Context, w *worker) error {
	limit := s.spec.app.config.initTimeout
	probeCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- w.probe(probeCtx) }()
	exited := w.exited
	for {
		select {
		case err := <-answered:
			if err != nil {
				return fmt.Errorf("initialize handler: no answer to GET / within %v: %w", limit, err)
			}
			s.mu.Lock()
			s.isReady = true
			close(s.ready)
			s.mu.Unlock()
			s.log.Debug("the handler is ready", "pid", w.cmd.Process.Pid, "port", w.port)
			return nil
		case <-s.restarts:
			return errReplace
		case <-exited:
			if w.code != 0 {
				return w.exitError() // nil: the caller sees the exit again
			}
			exited = nil
		}
	}
}

// exitError is nil for the code that asks for a restart.
func (w *worker) exitError() error {
	switch w.code {
	case 200:
		return nil
	case -1:
		return fmt.Errorf("run handler: ended by a signal (%v): %s", w.cmd.ProcessState, w.stderr.tail())
	default:
		return fmt.Errorf("run handler: exited with code %d: %s", w.code, w.stderr.tail())
	}
}

func (s *supervisor) setCurrent(w *worker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = w
	if s.isReady {
		s.isReady = false
		s.ready = make(chan struct{})
	}
}

// restart replaces the process, be it another one than the caller meant: so
// does the real host when an invocation times out late.
func (s *supervisor) restart() {
	select {
	case s.restarts <- struct{}{}:
	default: // one is asked for already
	}
}

// await returns the process once it answers. A dead one that is not restarted
// is returned too.
func (s *supervisor) await(ctx context.Context) (*worker, error) {
	for {
		s.mu.Lock()
		w, ready, ok := s.current, s.ready, s.isReady
		s.mu.Unlock()
		if ok && w != nil {
			return w, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// running is the process there is now, ready or not.
func (s *supervisor) running() *worker {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}
