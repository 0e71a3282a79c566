package functionhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// timerStatus is what the host remembers of a timer between its runs, in the
// form of the status blob.
type timerStatus struct {
	Last        time.Time // zero: never
	Next        time.Time
	LastUpdated time.Time
}

const offsetZone = "-07:00"

func (s *timerStatus) json() raw {
	return object{
		{"Last", quote(ticks(s.Last, offsetZone))},
		{"Next", quote(ticks(s.Next, offsetZone))},
		{"LastUpdated", quote(ticks(s.LastUpdated, offsetZone))},
	}.json()
}

// statusStore keeps the status of timers. Load returns nil if there is none.
type statusStore interface {
	load(ctx context.Context, fn string) (*timerStatus, error)
	save(ctx context.Context, fn string, s *timerStatus) error
}

// timerListener runs one timer function. Runs do not overlap.
type timerListener struct {
	fn       *function
	schedule schedule
	store    statusStore // nil: not monitored
	invoker  caller
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
		l.log.Error("read timer status", "function", l.fn.name, "error", err)
	}
	if status == nil {
		status = &timerStatus{Next: l.schedule.next(now)}
	}
	if pastDue || l.fn.trigger.RunOnStartup {
		if status = l.fire(work, status, pastDue, true); status == nil {
			return
		}
	}
	for {
		if err := l.clock.sleep(ctx, status.Next.Sub(l.clock.now())); err != nil {
			return
		}
		if status = l.fire(work, status, false, false); status == nil {
			return
		}
	}
}

// begin reads the status of an earlier host and reports whether a run was
// missed. For a timer never seen before it writes a first status, so that its
// first run cannot be missed either, and returns nil.
func (l *timerListener) begin(ctx context.Context, now time.Time) (*timerStatus, bool, error) {
	if l.store == nil {
		return nil, false, nil
	}
	status, err := l.store.load(ctx, l.fn.name)
	if err != nil {
		return nil, false, err
	}
	if status == nil {
		first := &timerStatus{Next: l.schedule.next(now), LastUpdated: now}
		return nil, false, l.store.save(ctx, l.fn.name, first)
	}
	since := status.Last
	if since.IsZero() {
		since = status.LastUpdated
	}
	if expected := l.schedule.next(since); !expected.Equal(status.Next) {
		// The schedule was changed. A run that only the new one would have had in
		// the past is not made up for.
		if now.After(expected) {
			expected = l.schedule.next(now)
		}
		status = &timerStatus{Next: expected, LastUpdated: since}
		if err := l.store.save(ctx, l.fn.name, status); err != nil {
			return status, false, err
		}
	}
	return status, now.After(status.Next), nil
}

// fire runs the function once and returns the new status, or nil if the host is
// ending. A failed run does not disturb the schedule.
func (l *timerListener) fire(ctx context.Context, status *timerStatus, pastDue, startup bool) *timerStatus {
	if !l.gate.enter() {
		return nil
	}
	defer l.gate.leave()
	at := l.clock.now()
	shown := status
	if l.store == nil {
		shown = nil
	}
	body := timerEnvelope(l.fn, l.schedule, shown, pastDue, at)
	_, err := l.invoker.call(ctx, l.fn, fmt.Sprintf("Timer fired at %s", ticks(at, offsetZone)), body)
	if errors.Is(err, errHostEnded) {
		return nil
	}
	// Next is counted from the beginning of the run: a tick that fell into it is
	// due at once, any others are skipped. A run a moment before its time counts
	// as on time, or the same tick would be due again.
	if !startup && status.Next.After(at) {
		at = status.Next
	}
	after := &timerStatus{Last: at, Next: l.schedule.next(at), LastUpdated: at}
	if l.store != nil {
		if err := l.store.save(ctx, l.fn.name, after); err != nil {
			l.log.Error("save timer status", "function", l.fn.name, "error", err)
		}
	}
	return after
}
