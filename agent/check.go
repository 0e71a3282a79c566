package agent

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"stackusage/agent/stackapi"
	"stackusage/shared/usage"
)

// check is an hour that is to be asked for once more, as nobody documents that a
// stack adds nothing to an hour after it has told it.
type check struct {
	Hash  string    `json:"rowSetHash"` // of what was sealed
	At    time.Time `json:"at"`
	Parts bool      `json:"parts,omitempty"` // asked for subscriber by subscriber: checked by the whole
	Tries int       `json:"tries,omitempty"`
}

// maxChecks is how often the check of an hour is tried, and lateCheck after how long
// it is left out: nobody documents how long a stack keeps usage, and one that has
// forgotten an hour would tell another one.
const (
	maxChecks = 10
	lateCheck = 14 * 24 * time.Hour
)

var errLate = errors.New("it is too long ago")

// checkLater notes that an hour about to be sealed is to be checked.
func (a *Agent) checkLater(ctx context.Context, h usage.Hour, hash string, inParts bool) {
	if a.Settings.CheckAfter < 0 {
		return
	}
	a.memory.mu.Lock()
	if a.memory.Checks == nil {
		a.memory.Checks = map[usage.Hour]*check{}
	}
	a.memory.Checks[h] = &check{Hash: hash, At: a.Now().UTC().Add(a.Settings.checkAfter()), Parts: inParts}
	a.memory.mu.Unlock()
	a.keepMemorySoon(ctx, true, false)
}

// checksDue are the hours to be checked now, oldest first, and when the next is due;
// zero for never.
func (a *Agent) checksDue() (due []usage.Hour, next time.Time) {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	for _, h := range slices.Sorted(maps.Keys(a.memory.Checks)) {
		switch c := a.memory.Checks[h]; {
		case c.Parts && a.memory.Parts != nil: // until the stack answers for all
		case !reached(a.Now(), c.At):
			next = soonest(next, c.At)
		default:
			due = append(due, h)
		}
	}
	return due, next
}

// checkHours asks once more for hours that were sealed a day ago. One with other
// rows is sealed again, as a second file, which the Azure side knows as a conflict.
func (a *Agent) checkHours(ctx context.Context, most int, report *Report) (away error) {
	due, _ := a.checksDue()
	answered := report.Collected > 0 // in this round
	for _, h := range due[:min(most, len(due))] {
		a.memory.mu.Lock()
		c := *a.memory.Checks[h]
		a.memory.mu.Unlock()
		err := errLate
		if a.Now().Sub(c.At) < lateCheck {
			_, _, err = a.take(ctx, h, c.Hash)
		}
		answer := (*stackapi.Error)(nil)
		refused := errors.As(err, &answer) && answer.Refused()
		answered = answered || err == nil || errors.Is(err, errSame)
		switch {
		case ctx.Err() != nil:
			return err
		case errors.Is(err, errSame):
			a.Log.DebugContext(ctx, "the hour has the same rows as before", slog.String("hour", h.String()))
		case err == nil:
			report.Changed++
			a.Metrics.Changed.Inc()
			a.Log.WarnContext(ctx, "the stack tells other rows of an hour than before; they are dropped as a second file, which is a conflict in Azure",
				slog.String("hour", h.String()))
		case err != errLate && ofTheStack(err) && !(refused && answered):
			if refused { // the next round shows whether the refusal is of this hour alone
				a.checkAgain(ctx, h, c, a.Settings.interval())
			}
			return err
		default:
			if c.Tries++; c.Tries < maxChecks && err != errLate {
				a.checkAgain(ctx, h, c, a.Settings.again(c.Tries, 0, 0))
				continue
			}
			a.Log.WarnContext(ctx, "an hour cannot be checked, and counts as it was told", slog.String("hour", h.String()), slog.String("error", err.Error()))
		}
		a.Metrics.Checked.Inc()
		a.memory.mu.Lock()
		delete(a.memory.Checks, h)
		a.memory.mu.Unlock()
		a.keepMemorySoon(ctx, true, false)
	}
	return nil
}

func (a *Agent) checkAgain(ctx context.Context, h usage.Hour, c check, wait time.Duration) {
	c.At = a.Now().UTC().Add(wait)
	a.memory.mu.Lock()
	a.memory.Checks[h] = &c
	a.memory.mu.Unlock()
	a.keepMemory(ctx)
}
