package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/shared/landing"
)

// maxFailures is after how many files in a row that cannot be dropped the others
// wait for the next try: one bad file must not hold up the rest, and a storage
// that is away must not be asked for each of a thousand. Files that this disk does
// not give away cost storage nothing and are passed over, however many.
const maxFailures = 3

// withheld is the error of a file that this disk does not give away.
type withheld struct{ error }

func (e withheld) Unwrap() error { return e.error }

// dropBacklog drops what is sealed, oldest first, and deletes what was sent long
// enough ago.
func (a *Agent) dropBacklog(ctx context.Context, report *Report) error {
	err := a.dropSealed(ctx, report)
	before := time.Now().Add(-a.Settings.keepSent()) // the clock of the files, not a.Now
	pruned, pruneErr := a.Spool.Prune(before)
	a.Metrics.Pruned.Add(float64(pruned))
	return errors.Join(err, pruneErr)
}

func (a *Agent) dropSealed(ctx context.Context, report *Report) error {
	entries, err := a.Spool.Sealed()
	if err != nil {
		return err
	}
	var failures []error
	row := 0
	for _, e := range entries {
		err := a.drop(ctx, e, report)
		torn := (*spool.DamagedError)(nil)
		switch {
		case err == nil:
			row = 0
			continue
		case errors.As(err, &torn):
			continue // logged; its hour is collected again
		}
		failures = append(failures, err)
		if !errors.As(err, new(withheld)) {
			row++
		}
		if row >= maxFailures || ctx.Err() != nil {
			break
		}
	}
	return join(failures)
}

// drop drops one sealed file.
func (a *Agent) drop(ctx context.Context, e spool.Entry, report *Report) error {
	name := landing.Name{CloudID: a.Stamp.CloudID, Hour: e.Hour, SHA16: e.SHA16}
	if _, err := landing.ParseName(name.Container(), name.Blob()); err != nil {
		return err
	}
	body, err := a.Spool.Read(e.Name())
	if torn := (*spool.DamagedError)(nil); errors.As(err, &torn) {
		report.Damaged++
		a.Metrics.Damaged.Inc()
		a.Log.ErrorContext(ctx, "a sealed hour is damaged; it is collected again if nothing else is there of it",
			slog.String("hour", e.Hour.String()), slog.String("error", err.Error()))
	}
	if err != nil {
		return withheld{err}
	}
	err = a.Drop.Put(ctx, name, body)
	body.Close() // here, as an open file cannot be moved on Windows
	if err != nil {
		return err
	}
	if err := a.Spool.MarkSent(e.Name()); err != nil {
		return fmt.Errorf("%s is dropped, and will be found there again: %w", name, err)
	}
	report.Dropped++
	a.dropped(e.Hour)
	a.Log.InfoContext(ctx, "hour dropped", slog.String("blob", name.String()))
	return nil
}

// dropLoop drops the backlog at the start, whenever an hour is sealed, and again
// after a failure, until ctx ends.
func (a *Agent) dropLoop(ctx context.Context, sealed <-chan struct{}) {
	failures := 0
	for {
		var report Report
		err := a.dropBacklog(ctx, &report)
		if ctx.Err() != nil {
			return
		}
		wait := a.Settings.interval() // for what is to be deleted
		a.ended(ctx, metrics.StepDrop, err)
		if failures++; err == nil {
			failures = 0
		} else {
			wait = a.backoff(failures, err)
			a.Log.ErrorContext(ctx, "hours cannot be dropped; they stay in the spool", slog.String("error", err.Error()), slog.Duration("nextTry", wait))
		}
		a.publish(ctx)
		// While storage is away new hours do not hasten the next try.
		wake := sealed
		if err != nil {
			wake = nil
		}
		if !rest(ctx, wait, wake) {
			return
		}
	}
}
