package functionhost

import (
	"context"
	"errors"

	"stackusage/internal/devstack/functionhost/process"
)

// ErrTooManyCrashes ends a host whose handler crashed, or did not start, three times
// without half an hour of host time between two of them.
var ErrTooManyCrashes = process.ErrTooManyCrashes

// URL is where the host listens: "http://127.0.0.1:<port>", without a slash at
// the end.
func (h *Host) URL() string { return h.url }

// Done is closed when the host has ended: after Stop or KillHost, or because
// its handler crashed too often. The handler has ended by then.
func (h *Host) Done() <-chan struct{} { return h.done }

// Err is why the host ended by itself; nil while it runs and after Stop or
// KillHost. A handler that exited with code 0 is no reason: the host runs on.
func (h *Host) Err() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.err
}

// Stats returns counts since Start.
func (h *Host) Stats() Stats { return h.stats.snapshot() }

var errStopped = errors.New("host was stopped")

// Stop ends the host in good order: no new work begins, invocations under way
// get 30 seconds of host time, then the handler gets SIGKILL. It returns when
// all has ended, with an error if ctx ended first; the drain is then cut short,
// and the host has ended all the same.
func (h *Host) Stop(ctx context.Context) error {
	h.stopListening()
	drain, cancel := context.WithTimeout(ctx, h.clock.real(drainLimit))
	defer cancel()
	select {
	case <-h.gate.close():
		// Answers of HTTP functions may still be on their way out.
		_ = h.server.Shutdown(drain) // whoever is too slow is cut off below
	case <-drain.Done():
		h.log.Warn("drain ran out with invocations under way")
	case <-h.done:
	}
	h.KillHost()
	return context.Cause(ctx)
}

// KillHost ends the host as if the machine had lost power: the handler gets
// SIGKILL, nothing is drained, messages keep their leases.
func (h *Host) KillHost() {
	h.stopWork(errStopped)
	<-h.done
}

// KillHandler sends SIGKILL to the handler, which the host takes for a crash.
// It reports whether there was a process to kill.
func (h *Host) KillHandler() bool {
	p := h.sup.Running()
	if p == nil {
		return false
	}
	p.Kill()
	return true
}
