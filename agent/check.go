package agent

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"stackusage/agent/memory"
	"stackusage/agent/stackapi"
)

// maxChecks is how often the check of an hour is tried, and lateCheck after how long
// it is left out: nobody documents how long a stack keeps usage, and one that has
// forgotten an hour would tell another one.
const (
	maxChecks = 10
	lateCheck = 14 * 24 * time.Hour
)

var errLate = errors.New("the hour is too old")

// checkHours asks once more for hours that were sealed a day ago. One with other
// rows is sealed again, as a second file, which the Azure side knows as a conflict.
func (a *Agent) checkHours(ctx context.Context, most int, report *Report) (away error) {
	due, _ := a.memory.ChecksDue()
	answered := report.Collected > 0 // in this round
	again := func(c memory.Check, wait time.Duration) {
		c.At = a.Now().UTC().Add(wait)
		a.memory.CheckLater(ctx, c)
	}
	for _, c := range due[:min(most, len(due))] {
		h := c.Hour
		err := errLate
		if a.Now().Sub(c.At) < lateCheck {
			_, _, err = a.take(ctx, h, c.Hash)
		}
		answer := (*stackapi.Error)(nil)
		refused := errors.As(err, &answer) && answer.Denied()
		answered = answered || err == nil || errors.Is(err, errSame)
		switch {
		case ctx.Err() != nil:
			return err
		case errors.Is(err, errSame):
			a.Log.DebugContext(ctx, "hour checked, same rows", slog.String("hour", h.String()))
		case err == nil:
			report.Changed++
			a.Metrics.Changed.Inc()
			a.Log.WarnContext(ctx, "hour checked, other rows than before; they are uploaded as a second file, which is a conflict in Azure",
				slog.String("hour", h.String()))
		case err != errLate && ofTheStack(err) && !(refused && answered):
			if refused { // the next round shows whether the refusal is of this hour alone
				again(c, a.Settings.Interval)
			}
			return err
		default:
			if c.Tries++; c.Tries < maxChecks && err != errLate {
				again(c, a.Settings.again(c.Tries, 0, 0))
				continue
			}
			a.Log.WarnContext(ctx, "hour not checked; it stays as collected first", slog.String("hour", h.String()), slog.String("error", err.Error()))
		}
		a.Metrics.Checked.Inc()
		a.memory.Checked(ctx, h)
	}
	return nil
}
