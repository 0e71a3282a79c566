package forward

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"time"

	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/telemetry"
)

// Bounds of the delay between two tries: of the backoff, and of what commerce
// asks for, which may be a mistake of its own.
const (
	maxBackoff    = time.Hour
	maxRetryAfter = 24 * time.Hour
)

// putBackLimit is the time to put a batch back in, also when the invocation's
// own has run out while commerce had the batch.
const putBackLimit = time.Minute

// putBack notes why a batch could not be sent and sends its message again,
// later: after Retry-After, else with exponential backoff and jitter.
func (f *Forwarder) putBack(ctx context.Context, s *sending, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackLimit)
	defer cancel()
	batch, id := s.batch, s.id
	delay := min(min(f.Retry, maxBackoff)<<min(batch.Tries-1, 12), maxBackoff)
	delay = delay/2 + rand.N(delay/2+1)
	level, kind := slog.LevelWarn, ""
	if failure := failureOf(cause); failure != nil {
		kind = string(failure.Kind)
		if failure.RetryAfter > 0 {
			delay = min(failure.RetryAfter, maxRetryAfter)
		}
		switch failure.Kind {
		case Credentials, Declined:
			level = slog.LevelError
		case Endpoint:
			level = slog.LevelError
			batch.Unknowns++
		case Unreadable:
			if batch.Unread >= outbox.UnreadTries {
				level = slog.LevelError
			}
			batch.Unknowns++
		case Unknown:
			batch.Unknowns++
		}
	}
	if s.silent {
		batch.SettleFrom = batch.NoResponseAt.Add(f.SendLimit + time.Second)
	}
	if wait := batch.SettleFrom.Sub(f.Now()); wait > 0 {
		delay = wait
	} else if errors.Is(cause, errOnItsWay) {
		delay = f.onItsWay(s)
	}
	batch.Partial = batch.Partial || len(s.outcomes) > 0
	batch.LeasedUntil, batch.LeasedBy = time.Time{}, ""
	batch.State, batch.NotBefore, batch.LastResponse = outbox.Waiting, f.Now().Add(delay), cause.Error()
	if s.again {
		batch.NotBefore = time.Time{}
	}
	if err := f.updateBatch(ctx, s, batch); err != nil {
		return err
	}
	// A queue counts whole seconds; the message must not come before its time.
	if err := f.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(id), delay.Truncate(time.Second)+2*time.Second); err != nil {
		return err
	}
	telemetry.Logger(ctx).Log(ctx, level, "batch waits", slog.String("batch", id.String()), slog.String("kind", kind), slog.String("cause", cause.Error()),
		slog.Duration("delay", delay), slog.Int64("tries", batch.Tries), slog.Int("outcomes", len(s.outcomes)), slog.Int("records", len(s.records)))
	return nil
}
