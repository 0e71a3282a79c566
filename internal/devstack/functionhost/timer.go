package functionhost

import (
	"context"
	"time"

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/envelope"
)

// timerListener runs one timer function. Runs do not overlap.
type timerListener struct {
	fn       *app.Function
	call     func(ctx context.Context, fn *app.Function, reason string, body []byte) error
	envelope func(fn *app.Function) envelope.Call
	gate     *gate
	clock    *clock
}

// run follows the schedule until ctx ends. Calls are made under work. A failed run,
// which is logged where it fails, does not disturb the schedule.
func (l *timerListener) run(ctx, work context.Context) {
	status := envelope.TimerStatus{Next: l.fn.Trigger.Due.Next(l.clock.now())}
	for l.clock.sleep(ctx, status.Next.Sub(l.clock.now())) == nil && l.gate.enter() {
		call := l.envelope(l.fn)
		at := call.Now
		_ = l.call(work, l.fn, "Timer fired at "+at.Format(time.RFC3339Nano), call.Timer(&status, false))
		l.gate.leave()
		// Next is counted from the beginning of the run: a tick that fell into it is
		// due at once, any others are skipped. A run a moment before its time counts
		// as on time, or the same tick would be due again.
		if status.Next.After(at) {
			at = status.Next
		}
		status = envelope.TimerStatus{Last: at, Next: l.fn.Trigger.Due.Next(at), LastUpdated: at}
	}
}
