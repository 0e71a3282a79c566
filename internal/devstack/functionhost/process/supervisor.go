// Package process runs the handler of a function app as the Functions host does: one
// process at a time, ended by SIGKILL only. Exit code 0 is an intended end, after which
// the handler is not restarted and nobody is told; 200 is a free restart; everything
// else is an error, and the third error stops the host.
package process

import (
	"context"
	"errors"
	"fmt"
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

// Supervisor owns the handler process. At any time there is at most one.
type Supervisor struct {
	spec      *Spec
	now       func() time.Time // host time
	restarted func()

	restarts chan struct{} // a request to replace the process, whichever it is

	mu      sync.Mutex
	current *Process
	ready   chan struct{} // closed once current answers; replaced at a restart
	isReady bool

	errors []time.Time
}

// NewSupervisor makes one that runs nothing yet. Restarted is called for each process
// after the first.
func NewSupervisor(spec *Spec, now func() time.Time, restarted func()) *Supervisor {
	return &Supervisor{
		spec: spec, now: now, restarted: restarted,
		restarts: make(chan struct{}, 1),
		ready:    make(chan struct{}),
	}
}

// Run keeps a handler alive until ctx ends, which returns nil, or until the
// handler has failed too often.
func (s *Supervisor) Run(ctx context.Context) error {
	for {
		err := s.runOne(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			s.spec.Log.Debug("Restarting http invoker channel")
		default:
			s.spec.Log.Error("the handler failed", "error", err)
			if s.countError() >= maxErrors {
				s.spec.Log.Error("Exceeded http worker restart retry count. Shutting down Functions Host")
				return fmt.Errorf("%w: %w", ErrTooManyCrashes, err)
			}
		}
		s.restarted()
	}
}

// countError notes an error now and returns how many count together.
func (s *Supervisor) countError() int {
	now := s.now()
	if n := len(s.errors); n > 0 && now.Sub(s.errors[n-1]) > errorWindow {
		s.errors = nil
	}
	s.errors = append(s.errors, now)
	return len(s.errors)
}

// runOne starts one process and returns when another should take its place:
// nil if that counts as nothing, else the error to count.
func (s *Supervisor) runOne(ctx context.Context) error {
	p, err := s.spec.start()
	if err != nil {
		return err
	}
	defer p.Kill()
	s.setCurrent(p)
	defer s.setCurrent(nil)
	if err := s.initialize(ctx, p); err != nil {
		if errors.Is(err, errReplace) {
			return nil
		}
		return err
	}
	exited := p.exited
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-s.restarts:
			return nil
		case <-exited:
			if p.code != 0 {
				return p.exitError()
			}
			// The real host takes 0 for an intended end. It neither restarts the
			// handler nor tells anybody: calls meet a closed port from here on.
			s.spec.Log.Debug("the handler exited with code 0 and is not restarted")
			exited = nil
		}
	}
}

// initialize waits until the handler answers. Exit codes count here too, except
// that a process which ends with 0 is waited for until the time is up.
func (s *Supervisor) initialize(ctx context.Context, p *Process) error {
	limit := s.spec.InitTimeout
	probeCtx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	answered := make(chan error, 1)
	go func() { answered <- p.probe(probeCtx) }()
	exited := p.exited
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
			s.spec.Log.Debug("the handler is ready", "pid", p.PID(), "port", p.port)
			return nil
		case <-s.restarts:
			return errReplace
		case <-exited:
			if p.code != 0 {
				return p.exitError() // nil: the caller sees the exit again
			}
			exited = nil
		}
	}
}

// exitError is nil for the code that asks for a restart.
func (p *Process) exitError() error {
	switch p.code {
	case 200:
		return nil
	case -1:
		return fmt.Errorf("run handler: ended by a signal (%v): %s", p.cmd.ProcessState, p.stderr.tail())
	default:
		return fmt.Errorf("run handler: exited with code %d: %s", p.code, p.stderr.tail())
	}
}

func (s *Supervisor) setCurrent(p *Process) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = p
	if s.isReady {
		s.isReady = false
		s.ready = make(chan struct{})
	}
}

// Restart replaces the process, be it another one than the caller meant: so
// does the real host when an invocation times out late.
func (s *Supervisor) Restart() {
	select {
	case s.restarts <- struct{}{}:
	default: // one is asked for already
	}
}

// Await returns the process once it answers. A dead one that is not restarted
// is returned too.
func (s *Supervisor) Await(ctx context.Context) (*Process, error) {
	for {
		s.mu.Lock()
		p, ready, ok := s.current, s.ready, s.isReady
		s.mu.Unlock()
		if ok && p != nil {
			return p, nil
		}
		select {
		case <-ready:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// Running is the process there is now, ready or not.
func (s *Supervisor) Running() *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.current
}
