// Package forward sends batches of daily records to commerce and records what
// commerce answers.
//
// The order of its writes:
//
//	UsageBatches   the lease: this invocation alone sends the batch
//	commerce       the batch, or parts of it where it is refused as a whole
//	DailyUsage     the outcome of each record; the first one stands
//	receipts       all outcomes of the batch, under a name made from its bytes
//	UsageBatches   answered, or waiting until when; then the message for later
//
// A crash between two of them costs a lease's time and no more: who comes after it
// reads back what commerce has before it calls a record unbilled. Decisions 0005,
// 0009, 0017.
package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/queue"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
)

// Commerce takes one request with records, and reads back which of some records of a
// usage day (2019-12-10) it accepted. Failures are *Failure.
type Commerce interface {
	Send(ctx context.Context, id string, body []byte) (map[string]outcome.Result, error)
	Accepted(ctx context.Context, cloudID, usageDate string, recordIDs []string) (map[string]AcceptedRecord, error)
}

// Forwarder sends batches. All fields are set before its first use.
type Forwarder struct {
	Tables          table.Store
	Blobs           content.Store // batches and receipts
	Queues          queue.Sender
	Commerce        Commerce
	Now             func() time.Time
	Retry           time.Duration // first delay after a failed send; doubles up to an hour
	SendLimit       time.Duration // how long one sender alone sends a batch
	InvocationLimit time.Duration // after which an invocation gives up
}

// Forward sends one batch to commerce, the same bytes on every try, and records the
// outcomes. When commerce cannot take it the message goes back to the queue with a
// delay and Forward succeeds: dequeue counts are for crashes, so an outage of days
// poisons nothing. A batch that does not exist is a queue.Bad.
func (f *Forwarder) Forward(ctx context.Context, id outbox.ID) error {
	batch, err := outbox.Read(ctx, f.Tables, id)
	if errors.Is(err, table.ErrNotFound) {
		return queue.Bad{Reason: err}
	}
	if err != nil {
		return err
	}
	if batch.State == outbox.BatchDone {
		return nil
	}
	if batch.State == outbox.Waiting && f.Now().Before(batch.NotBefore) {
		return nil // another message of this batch comes when it is time
	}
	if wait := batch.LeasedUntil.Sub(f.Now()); wait > 0 {
		// Another sender is at it, or died of it; then this message takes over. No
		// lease holds longer than an invocation: one that seems to is of a clock that
		// ran ahead, and must not hide the message for as long as that.
		wait = min(wait, f.InvocationLimit)
		return f.Queues.Enqueue(ctx, queue.Batches, queue.BatchMessage(id), wait.Truncate(time.Second)+2*time.Second)
	}
	body, err := content.At(batch.Blob).With(batch.SHA256, table.UsageBatches).Bytes(ctx, f.Blobs, daily.MaxBatchBytes)
	if err != nil {
		return fmt.Errorf("send batch %s: %w", id, err)
	}
	s, err := newSending(id, batch, body)
	if err != nil {
		return err
	}
	s.batch.Tries++
	defer f.release(ctx, s) // what has gone wrong, a panic included
	err = f.lease(ctx, s)
	if err == nil {
		err = f.sendBatch(ctx, s)
	}
	if errors.Is(err, table.ErrChanged) {
		err = nil // another sender has the batch, and a message of its own
	}
	s.leased = s.leased && err != nil
	return err
}

func (f *Forwarder) sendBatch(ctx context.Context, s *sending) error {
	cause, err := f.send(ctx, s)
	if err != nil {
		return err
	}
	if cause != nil {
		return f.putBack(ctx, s, cause)
	}
	return f.finish(ctx, s)
}

// finish keeps the answers to a batch that has them all.
func (f *Forwarder) finish(ctx context.Context, s *sending) error {
	batch, id := s.batch, s.id
	receipt, err := receiptOf(id, s.records, s.outcomes)
	if err != nil {
		return err
	}
	if batch.Receipt, batch.ReceiptSHA256, err = f.putReceipt(ctx, id, receipt); err != nil {
		return err
	}
	batch.State, batch.LastResponse, batch.NotBefore = outbox.BatchDone, "done", time.Time{}
	batch.Unknowns, batch.Unread, batch.Partial, batch.DeclinedSince, batch.LeasedUntil, batch.LeasedBy = 0, 0, false, time.Time{}, time.Time{}, ""
	batch.SettleFrom, batch.NoResponseAt = time.Time{}, time.Time{}
	tally(&batch, s.records, receipt)
	if err := f.updateBatch(ctx, s, batch); err != nil {
		return err
	}
	level := slog.LevelInfo
	if batch.Conflict+batch.Rejected+batch.Expired > 0 {
		level = slog.LevelError
	}
	telemetry.Logger(ctx).Log(ctx, level, "batch done", slog.String("batch", id.String()), slog.Int64("records", batch.Records),
		slog.Int64("accepted", batch.Accepted), slog.Int64("duplicate", batch.Duplicate), slog.Int64("conflict", batch.Conflict),
		slog.Int64("rejected", batch.Rejected), slog.Int64("expired", batch.Expired), slog.Int64("declined", batch.Declined), slog.Int64("tries", batch.Tries))
	return nil
}

// updateBatch notes the outcome. An operator who decided meanwhile changed the
// row: that must neither be undone nor leave the outcome unsaid. Another sender
// did if it took over after the lease had ended: then only a final outcome is
// worth saying, since what it notes of its own try is as true.
func (f *Forwarder) updateBatch(ctx context.Context, s *sending, b outbox.Batch) error {
	id := s.id
	err := outbox.Update(ctx, f.Tables, id, b)
	if !errors.Is(err, table.ErrChanged) {
		return err
	}
	now, err := outbox.Read(ctx, f.Tables, id)
	if err != nil {
		return err
	}
	if now.State == outbox.BatchDone || b.State != outbox.BatchDone && now.LeasedBy != s.lease {
		return nil
	}
	if now.NotBefore.IsZero() { // it is to be tried at once
		b.NotBefore = time.Time{}
	}
	return outbox.Update(ctx, f.Tables, id, b.On(now))
}

// tally counts the answers to a batch.
func tally(b *outbox.Batch, records []daily.Record, receipt outbox.Receipt) {
	b.Accepted, b.Duplicate, b.Conflict, b.Rejected, b.Expired, b.Declined = 0, 0, 0, 0, 0, 0
	for i, answer := range receipt.Outcomes {
		switch answer.Status {
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
		if !answer.Quantity.Add(answer.Waived).Equal(records[i].Quantity) {
			b.Declined++
		}
	}
}
