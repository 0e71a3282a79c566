package outbox

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// Decision is what an operator decided about a batch that commerce does not answer
// record by record.
type Decision string

// Decisions about a batch.
const (
	DecisionSettle Decision = "settle" // SettleAs says how
	DecisionReject Decision = "reject" // as earlier versions wrote Settle with SettleDeclined
)

// Outcome is how an operator settles records that have no final answer.
type Outcome string

// Outcomes. Both hold only by what a read-back shows: without one they wait.
const (
	SettleAccepted Outcome = "accepted" // those that a read-back shows; others wait on
	SettleDeclined Outcome = "declined" // those that a read-back does not show, and are not billed; others are accepted
)

// Tries after which an operator may settle a batch.
const (
	UnreadTries = 3 // with an answer that has no result that can be read; then commerce is also asked in parts
	SettleTries = 5 // whatever they met
)

// SettledAs is what an operator decided about the records that have no final
// answer; empty if nobody did.
func (b Batch) SettledAs() Outcome {
	switch b.Decision {
	case DecisionSettle:
		return b.SettleAs
	case DecisionReject:
		return SettleDeclined
	}
	return ""
}

// AskSettle decides how the records of a batch end that commerce refuses, or
// gives no answer to that can be read. ForwardBatch carries it out at its next try,
// which is due at once, after no request is on its way. The same decision again
// changes nothing; the other one takes its place until the batch is answered.
func AskSettle(ctx context.Context, store table.Store, id ID, as Outcome, why reasoned.Decision) (Batch, error) {
	b, err := change(ctx, store, id, why, func(b *Batch) (bool, error) {
		switch {
		case as != SettleAccepted && as != SettleDeclined:
			return false, fmt.Errorf("as %q: it must be %s or %s", as, SettleAccepted, SettleDeclined)
		case b.SettledAs() == as:
			return false, nil
		case b.State == BatchDone:
			return false, fmt.Errorf("every record of it has a final answer: %w", reasoned.ErrDecided)
		case b.DeclinedSince.IsZero() && b.Unread < UnreadTries && b.Tries < SettleTries:
			return false, fmt.Errorf("commerce may still answer it; try %d met: %q: %w", b.Tries, b.LastResponse, reasoned.ErrDecided)
		}
		if before := b.SettledAs(); before != "" {
			b.Earlier = reasoned.Keep(b.Earlier, settledAs(before), b.decided())
		}
		if len(b.Earlier) > reasoned.MaxEarlier {
			return false, fmt.Errorf("it was decided too often: %w", reasoned.ErrDecided)
		}
		b.Decision, b.SettleAs, b.DecisionReason, b.DecidedBy, b.DecidedAt = DecisionSettle, as, why.Reason, why.By, table.UTC(why.At)
		b.NotBefore = time.Time{}
		return true, nil
	})
	if err != nil {
		return b, fmt.Errorf("settle batch %s: %w", id, err)
	}
	return b, nil
}

func settledAs(as Outcome) string { return string(DecisionSettle) + " as " + string(as) }

func (b Batch) decided() reasoned.Decision {
	return reasoned.Decision{By: b.DecidedBy, Reason: b.DecisionReason, At: b.DecidedAt}
}

// Decisions are how operators settled the batch, the oldest first.
func (b Batch) Decisions() ([]reasoned.Named, error) {
	all, err := reasoned.Kept(b.Earlier)
	if as := b.SettledAs(); as != "" {
		all = append(all, reasoned.Named{What: settledAs(as), Decision: b.decided()})
	}
	return all, err
}

// AskRetry has a batch that waits tried at once. It changes nothing of one that
// does not wait.
func AskRetry(ctx context.Context, store table.Store, id ID, why reasoned.Decision) (Batch, error) {
	b, err := change(ctx, store, id, why, func(b *Batch) (bool, error) {
		if b.State == BatchDone || b.NotBefore.IsZero() {
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

// change reads a batch and lets step change it, again if a sender wrote it
// meanwhile. step says whether there is something to write.
func change(ctx context.Context, store table.Store, id ID, why reasoned.Decision, step func(*Batch) (bool, error)) (Batch, error) {
	if err := why.Check(); err != nil {
		return Batch{}, err
	}
	for try := 1; ; try++ {
		b, err := Read(ctx, store, id)
		if err != nil {
			return b, err
		}
		write, err := step(&b)
		if err == nil && write {
			err = Update(ctx, store, id, b)
		}
		if errors.Is(err, table.ErrChanged) && try < reasoned.Tries {
			continue
		}
		return b, err
	}
}
