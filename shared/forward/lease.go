package forward

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
)

// lease notes that this invocation alone sends the batch, before
// its first request. A request that is still on its way when another sender reads
// back what commerce has, and is told Rejected, could have a record taken that
// DailyUsage calls Rejected, and the next revision would bill it again. Who dies
// holds the batch up for SendLimit. ErrChanged means that somebody was faster.
func (f *Forwarder) lease(ctx context.Context, s *sending) error {
	return f.leaseBatch(ctx, s, f.SendLimit)
}

// leasePartial notes, before the first of several requests and before an answer
// that leaves a record unbilled, that answers may be in DailyUsage: who takes
// over after a crash must look there. It also holds the batch until this
// invocation must have ended.
func (f *Forwarder) leasePartial(ctx context.Context, s *sending) error {
	if s.whole {
		return nil
	}
	s.batch.Partial, s.whole = true, true
	return f.leaseBatch(ctx, s, f.InvocationLimit)
}

// leaseTries bounds how often an operator's changes to the row are taken in.
const leaseTries = 3

func (f *Forwarder) leaseBatch(ctx context.Context, s *sending, limit time.Duration) error {
	id, held := s.id, s.leased
	s.leased = true
	s.ends = time.Now().Add(limit)
	s.leasedUntil = f.Now().Add(limit + time.Second).Truncate(time.Second) // a column holds whole seconds
	for try := 1; ; try++ {
		b := s.batch
		b.LeasedUntil, b.LeasedBy = s.leasedUntil, s.lease
		failed := outbox.Update(ctx, f.Tables, id, b)
		if failed != nil && (!errors.Is(failed, table.ErrChanged) || !held || try == leaseTries) {
			return failed
		}
		now, err := outbox.Read(ctx, f.Tables, id)
		if err != nil {
			return err
		}
		if now.State == outbox.BatchDone || now.LeasedBy != s.lease {
			return table.ErrChanged
		}
		asked := !now.DecidedAt.Equal(s.batch.DecidedAt) || !now.RetriedAt.Equal(s.batch.RetriedAt)
		s.again = s.again || asked && now.NotBefore.IsZero()
		s.batch = s.batch.On(now)
		if failed == nil {
			return nil
		}
	}
}

// release lets others have a batch that is still leased, after an error: no
// request is on its way any more. What cannot be noted ends by itself.
func (f *Forwarder) release(ctx context.Context, s *sending) {
	if !s.leased {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), putBackLimit)
	defer cancel()
	b := s.batch
	b.LeasedUntil, b.LeasedBy = time.Time{}, ""
	if err := f.updateBatch(ctx, s, b); err != nil {
		telemetry.Logger(ctx).WarnContext(ctx, "batch stays leased", slog.String("batch", s.id.String()),
			slog.Time("until", s.leasedUntil), slog.String("cause", err.Error()))
	}
}
