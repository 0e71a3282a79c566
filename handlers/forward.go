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
)

// forwardBatch sends one batch to commerce, the same bytes on every try, and
// records the answers. When commerce cannot take it the message goes back to
// the queue with a delay and the host is told that all is well: dequeue counts
// are for crashes, so an outage of days poisons nothing.
func (a *App) forwardBatch(ctx context.Context, req invoke.Request) error {
	m, err := decode[batchMessage](req)
	if err != nil {
		return err
	}
	if err := checkCloudID(m.CloudID); err != nil {
		return err
	}
	batch, err := a.Ledger.Batch(ctx, m.id())
	if errors.Is(err, ledger.ErrNotFound) {
		return badMessage{err}
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
	body, err := a.readBytes(ctx, batch.Blob, daily.MaxBatchBytes)
	if err != nil {
		return err
	}
	if sum := sha256.Sum256(body); hex.EncodeToString(sum[:]) != batch.SHA256 {
		return fmt.Errorf("send batch %s: %s has other bytes than were committed", m.id(), batch.Blob)
	}
	records, err := daily.DecodeBatch(body)
	if err != nil {
		return err
	}
	batch.Tries++
	results, err := a.Commerce.Send(ctx, m.id().String(), body)
	if err != nil {
		return a.putBack(ctx, m, batch, err)
	}
	if err := a.Ledger.PutAnswers(ctx, m.id(), records, answersOf(results)); err != nil {
		return err
	}
	if n := commerce.Outstanding(records, results); n > 0 {
		return a.putBack(ctx, m, batch, fmt.Errorf("%d of %d records have no answer", n, len(records)))
	}
	receipt, err := receiptOf(m, records, results)
	if err != nil {
		return a.putBack(ctx, m, batch, err)
	}
	if batch.Receipt, batch.ReceiptSHA256, err = a.putReceipt(ctx, m, receipt); err != nil {
		return err
	}
	batch.State, batch.LastAnswer, batch.NotBefore = ledger.BatchAnswered, "answered", time.Time{}
	tally(&batch, records, results)
	if err := a.updateBatch(ctx, m.id(), batch); err != nil {
		return err
	}
	level := slog.LevelInfo
	if batch.Conflict+batch.Rejected+batch.Expired > 0 {
		level = slog.LevelError
	}
	a.log(ctx).Log(ctx, level, "batch answered", slog.String("batch", m.id().String()), slog.Int64("records", batch.Records),
		slog.Int64("accepted", batch.Accepted), slog.Int64("duplicate", batch.Duplicate), slog.Int64("conflict", batch.Conflict),
		slog.Int64("rejected", batch.Rejected), slog.Int64("expired", batch.Expired), slog.Int64("tries", batch.Tries))
	return nil
}

// updateBatch notes the outcome. Losing to another sender of the same bytes is
// no harm: what it noted is as true.
func (a *App) updateBatch(ctx context.Context, id ledger.BatchID, b ledger.Batch) error {
	err := a.Ledger.UpdateBatch(ctx, id, b)
	if !errors.Is(err, ledger.ErrChanged) {
		return err
	}
	now, err := a.Ledger.Batch(ctx, id)
	if err != nil {
		return err
	}
	if now.State == ledger.BatchAnswered || b.State != ledger.BatchAnswered {
		return nil
	}
	return a.Ledger.UpdateBatch(ctx, id, b.On(now))
}

// maxBackoff bounds the delay between two tries.
const maxBackoff = time.Hour

// putBack notes why a batch could not be sent and sends its message again,
// later: after Retry-After, else with exponential backoff and jitter.
func (a *App) putBack(ctx context.Context, m batchMessage, batch ledger.Batch, cause error) error {
	delay := min(a.Settings.ForwardRetry<<min(batch.Tries-1, 12), maxBackoff)
	delay = delay/2 + rand.N(delay/2+1)
	level := slog.LevelWarn
	var failure *commerce.Error
	if errors.As(cause, &failure) {
		if failure.RetryAfter > 0 {
			delay = min(failure.RetryAfter, maxBackoff)
		}
		if failure.Kind == commerce.Credentials || failure.Kind == commerce.Refused {
			level = slog.LevelError
		}
	}
	batch.State, batch.NotBefore, batch.LastAnswer = ledger.BatchWaiting, a.Now().Add(delay), cause.Error()
	if err := a.updateBatch(ctx, m.id(), batch); err != nil {
		return err
	}
	// A queue counts whole seconds; the message must not come before its time.
	if err := a.Queues.Enqueue(ctx, QueueBatches, encode(m), delay.Truncate(time.Second)+2*time.Second); err != nil {
		return err
	}
	a.log(ctx).Log(ctx, level, "batch waits", slog.String("batch", m.id().String()), slog.String("cause", cause.Error()),
		slog.Duration("delay", delay), slog.Int64("tries", batch.Tries))
	return nil
}

func answersOf(results map[string]commerce.Result) map[string]ledger.Answer {
	answers := make(map[string]ledger.Answer, len(results))
	for id, r := range results {
		answers[id] = ledger.Answer{Status: r.Status, Code: r.Code, Message: r.Message, Quantity: r.Quantity}
	}
	return answers
}

func tally(b *ledger.Batch, records []daily.Record, results map[string]commerce.Result) {
	b.Accepted, b.Duplicate, b.Conflict, b.Rejected, b.Expired = 0, 0, 0, 0, 0
	for _, r := range records {
		switch results[r.RecordID].Status {
		case commerce.Accepted:
			b.Accepted++
		case commerce.Duplicate:
			b.Duplicate++
		case commerce.Conflict:
			b.Conflict++
		case commerce.Rejected:
			b.Rejected++
		case commerce.Expired:
			b.Expired++
		}
	}
}
