package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"stackusage/agent/metrics"
	"stackusage/agent/stackapi"
	"stackusage/shared/usage"
)

var errNoFirst = errors.New("the first hour to collect is not set")

// Run is the service: it collects each hour once it is due, catches up after
// downtime, and drops whatever is sealed, until ctx ends. What fails is logged,
// counted, told by Status, and tried again; it ends with an error only if it
// cannot begin.
func (a *Agent) Run(ctx context.Context) error {
	if a.Settings.First <= 0 {
		return errNoFirst
	}
	a.prepare(ctx)
	sealed := make(chan struct{}, 1)
	var both sync.WaitGroup
	both.Go(func() { a.dropLoop(ctx, sealed) })
	both.Go(func() { a.collectLoop(ctx, sealed) })
	both.Wait()
	a.setNextRound(time.Time{})
	a.publish(context.WithoutCancel(ctx))
	return nil
}

// Once is one round: it drops the backlog, collects what is due, at most
// Settings.MaxCatchUp hours, and drops that. Neither half waits for the other to
// succeed. That the stack does not tell an hour yet is no error.
func (a *Agent) Once(ctx context.Context) (Report, error) {
	var report Report
	if a.Settings.First <= 0 {
		return report, errNoFirst
	}
	a.prepare(ctx)
	dropErr := a.dropBacklog(ctx, &report)
	collectErr := a.round(ctx, &report, func() {
		if dropErr == nil { // at once, so that catching up does not fill the spool
			dropErr = a.dropBacklog(ctx, &report)
		}
	})
	if dropErr != nil && report.Collected > 0 {
		dropErr = a.dropBacklog(ctx, &report)
	}
	a.ended(ctx, metrics.StepCollect, collectErr)
	a.ended(ctx, metrics.StepDrop, dropErr)
	a.publish(ctx)
	return report, errors.Join(collectErr, dropErr)
}

// maxBad is how many hours whose answer is no usage are passed over in a round.
const maxBad = 100

// round collects the oldest hours that are missing and due. It ends at the first
// hour that fails, but for one whose answer is no usage at all, or that the stack
// refuses: the hours after it are not kept waiting for that, and it is asked for
// again in each round. A stack that refuses several in a row refuses them all.
func (a *Agent) round(ctx context.Context, report *Report, sealed func()) error {
	most := a.Settings.maxCatchUp()
	hours, err := a.Spool.Gaps(a.Settings.First, most+maxBad+1)
	if err != nil {
		return err
	}
	var failures []error
	collected, row := 0, 0
	a.setWaiting("")
	for _, h := range hours {
		if !a.due(h) || len(failures) >= maxBad {
			break
		}
		if report.Behind = collected == most; report.Behind {
			break
		}
		report.Hours++
		err := a.seal(ctx, h, report)
		if err == nil {
			collected, row = collected+1, 0
			sealed()
			continue
		}
		if errors.Is(err, stackapi.ErrNotReady) {
			report.NotReady = true
			a.setWaiting(err.Error())
			a.Log.InfoContext(ctx, "the stack does not tell the hour yet", slog.String("hour", h.String()), slog.String("answer", err.Error()))
			break
		}
		failures = append(failures, fmt.Errorf("hour %s: %w", h, err))
		answer := (*stackapi.Error)(nil)
		if !errors.As(err, &answer) || ctx.Err() != nil {
			break
		}
		if row++; answer.OfTheAnswer() {
			row = 0
		}
		if row >= maxFailures || row > 0 && !answer.OfTheHour() {
			break
		}
	}
	return join(failures)
}

// join keeps an error readable where many failed for one reason.
func join(failures []error) error {
	if more := len(failures) - maxFailures; more > 0 {
		failures = append(failures[:maxFailures:maxFailures], fmt.Errorf("and %d more", more))
	}
	return errors.Join(failures...)
}

// due says whether an hour may be asked for.
func (a *Agent) due(h usage.Hour) bool { return !a.Now().Before(h.End().Add(a.Settings.delay())) }

func (a *Agent) collectLoop(ctx context.Context, sealed chan<- struct{}) {
	failures := 0
	for {
		var report Report
		err := a.round(ctx, &report, func() {
			select {
			case sealed <- struct{}{}:
			default: // it has not looked since the last one
			}
		})
		if ctx.Err() != nil {
			return
		}
		a.ended(ctx, metrics.StepCollect, err)
		var wait time.Duration
		if failures++; err != nil || report.NotReady {
			wait = a.backoff(failures, err)
		} else {
			failures = 0
			wait = a.untilNext(report)
		}
		if err != nil {
			a.Log.ErrorContext(ctx, "hours cannot be collected", slog.String("error", err.Error()), slog.Duration("nextTry", wait))
		}
		a.setNextRound(a.Now().Add(wait))
		a.publish(ctx)
		if !rest(ctx, wait, nil) {
			return
		}
	}
}

// rest waits, or less if it is woken, and reports whether ctx goes on.
func rest(ctx context.Context, d time.Duration, wake <-chan struct{}) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
	case <-wake:
	}
	return true
}

// untilNext is the wait after a round that went well.
func (a *Agent) untilNext(report Report) time.Duration {
	if report.Behind {
		return a.Settings.pause()
	}
	wait := a.Settings.interval()
	if next, err := a.Spool.Gaps(a.Settings.First, 1); err == nil {
		wait = min(wait, max(0, next[0].End().Add(a.Settings.delay()).Sub(a.Now())))
	}
	return wait + rand.N(a.Settings.jitter()+1)
}

// backoff is the wait after the n-th failure in a row: doubled for each one, less
// up to half by chance, and never less than the stack asked for.
func (a *Agent) backoff(n int, err error) time.Duration {
	d, most := a.Settings.pause(), a.Settings.interval()
	for i := 1; i < n && d < most; i++ {
		d *= 2
	}
	d = min(d, most)
	d -= rand.N(d/2 + 1)
	if answer := (*stackapi.Error)(nil); errors.As(err, &answer) {
		d = max(d, min(answer.RetryAfter, most))
	}
	return d
}
