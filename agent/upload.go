package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"stackusage/agent/memory"
	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/agent/status"
	"stackusage/shared/landing"
)

// What an error of Storage means for other files.
var (
	ErrStorage  = errors.New("no file can be stored")                      // the connection, the sign-in, the account
	ErrAccount  = fmt.Errorf("storage rejects this agent: %w", ErrStorage) // or so it seems, by its answer
	ErrRejected = errors.New("storage does not accept the file")           // it answered
	ErrForGood  = fmt.Errorf("storage rejects this file: %w", ErrRejected) // and will do so again
)

// maxAnswers is after how many files in a row that storage does not take a round
// ends: a storage that is out of order is not asked for each of a thousand. One that
// gives no answer counts for four, one that refuses a file for what it is for none.
// The next round begins with files that have not failed.
const maxAnswers = 12

// rejections is after how many rejections of the file itself a file is set aside.
const rejections = 3

// offerEvery is how often a file that was set aside is offered again.
const offerEvery = 24 * time.Hour

// withheld is the error of a file that this disk does not give away.
type withheld struct{ error }

func (e withheld) Unwrap() error { return e.error }

// uploadBacklog uploads what is sealed, oldest first, and deletes what was sent long
// enough ago.
func (a *Agent) uploadBacklog(ctx context.Context, report *Report) error {
	var err error
	if a.Storage != nil {
		err = a.uploadSealed(ctx, report)
	}
	before := time.Now().Add(-a.Settings.KeepSent) // the clock of the files, not a.Now
	pruned, pruneErr := a.Spool.Prune(before)
	a.Metrics.Pruned.Add(float64(pruned))
	return errors.Join(err, pruneErr)
}

// uploadSealed uploads what is sealed: first the files that have not failed, oldest
// first, then those that are to be tried again. Its error is of all that failed, or
// the one that ended it.
func (a *Agent) uploadSealed(ctx context.Context, report *Report) error {
	entries, err := a.Spool.Sealed()
	if err != nil {
		return err
	}
	rejected, err := a.rejectedDue()
	if err != nil {
		return err
	}
	todo := append(memory.Fresh(a.memory.Files, entries, spool.Entry.Name), rejected...)
	var failures []error
	var suspect suspicion
	row, takes := 0, false
	for i := 0; i < len(todo); i++ {
		e := todo[i]
		err := a.upload(ctx, e, report)
		torn := errors.As(err, new(*spool.DamagedError)) // that was logged; its hour is collected again
		switch {
		case err == nil || torn:
			a.memory.Files.Fixed(ctx, e.Name())
			row, takes = 0, takes || !torn
			if takes {
				suspect.confirm()
			}
			continue
		case errors.Is(err, ErrAccount) && takes:
			err = fmt.Errorf("%w: %v", ErrRejected, err) // for this very file: the account takes others
		case errors.Is(err, ErrAccount) && ctx.Err() == nil:
			raised := false
			if todo, raised = raise(&suspect, todo, i, func() { failures = append(failures, a.fileFailed(ctx, e, fmt.Errorf("%w: %v", ErrRejected, err))) }); raised {
				continue
			}
		}
		if ctx.Err() != nil || errors.Is(err, ErrStorage) {
			return status.Join(slices.Insert(failures, 0, err)) // first: it is what the others wait for
		}
		failures = append(failures, a.fileFailed(ctx, e, err))
		switch {
		case errors.Is(err, ErrForGood), errors.As(err, new(withheld)):
		case errors.Is(err, ErrRejected):
			row++
		default:
			row += 4
		}
		if row >= maxAnswers {
			break
		}
	}
	return status.Join(failures)
}

// rejectedDue are the files set aside that are to be offered again.
func (a *Agent) rejectedDue() ([]spool.Entry, error) {
	entries, err := a.Spool.Rejected()
	all := !a.offered
	a.offered = true
	return slices.DeleteFunc(entries, func(e spool.Entry) bool {
		return !all && time.Since(e.Since) < offerEvery // the clock of the files, not a.Now
	}), err
}

// fileFailed notes that a file was not uploaded. One that storage rejects for what it
// is, again and again, is set aside.
func (a *Agent) fileFailed(ctx context.Context, e spool.Entry, err error) error {
	t := a.memory.Files.Failed(ctx, e.Name(), err, false)
	if errors.Is(err, ErrForGood) && t.Tries >= rejections {
		if moved := a.Spool.MarkRejected(e.Name()); moved != nil {
			return errors.Join(err, moved)
		}
		a.Metrics.FilesRejected.Inc()
		a.Log.ErrorContext(ctx, "hour rejected by storage and set aside; it is offered again once a day",
			slog.String("hour", e.Hour.String()), slog.String("file", e.Name()), slog.String("error", err.Error()))
		return err
	}
	a.Log.WarnContext(ctx, "hour not uploaded, others continue", slog.String("hour", e.Hour.String()),
		slog.String("error", err.Error()), slog.Int("tries", t.Tries), slog.Time("nextTry", t.Next))
	return err
}

// upload uploads one sealed file.
func (a *Agent) upload(ctx context.Context, e spool.Entry, report *Report) error {
	name := landing.Name{CloudID: a.Stack.CloudID, Hour: e.Hour, SHA16: e.SHA16}
	if _, err := landing.ParseName(name.Container(), name.Blob()); err != nil {
		return err
	}
	body, err := a.Spool.Read(e.Name())
	if torn := (*spool.DamagedError)(nil); errors.As(err, &torn) {
		report.Damaged++
		a.Metrics.Damaged.Inc()
		a.Log.ErrorContext(ctx, "sealed hour damaged; it is collected again unless another file of it exists",
			slog.String("hour", e.Hour.String()), slog.String("error", err.Error()))
	}
	if err != nil {
		return withheld{err}
	}
	err = a.Storage.Put(ctx, name, body)
	body.Close() // here, as an open file cannot be moved on Windows
	if err != nil {
		return err
	}
	if err := a.Spool.MarkSent(e.Name()); err != nil {
		return fmt.Errorf("%s is uploaded, and will be found there again: %w", name, err)
	}
	report.Uploaded++
	a.uploaded(e.Hour)
	a.Log.InfoContext(ctx, "hour uploaded", slog.String("blob", name.String()))
	return nil
}

// uploadLoop uploads the backlog at the start, whenever an hour is sealed, and again
// after a failure, until ctx ends.
func (a *Agent) uploadLoop(ctx context.Context, sealed <-chan struct{}) {
	failures := 0
	for {
		var report Report
		err := a.uploadBacklog(ctx, &report)
		if ctx.Err() != nil {
			return
		}
		wait, wake := a.Settings.Interval, sealed // for what is to be deleted
		a.ended(ctx, metrics.StepUpload, err)
		if failures++; err == nil {
			failures = 0
		} else {
			wait = a.Settings.again(failures, 0, 0)
			a.Log.ErrorContext(ctx, "hours not uploaded; they stay in the spool", slog.String("error", err.Error()), slog.Duration("nextTry", wait))
		}
		if next := a.memory.Files.NextTry(); err == nil && !next.IsZero() {
			wait = min(wait, max(pause, next.Sub(a.Now())))
		}
		if errors.Is(err, ErrStorage) {
			wake = nil // while storage is away new hours do not hasten the next try
		}
		a.publish(ctx)
		if !rest(ctx, wait, wake) {
			return
		}
	}
}
