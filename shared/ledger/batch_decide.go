package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/table"
)

// Reject is the decision that what commerce refuses of a batch, record by
// record, is final, although commerce takes nothing else of it that would prove
// that it is about the records.
const Reject Decision = "reject"

// AskReject decides that for a batch that commerce refuses. ForwardBatch carries
// it out at its next try, which is due at once: commerce is asked once more and
// read back, and only then is a record final. Repeating it changes nothing.
func (l *Ledger) AskReject(ctx context.Context, id BatchID, why Reasoned) (Batch, error) {
	b, err := l.changeBatch(ctx, id, why, func(b *Batch) (bool, error) {
		switch {
		case b.Decision == Reject:
			return false, nil
		case b.State == BatchAnswered:
			return false, fmt.Errorf("every record of it has a final answer: %w", ErrDecided)
		case b.RefusedSince.IsZero():
			return false, fmt.Errorf("commerce does not refuse it; the last try met: %q: %w", b.LastAnswer, ErrDecided)
		}
		b.Decision, b.DecisionReason, b.DecidedBy, b.DecidedAt = Reject, why.Reason, why.By, table.UTC(why.At)
		b.NotBefore = time.Time{}
		return true, nil
	})
	if err != nil {
		return b, fmt.Errorf("reject batch %s: %w", id, err)
	}
	return b, nil
}

// AskRetry has a batch that waits tried at once. It changes nothing of one that
// does not wait.
func (l *Ledger) AskRetry(ctx context.Context, id BatchID, why Reasoned) (Batch, error) {
	b, err := l.changeBatch(ctx, id, why, func(b *Batch) (bool, error) {
		if b.State == BatchAnswered || b.NotBefore.IsZero() {
			return false, nil
		}
		b.NotBefore = time.Time{}
		b.RetryReason, b.RetriedBy, b.RetriedAt = why.Reason, why.By, table.UTC(why.At)
		return true, nil
	})
	if err != nil {
		return b, fmt.Errorf("retry batch %s: %w", id, err)
	}
	return b, nil
}

// changeBatch reads a batch and lets step change it, again if a sender wrote it
// meanwhile. step says whether there is something to write.
func (l *Ledger) changeBatch(ctx context.Context, id BatchID, why Reasoned, step func(*Batch) (bool, error)) (Batch, error) {
	if err := why.check(); err != nil {
		return Batch{}, err
	}
	for try := 1; ; try++ {
		b, err := l.Batch(ctx, id)
		if err != nil {
			return b, err
		}
		write, err := step(&b)
		if err == nil && write {
			err = l.UpdateBatch(ctx, id, b)
		}
		if errors.Is(err, table.ErrChanged) && try < decideTries {
			continue
		}
		return b, err
	}
}
