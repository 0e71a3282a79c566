package functionhost

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/envelope"
	"stackusage/internal/devstack/functionhost/storage"
)

// timerListener runs one timer function. Runs do not overlap.
type timerListener struct {
	fn       *app.Function
	store    *storage.Timers
	call     func(ctx context.Context, fn *app.Function, reason string, body []byte) error
	envelope func(fn *app.Function) envelope.Call
	gate     *gate
	clock    *clock
	log      *slog.Logger
}

// run follows the schedule until ctx ends. Calls are made under work.
func (l *timerListener) run(ctx, work context.Context) {
	now := l.clock.now()
	status, pastDue, err := l.begin(ctx, now)
	if err != nil {
		// The real host goes on without knowing the past.
		l.log.Error("read timer status", "function", l.fn.Name, "error", err)
	}
	if status == nil {
		status = &envelope.TimerStatus{Next: l.fn.Trigger.Due.Next(now)}
	}
	if pastDue {
		if status = l.fire(work, status, true); status == nil {
			return
		}
	}
	for {
		if err := l.clock.sleep(ctx, status.Next.Sub(l.clock.now())); err != nil {
			return
		}
		if status = l.fire(work, status, false); status == nil {
			return
		}
	}
}

// begin reads the status of an earlier host and reports whether a run was
// missed. For a timer never seen before it writes a first status, so that its
// first run cannot be missed either, and returns nil.
func (l *timerListener) begin(ctx context.Context, now time.Time) (*envelope.TimerStatus, bool, error) {
	status, err := l.store.Load(ctx, l.fn.Name)
	if err != nil {
		return nil, false, err
	}
	if status == nil {
		first := &envelope.TimerStatus{Next: l.fn.Trigger.Due.Next(now), LastUpdated: now}
		return nil, false, l.store.Save(ctx, l.fn.Name, first)
	}
	since := status.Last
	if since.IsZero() {
		since = status.LastUpdated
	}
	if expected := l.fn.Trigger.Due.Next(since); !expected.Equal(status.Next) {
		// The schedule was changed. A run that only the new one would have had in
		// the past is not made up for.
		if now.After(expected) {
			expected = l.fn.Trigger.Due.Next(now)
		}
		status = &envelope.TimerStatus{Next: expected, LastUpdated: since}
		if err := l.store.Save(ctx, l.fn.Name, status); err != nil {
			return status, false, err
		}
	}
	return status, now.After(status.Next), nil
}

// fire runs the function once and returns the new status, or nil if the host is
// ending. A failed run does not disturb the schedule.
func (l *timerListener) fire(ctx context.Context, status *envelope.TimerStatus, pastDue bool) *envelope.TimerStatus {
	if !l.gate.enter() {
		return nil
	}
	defer l.gate.leave()
	call := l.envelope(l.fn)
	at := call.Now
	err := l.call(ctx, l.fn, "Timer fired at "+at.Format(time.RFC3339Nano), call.Timer(status, pastDue))
	if errors.Is(err, errHostEnded) {
		return nil
	}
	// Next is counted from the beginning of the run: a tick that fell into it is
	// due at once, any others are skipped. A run a moment before its time counts
	// as on time, or the same tick would be due again.
	if status.Next.After(at) {
		at = status.Next
	}
	after := &envelope.TimerStatus{Last: at, Next: l.fn.Trigger.Due.Next(at), LastUpdated: at}
	if err := l.store.Save(ctx, l.fn.Name, after); err != nil {
		l.log.Error("save timer status", "function", l.fn.Name, "error", err)
	}
	return after
}
