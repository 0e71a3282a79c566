package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"stackusage/agent/memory"
	"stackusage/agent/metrics"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

var errNoFirst = errors.New("the first hour to collect is not set")

// Run is the service: it collects each hour once it is due, catches up after
// downtime, and uploads whatever is sealed, until ctx ends. What fails is logged,
// counted, told by Status, and tried again; it ends with an error only if it
// cannot begin.
func (a *Agent) Run(ctx context.Context) error {
	if a.Settings.First <= 0 {
		return errNoFirst
	}
	a.prepare(ctx)
	sealed := make(chan struct{}, 1)
	var both sync.WaitGroup
	both.Go(func() { a.uploadLoop(ctx, sealed) })
	both.Go(func() { a.collectLoop(ctx, sealed) })
	both.Go(func() { a.beatLoop(ctx) })
	both.Wait()
	a.setNextRound(time.Time{})
	a.publish(context.WithoutCancel(ctx))
	return nil
}

// Once is one round: it uploads the backlog, collects what is due, at most
// Settings.MaxCatchUp hours, and uploads that. Neither half waits for the other to
// succeed. That the stack does not tell an hour yet is no error.
func (a *Agent) Once(ctx context.Context) (Report, error) {
	var report Report
	if a.Settings.First <= 0 {
		return report, errNoFirst
	}
	a.prepare(ctx)
	var notUploaded []error
	var uploadErr error // all of them
	upload := func() {
		err := a.uploadBacklog(ctx, &report)
		if errors.Is(uploadErr, ErrStorage) {
			notUploaded = nil // all that failed was tried again
		}
		if err != nil {
			notUploaded = append(notUploaded, err)
		}
		uploadErr = errors.Join(notUploaded...)
	}
	upload()
	failed, away := a.round(ctx, &report, func() {
		if uploadErr == nil || errors.Is(uploadErr, ErrRejected) && !errors.Is(uploadErr, ErrStorage) {
			upload() // at once, so that catching up does not fill the spool
		}
	})
	if uploadErr != nil && report.Collected > 0 {
		upload()
	}
	a.ended(ctx, metrics.StepCollect, away)
	a.ended(ctx, metrics.StepUpload, status.Join(notUploaded))
	a.publish(ctx)
	if !errors.Is(uploadErr, ErrStorage) {
		a.beat(ctx)
	}
	return report, errors.Join(status.Join(failed), away, status.Join(notUploaded))
}

// maxRow is after how many hours in a row that fail a round ends: a stack that
// answers nothing is not asked for each of a month. The next round begins with those
// that have not failed yet.
const maxRow = 3

// ofTheStack tells an error that another hour would end in as well: of the
// connection, the sign-in, this disk.
func ofTheStack(err error) bool {
	answer := (*stackapi.Error)(nil)
	return !errors.As(err, &answer) || answer.OfTheStack()
}

// round collects the oldest hours that are missing and due: first those that have
// not failed, then those that are to be tried again. failed is what went wrong with
// hours, away what would with any other, which ends the round.
func (a *Agent) round(ctx context.Context, report *Report, sealed func()) (failed []error, away error) {
	defer a.memory.Keep(ctx, true)
	most := a.Settings.MaxCatchUp
	hours, err := a.gaps(most + 1)
	if err != nil {
		return nil, err
	}
	hours = slices.DeleteFunc(hours, func(h usage.Hour) bool { return !a.due(h) })
	collected, row := 0, 0
	var suspect suspicion
	blame := func(h usage.Hour, err error) {
		if failure := a.hourFailed(ctx, h, err); failure != nil {
			failed = append(failed, failure)
			a.Metrics.Failed(metrics.StepCollect)
		} else {
			report.NotReady = true
		}
	}
	for i := 0; i < len(hours); i++ {
		h := hours[i]
		if report.Behind = collected >= most || row >= maxRow; report.Behind {
			return failed, nil
		}
		report.Hours++
		err := a.seal(ctx, h, report)
		if err == nil {
			collected, row = collected+1, 0
			suspect.confirm()
			sealed()
			continue
		}
		answer := (*stackapi.Error)(nil)
		refused := errors.As(err, &answer) && answer.Denied()
		if ctx.Err() == nil && refused && collected == 0 {
			raised := false
			if hours, raised = raise(&suspect, hours, i, func() { blame(h, err) }); raised {
				continue
			}
		}
		if ctx.Err() != nil || ofTheStack(err) && (collected == 0 || !refused) {
			return failed, fmt.Errorf("hour %s: %w", h, err)
		}
		row++
		blame(h, err)
	}
	// Where hours have failed, there may be more than were looked at.
	next, err := a.gaps(1)
	if report.Behind = err == nil && len(next) > 0 && a.due(next[0]); report.Behind || err != nil {
		return failed, err
	}
	return failed, a.checkHours(ctx, most-collected, report)
}

// gaps are the hours to collect next: the oldest n that have not failed, and all
// that are to be tried again.
func (a *Agent) gaps(n int) ([]usage.Hour, error) {
	hours, err := a.Spool.Gaps(a.Settings.First, n+len(a.memory.Hours.All()))
	if err != nil {
		return nil, err
	}
	return memory.Fresh(a.memory.Hours, hours, func(h usage.Hour) usage.Hour { return h }), nil
}

// due says whether an hour may be asked for.
func (a *Agent) due(h usage.Hour) bool {
	return !a.Now().Before(a.Settings.Due(h)) && (a.Settings.Until == 0 || h < a.Settings.Until)
}

func (a *Agent) collectLoop(ctx context.Context, sealed chan<- struct{}) {
	failures := 0
	for {
		var report Report
		_, away := a.round(ctx, &report, func() {
			select {
			case sealed <- struct{}{}:
			default: // it has not looked since the last one
			}
		})
		if ctx.Err() != nil {
			return
		}
		a.ended(ctx, metrics.StepCollect, away)
		wait := a.untilNext(report)
		if failures++; away == nil {
			failures = 0
		} else {
			wait = a.Settings.again(failures, 0, 0)
			a.Log.ErrorContext(ctx, "hours not collected", slog.String("error", away.Error()), slog.Duration("nextTry", wait))
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

// untilNext is the wait after a round that could ask.
func (a *Agent) untilNext(report Report) time.Duration {
	if report.Behind {
		return pause
	}
	now := a.Now()
	_, next := a.memory.ChecksDue()
	next = memory.Soonest(next, a.memory.Hours.NextTry())
	if hours, err := a.gaps(1); err == nil && len(hours) > 0 {
		next = memory.Soonest(next, a.Settings.Due(hours[0]))
	}
	wait := a.Settings.Interval
	if !next.IsZero() {
		wait = max(0, min(wait, next.Sub(now)))
	}
	return wait + rand.N(a.Settings.Jitter+1)
}
