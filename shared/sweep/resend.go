package sweep

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"stackusage/shared/queue"
	"stackusage/shared/telemetry"
)

// resending collects what one run of Sweep finds open, and sends the messages
// that are due again. A message that waits behind others on its queue is not
// lost: a copy of each at every run would make a backlog grow by what ought to
// drain it. So a piece of work gets another message only if its queue holds fewer
// messages than there is work for it, or once an hour: copies that are hidden for
// long may stand for one that is lost. They end by themselves, since work that is
// done or not due lets its message go.
type resending struct {
	sweeper *Sweeper
	last    time.Time           // when Sweep last ran; zero if the host does not say
	open    map[string]int      // by queue: pieces of work that have a message, if none is lost
	due     map[string][]string // by queue: messages of which it is time
}

// maxResent bounds what one run sends to a queue, and keeps in memory. What is
// beyond it the next run finds.
const maxResent = 10_000

func (sw *Sweeper) newResending(last time.Time) *resending {
	return &resending{sweeper: sw, last: last, open: map[string]int{}, due: map[string][]string{}}
}

// wait counts a piece of work whose message may still be on its way.
func (r *resending) wait(queue string) { r.open[queue]++ }

// send counts a piece of work whose message should have come by now.
func (r *resending) send(queue, text string) {
	r.open[queue]++
	if len(r.due[queue]) < maxResent {
		r.due[queue] = append(r.due[queue], text)
	}
}

// cut reports whether more was found for a queue than one run sends.
func (r *resending) cut(queue string) bool { return len(r.due[queue]) == maxResent }

// failedRest is how long a message that failed for good is left alone before
// Sweep sends it once more.
const failedRest = 6 * time.Hour

// flush sends what is due.
func (r *resending) flush(ctx context.Context) error {
	var errs []error
	for _, queue := range slices.Sorted(maps.Keys(r.due)) {
		errs = append(errs, r.flushQueue(ctx, queue, r.due[queue]))
	}
	return errors.Join(errs...)
}

// resentAnyway is how often work that is overdue gets a message however many
// its queue holds.
const resentAnyway = time.Hour

func (r *resending) flushQueue(ctx context.Context, name string, texts []string) error {
	sw := r.sweeper
	depth, err := sw.Queues.Depth(ctx, name)
	if err != nil {
		return err
	}
	open := int64(r.open[name])
	if depth >= open {
		waiting := len(texts)
		texts = r.itsTurn(texts)
		telemetry.Logger(ctx).InfoContext(ctx, "messages wait on their name", slog.String("queue", name), slog.Int64("messages", depth),
			slog.Int64("open", open), slog.Int("overdue", waiting), slog.Int("sentAnyway", len(texts)))
	}
	var again []string
	for _, text := range texts {
		failed, err := queue.Failed(ctx, sw.Tables, name, text)
		if err != nil {
			return err
		}
		switch {
		case failed.Times == 0:
			again = append(again, text)
			continue
		case sw.Now().Sub(failed.Tried()) >= failedRest:
			if err := r.enqueue(ctx, name, text); err != nil {
				return err
			}
			if err := queue.NoteResent(ctx, sw.Tables, failed, sw.Now()); err != nil {
				return err
			}
		}
		open-- // it waits in FailedMessages, or was sent just now
	}
	if depth >= open {
		again = r.itsTurn(again)
	}
	for _, text := range again {
		if err := r.enqueue(ctx, name, text); err != nil {
			return err
		}
	}
	return nil
}

// itsTurn are the messages of which the moment of the hour has come.
func (r *resending) itsTurn(texts []string) []string {
	if r.last.IsZero() {
		return nil
	}
	now := r.sweeper.Now()
	return slices.DeleteFunc(slices.Clone(texts), func(text string) bool { return !turn(text, r.last, now, resentAnyway) })
}

func (r *resending) enqueue(ctx context.Context, queue, text string) error {
	telemetry.Logger(ctx).InfoContext(ctx, "message sent again", slog.String("queue", queue), slog.String("text", text))
	return r.sweeper.Queues.Enqueue(ctx, queue, text, 0)
}
