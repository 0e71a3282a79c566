// Package sweep finds what is open, whatever was lost: it is what makes a lost message
// harmless. It writes nothing that anything else depends on but messages:
//
//	usage-landed     blobs without a verdict, or with one that may change now
//	usage-days       days that are due
//	usage-batches    batches without a final outcome
//	OpenDays         requests for days that a change of the registration reaches
//	FailedMessages   what the host gave up on, from the poison queues
//	Sweeps           the turns that are done and the end of the run, last: what was not
//	                 announced is found again
package sweep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stackusage/functions"
	"stackusage/shared/calendar"
	"stackusage/shared/closing"
	"stackusage/shared/daybook"
	"stackusage/shared/ingest"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

// Queues carries names between functions. Drain deletes a message once take has
// returned nil for it.
type Queues interface {
	queue.Sender
	Depth(ctx context.Context, queue string) (int64, error)
	Drain(ctx context.Context, queue string, take func(text string) error) error
}

// Landing lists what the stacks dropped.
type Landing interface {
	Containers(ctx context.Context, prefix string) ([]string, error)
	ListPrefix(ctx context.Context, container, prefix string, each func(name string, storedAt time.Time) error) error
}

// Sweeper finds what is open. All fields are set before its first use.
type Sweeper struct {
	Tables        table.Store
	Landing       Landing
	Queues        Queues
	Registrations registration.Store
	Ingester      ingest.Ingester // which verdicts may change
	Closer        *closing.Closer // when days are due
	Now           func() time.Time
	Grace         time.Duration // how long a message may be on its way before another is sent
	Lookback      time.Duration // reported hours that each run compares with what landed; older ones once a day
	Version       string        // of the app
}

// Sweep looks at what is open and sends it on its way: days that may close, batches
// without a final outcome, landed blobs without a verdict. It also empties the poison
// queues into table FailedMessages, where an operator sees them. One part failing does
// not keep the others from running. last is when it ran before, as the host remembers
// it; the zero time if the host does not say. It decides which messages of the hour are
// sent again, and nothing that must not be lost: the host remembers a run that failed,
// too.
func (sw *Sweeper) Sweep(ctx context.Context, last time.Time) error {
	if err := sw.sweep(ctx, last); err != nil {
		return err
	}
	if err := PutRun(ctx, sw.Tables, Run{At: sw.Now(), Version: sw.Version}); err != nil {
		return err
	}
	telemetry.Logger(ctx).InfoContext(ctx, "sweep ended") // an alert rule misses it
	return nil
}

func (sw *Sweeper) sweep(ctx context.Context, last time.Time) error {
	r := sw.newResending(last)
	turns, landedErr := sw.sweepLanded(ctx, r)
	err := errors.Join(sw.sweepPoison(ctx), landedErr, sw.sweepOpen(ctx, r))
	if flushErr := r.flush(ctx); flushErr != nil || r.cut(queue.Landed) {
		return errors.Join(err, flushErr) // what was found is not announced: the turns come again
	}
	for _, done := range turns {
		err = errors.Join(err, PutTurns(ctx, sw.Tables, done.cloudID, done.began, done.turns...))
	}
	return err
}

// sweepSilent logs which stacks are silent against their calendar: alert rules look for
// the lines. newest is the last accepted hour that the run has seen of each stack with a
// container.
func (sw *Sweeper) sweepSilent(ctx context.Context, newest map[string]usage.Hour) error {
	histories, err := sw.Registrations.Histories(ctx)
	if err != nil {
		return err
	}
	now := sw.Now()
	for _, history := range histories {
		var last *usage.Hour
		if h, seen := newest[history.CloudID]; seen {
			last = &h
		}
		if !history.Watched(now) || calendar.Silence(history, last, nil, now) == nil {
			continue
		}
		accepted, err := calendar.Accepted(ctx, sw.Tables, history.CloudID)
		if err != nil {
			return err
		}
		if silent := calendar.Silence(history, last, accepted, now); silent != nil {
			telemetry.Logger(ctx).WarnContext(ctx, "stack silent", slog.String("cloudId", history.CloudID), slog.String("registration", history.Name()),
				slog.String("since", silent.First.String()))
		}
	}
	return nil
}

