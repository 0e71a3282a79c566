package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"stackusage/shared/commerce"
	"stackusage/shared/daily"
	"stackusage/shared/invoke"
	"stackusage/shared/ledger"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

// forwardBatch sends one batch to commerce, the same bytes on every try, and
// records the answers. When commerce cannot take it the message goes back to
// the queue with a delay and the host is told that all is well: dequeue counts
// are for crashes, so an outage of days poisons nothing.
func (a *App) forwardBatch(ctx context.Context, req invoke.Request) error {
	text, err := req.Text("message")
	if err != nil {
		return err
	}
	id, err := queue.ParseBatch(text)
	if err != nil {
		return err
	}
	batch, err := a.Ledger.Batch(ctx, id)
	if errors.Is(err, table.ErrNotFound) {
		return queue.Bad{Reason: err}
	}
	if err != nil {
		return err
	}
	if batch.State == ledger.BatchAnswered {
		return nil
	}
	if batch.State == ledger.BatchWaiting && a.Now().Before(batch.NotBefore) {
		return nil // another message of this batch comes when it is time
	}
	if wait := batch.ClaimedUntil.Sub(a.Now()); wait > 0 {
		// Another sender is at it, or died of it; then this message takes over. No
		// claim holds longer than an invocation: one that seems to is of a clock that
		// ran ahead, and must not hide the message for as long as that.
		wait = min(wait, a.Settings.InvocationLimit)
		return a.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(id), wait.Truncate(time.Second)+2*time.Second)
	}
	body, err := a.readBytes(ctx, batch.Blob, daily.MaxBatchBytes)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != batch.SHA256 {
		return fmt.Errorf("send batch %s: %s has other bytes than were committed", id, batch.Blob)
	}
	s, err := newSending(id, batch, body)
	if err != nil {
		return err
	}
	s.batch.Tries++
	defer a.release(ctx, s) // what has gone wrong, a panic included
	err = a.claim(ctx, s)
	if err == nil {
		err = a.sendBatch(ctx, s)
	}
	if errors.Is(err, table.ErrChanged) {
		err = nil // another sender has the batch, and a message of its own
	}
	s.claimed = s.claimed && err != nil
	return err
}

func (a *App) sendBatch(ctx context.Context, s *sending) error {
	cause, err := a.ask(ctx, s)
	if err != nil {
		return err
	}
	if cause != nil {
		return a.putBack(ctx, s, cause)
	}
	return a.finish(ctx, s)
}

// finish keeps the answers to a batch that has them all.
func (a *App) finish(ctx context.Context, s *sending) error {
	batch, id := s.batch, s.id
	receipt, err := receiptOf(id, s.records, s.answers)
	if err != nil {
		return err
	}
	if batch.Receipt, batch.ReceiptSHA256, err = a.putReceipt(ctx, id, receipt); err != nil {
		return err
	}
	batch.State, batch.LastAnswer, batch.NotBefore = ledger.BatchAnswered, "answered", time.Time{}
	batch.Unknowns, batch.Unread, batch.Partial, batch.RefusedSince, batch.ClaimedUntil, batch.ClaimedBy = 0, 0, false, time.Time{}, time.Time{}, ""
	batch.SettleFrom, batch.UnansweredAt = time.Time{}, time.Time{}
	tally(&batch, s.records, receipt)
	if err := a.updateBatch(ctx, s, batch); err != nil {
		return err
	}
	level := slog.LevelInfo
	if batch.Conflict+batch.Rejected+batch.Expired > 0 {
		level = slog.LevelError
	}
	a.log(ctx).Log(ctx, level, "batch answered", slog.String("batch", id.String()), slog.Int64("records", batch.Records),
		slog.Int64("accepted", batch.Accepted), slog.Int64("duplicate", batch.Duplicate), slog.Int64("conflict", batch.Conflict),
		slog.Int64("rejected", batch.Rejected), slog.Int64("expired", batch.Expired), slog.Int64("declined", batch.Declined), slog.Int64("tries", batch.Tries))
	return nil
}

