package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stackusage/functions"
	"stackusage/shared/invoke"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
)

// sweep looks at what is open and sends it on its way: days that may close,
// batches without a final answer, landed blobs without a verdict. It is what
// makes a lost message harmless. It also empties the poison queues into table
// FailedMessages, where an operator sees them. One part failing does not keep
// the others from running.
func (a *App) sweep(ctx context.Context, req invoke.Request) error {
	r := a.newResending(lastRun(req))
	turns, landedErr := a.sweepLanded(ctx, r)
	err := errors.Join(a.sweepPoison(ctx), landedErr, a.sweepOpen(ctx, r))
	if flushErr := r.flush(ctx); flushErr != nil || r.cut(queue.Landed) {
		return errors.Join(err, flushErr) // what was found is not announced: the turns come again
	}
	for _, done := range turns {
		err = errors.Join(err, a.Ledger.PutSweeps(ctx, done.cloudID, done.began, done.turns...))
	}
	return err
}

func (a *App) sweepPoison(ctx context.Context) error {
	all, err := functions.All()
	if err != nil {
		return err
	}
	var errs []error
	for _, f := range all {
		name := f.Trigger().QueueName
		if name == "" {
			continue
		}
		errs = append(errs, a.Queues.Drain(ctx, queue.Poison(name), func(text string) error {
			a.log(ctx).ErrorContext(ctx, "message failed for good", slog.String("queue", name))
			return a.Ledger.PutFailed(ctx, ledger.FailedMessage{
				Queue: name, Text: text, LastSeen: a.Now(),
				Reason: fmt.Sprintf("%s gave up on it or could not read it; its logs say why", f.Name),
			})
		}))
	}
	return errors.Join(errs...)
}

// sweepOpen goes through the open days and the revisions with answers
// outstanding. It reads what is open, not the past.
func (a *App) sweepOpen(ctx context.Context, r *resending) error {
	marks, err := a.Ledger.OpenMarks(ctx)
	if err != nil {
		return err
	}
	books := map[string]registration.Book{}
	var errs []error
	for _, m := range marks {
		book, ok := books[m.CloudID]
		if !ok {
			if book, err = a.Registrations.Book(ctx, m.CloudID); err != nil {
				errs = append(errs, err)
				continue
			}
			books[m.CloudID] = book
		}
		if m.Revision > 0 {
			errs = append(errs, a.sweepBatches(ctx, r, m))
		} else if len(book.Registrations) > 0 {
			errs = append(errs, a.sweepDay(ctx, r, m, book))
		}
	}
	return errors.Join(errs...)
}

func (a *App) sweepDay(ctx context.Context, r *resending, m ledger.OpenMark, book registration.Book) error {
	missing, err := a.missing(ctx, m.Day, book)
	if err != nil {
		return err
	}
	last, asked, err := a.Ledger.Asked(ctx, m)
	if err != nil {
		return err
	}
	if last != nil && m.DeclinedIn(*last) {
		a.logDeclined(ctx, m)
	}
	// The mark's first landing stands for that of the day's inputs, which CloseDay
	// reads: of inputs that do not count it may be earlier, never later.
	switch {
	case last == nil:
		err = a.due(book, m.Day, missing, m.Since)
	case asked: // an operator does not wait for hours
	case m.OnlyDeclined(*last):
		if repeat, err := a.repeats(ctx, m.CloudID, m.Day, *last, m.DeclinedSince); !repeat || err != nil {
			return err
		}
	default:
		err = a.dueAgain(m.CloudID, m.Day, *last, missing)
	}
	if err == nil { // else: not yet
		r.send(queue.Days, queue.DayMessage(m.CloudID, m.Day))
		if deadline := a.deadline(book, m.Day, m.Since); last == nil && a.Now().After(deadline.Add(overdueAfter)) {
			a.log(ctx).WarnContext(ctx, "day overdue", slog.String("cloudId", m.CloudID), slog.String("usageDay", m.Day.String()),
				slog.Time("deadline", deadline))
		}
	}
	return nil
}

func (a *App) sweepBatches(ctx context.Context, r *resending, m ledger.OpenMark) error {
	ids, batches, err := a.Ledger.Batches(ctx, m.CloudID, m.Day, m.Revision)
	if err != nil {
		return err
	}
	unanswered := 0
	for i, id := range ids {
		if batches[i].State == ledger.BatchAnswered {
			continue
		}
		unanswered++
		due := m.Since
		if batches[i].NotBefore.After(due) {
			due = batches[i].NotBefore
		}
		if a.Now().Before(due.Add(a.Settings.SweepGrace)) {
			r.wait(queue.Batches)
		} else {
			r.send(queue.Batches, queue.BatchMessage(id))
		}
	}
	if unanswered > 0 {
		return nil
	}
	_, err = a.Ledger.FinishRevision(ctx, m, batches, a.Now())
	return err
}

// overdueAfter is how long after its deadline a day that is still not stated is
// called overdue: CloseDay had many messages for it by then.
const overdueAfter = 2 * time.Hour