func (sw *Sweeper) sweepPoison(ctx context.Context) error {
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
		errs = append(errs, sw.Queues.Drain(ctx, queue.Poison(name), func(text string) error {
			telemetry.Logger(ctx).ErrorContext(ctx, "message failed for good", slog.String("queue", name))
			return queue.PutFailed(ctx, sw.Tables, queue.FailedMessage{
				Queue: name, Text: text, LastSeen: sw.Now(),
				Reason: fmt.Sprintf("%s gave up on it or could not read it; its logs say why", f.Name),
			})
		}))
	}
	return errors.Join(errs...)
}

// sweepOpen goes through the open days and the revisions with answers
// outstanding. It reads what is open, not the past.
func (sw *Sweeper) sweepOpen(ctx context.Context, r *resending) error {
	marks, err := openday.List(ctx, sw.Tables)
	if err != nil {
		return err
	}
	histories := map[string]registration.History{}
	var errs []error
	for _, m := range marks {
		history, ok := histories[m.CloudID]
		if !ok {
			if history, err = sw.Registrations.History(ctx, m.CloudID); err != nil {
				errs = append(errs, err)
				continue
			}
			histories[m.CloudID] = history
		}
		if m.Revision > 0 {
			errs = append(errs, sw.sweepBatches(ctx, r, m))
		} else if len(history.Registrations) > 0 {
			errs = append(errs, sw.sweepDay(ctx, r, m, history))
		}
	}
	return errors.Join(errs...)
}

func (sw *Sweeper) sweepDay(ctx context.Context, r *resending, m openday.Entry, history registration.History) error {
	s, err := sw.Closer.Open(ctx, m, history)
	if err != nil {
		return err
	}
	if s.Declined { // an alert rule looks for it
		telemetry.Logger(ctx).WarnContext(ctx, "day declined", slog.String("cloudId", m.CloudID), slog.String("usageDay", m.Day.String()),
			slog.Int64("revision", m.DeclinedRevision), slog.Int64("records", m.Declined), slog.Time("since", m.DeclinedSince))
	}
	err = sw.Closer.Due(ctx, s)
	if _, waits := errors.AsType[*closing.NotDue](err); err != nil {
		if waits {
			return nil
		}
		return err
	}
	r.send(queue.Days, queue.DayMessage(m.CloudID, m.Day))
	if sw.Closer.Rules.Overdue(s, sw.Now()) {
		telemetry.Logger(ctx).WarnContext(ctx, "day overdue", slog.String("cloudId", m.CloudID), slog.String("usageDay", m.Day.String()),
			slog.Time("deadline", sw.Closer.Rules.Deadline(s)))
	}
	return nil
}

func (sw *Sweeper) sweepBatches(ctx context.Context, r *resending, m openday.Entry) error {
	ids, batches, err := outbox.OfRevision(ctx, sw.Tables, m.CloudID, m.Day, m.Revision)
	if err != nil {
		return err
	}
	unanswered := 0
	for i, id := range ids {
		if batches[i].State == outbox.BatchDone {
			continue
		}
		unanswered++
		due := m.Since
		if batches[i].NotBefore.After(due) {
			due = batches[i].NotBefore
		}
		if sw.Now().Before(due.Add(sw.Grace)) {
			r.wait(queue.Batches)
		} else {
			r.send(queue.Batches, queue.BatchMessage(id))
		}
	}
	if unanswered > 0 {
		return nil
	}
	_, err = daybook.FinishRevision(ctx, sw.Tables, m, batches, sw.Now())
	return err
}