// updateBatch notes the outcome. An operator who decided meanwhile changed the
// row: that must neither be undone nor leave the outcome unsaid. Another sender
// did if it took over after the claim had ended: then only a final outcome is
// worth saying, since what it notes of its own try is as true.
func (a *App) updateBatch(ctx context.Context, s *sending, b ledger.Batch) error {
	id := s.id
	err := a.Ledger.UpdateBatch(ctx, id, b)
	if !errors.Is(err, table.ErrChanged) {
		return err
	}
	now, err := a.Ledger.Batch(ctx, id)
	if err != nil {
		return err
	}
	if now.State == ledger.BatchAnswered || b.State != ledger.BatchAnswered && now.ClaimedBy != s.claim {
		return nil
	}
	if now.NotBefore.IsZero() { // it is to be tried at once
		b.NotBefore = time.Time{}
	}
	return a.Ledger.UpdateBatch(ctx, id, b.On(now))
}

// Bounds of the delay between two tries: of the backoff, and of what commerce
// asks for, which may be a mistake of its own.
const (
	maxBackoff    = time.Hour
	maxRetryAfter = 24 * time.Hour
)

// putBackLimit is the time to put a batch back in, also when the invocation's
// own has run out while commerce was asked.
const putBackLimit = time.Minute

// putBack notes why a batch could not be sent and sends its message again,
// later: after Retry-After, else with exponential backoff and jitter.
func (a *App) putBack(ctx context.Context, s *sending, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackLimit)
	defer cancel()
	batch, id := s.batch, s.id
	delay := min(min(a.Settings.ForwardRetry, maxBackoff)<<min(batch.Tries-1, 12), maxBackoff)
	delay = delay/2 + rand.N(delay/2+1)
	level, kind := slog.LevelWarn, ""
	if failure := failureOf(cause); failure != nil {
		kind = string(failure.Kind)
		if failure.RetryAfter > 0 {
			delay = min(failure.RetryAfter, maxRetryAfter)
		}
		switch failure.Kind {
		case commerce.Credentials, commerce.Refused:
			level = slog.LevelError
		case commerce.Endpoint:
			level = slog.LevelError
			batch.Unknowns++
		case commerce.Unreadable:
			if batch.Unread >= ledger.UnreadTries {
				level = slog.LevelError
			}
			batch.Unknowns++
		case commerce.Unknown:
			batch.Unknowns++
		}
	}
	if s.silent {
		batch.SettleFrom = batch.UnansweredAt.Add(a.Settings.SendLimit + time.Second)
	}
	if wait := batch.SettleFrom.Sub(a.Now()); wait > 0 {
		delay = wait
	} else if errors.Is(cause, errOnItsWay) {
		delay = a.onItsWay(s)
	}
	batch.Partial = batch.Partial || len(s.answers) > 0
	batch.ClaimedUntil, batch.ClaimedBy = time.Time{}, ""
	batch.State, batch.NotBefore, batch.LastAnswer = ledger.BatchWaiting, a.Now().Add(delay), cause.Error()
	if s.again {
		batch.NotBefore = time.Time{}
	}
	if err := a.updateBatch(ctx, s, batch); err != nil {
		return err
	}
	// A queue counts whole seconds; the message must not come before its time.
	if err := a.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(id), delay.Truncate(time.Second)+2*time.Second); err != nil {
		return err
	}
	a.log(ctx).Log(ctx, level, "batch waits", slog.String("batch", id.String()), slog.String("kind", kind), slog.String("cause", cause.Error()),
		slog.Duration("delay", delay), slog.Int64("tries", batch.Tries), slog.Int("answers", len(s.answers)), slog.Int("records", len(s.records)))
	return nil
}

// tally counts the answers to a batch.
func tally(b *ledger.Batch, records []daily.Record, receipt ledger.Receipt) {
	b.Accepted, b.Duplicate, b.Conflict, b.Rejected, b.Expired, b.Declined = 0, 0, 0, 0, 0, 0
	for i, a := range receipt.Answers {
		switch a.Status {
		case outcome.Accepted:
			b.Accepted++
		case outcome.Duplicate:
			b.Duplicate++
		case outcome.Conflict:
			b.Conflict++
		case outcome.Rejected:
			b.Rejected++
		case outcome.Expired:
			b.Expired++
		}
		if !a.Quantity.Add(a.Waived).Equal(records[i].Quantity) {
			b.Declined++
		}
	}
}
