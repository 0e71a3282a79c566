package forward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

// settled reports whether an operator decided how the records end that commerce
// does not answer.
func (s *sending) settled() bool { return s.batch.SettledAs() != "" }

// errOnItsWay: a request had no answer, and commerce may still be at it.
var errOnItsWay = errors.New("requests that had no answer may be on their way")

// onItsWay is for how long a request that had no answer may still be taken by
// commerce. Until then no record is called Rejected or Expired because a read-back
// does not show it.
func (f *Forwarder) onItsWay(s *sending) time.Duration {
	if s.batch.NoResponseAt.IsZero() {
		return 0
	}
	return max(0, s.batch.NoResponseAt.Add(f.SendLimit+time.Second).Sub(f.Now())) // the column has whole seconds
}

// settleOpen ends all open records as an operator decided, without sending any:
// requests with them end without an answer again and again, and none is on its way.
func (f *Forwarder) settleOpen(ctx context.Context, s *sending) (cause, err error) {
	said := &Failure{Kind: Unknown, Reason: s.batch.LastResponse}
	var open []lone
	for _, i := range s.open() {
		open = append(open, lone{i, said})
	}
	if len(open) == 0 {
		return nil, nil
	}
	if err := f.leasePartial(ctx, s); err != nil {
		return nil, err
	}
	return f.endLone(ctx, s, open, false)
}

// endLone gives records without an answer a final one, by what a read-back shows:
// an earlier try may have been taken while its answer got lost, and a record that
// is billed must not be called Rejected, or the next revision would bill it again.
// proven: what commerce refuses is refused for the record's sake.
func (f *Forwarder) endLone(ctx context.Context, s *sending, alone []lone, proven bool) (cause, err error) {
	some := make([]int, len(alone))
	for i, l := range alone {
		some[i] = l.record
	}
	if cause, err := f.readBack(ctx, s, some); cause != nil || err != nil {
		return cause, err
	}
	results := map[string]outcome.Result{}
	var rest []int
	waits, silent, early, decided := 0, 0, f.onItsWay(s) > 0, false
	for _, l := range alone {
		id := s.records[l.record].RecordID
		if _, known := s.outcomes[id]; known {
			continue
		}
		code, message := foreignCode(l.refusal.Code), l.refusal.Message
		if code == "" {
			code, message = fmt.Sprintf("HTTP%d", l.refusal.Status), l.refusal.Reason
		}
		switch {
		case early:
			silent++
			continue
		case proven && l.refusal.Kind == Declined:
		case s.batch.SettledAs() == outbox.SettleDeclined:
			decided = true
			if l.refusal.Err != nil {
				code, message = string(l.refusal.Kind), l.refusal.Err.Error()
			}
			code, message = outbox.CodeDecided, fmt.Sprintf("%s, decided by %s: %s. Commerce said %s: %s",
				s.batch.DecidedAt.UTC().Format(time.RFC3339), s.batch.DecidedBy, s.batch.DecisionReason, code, message)
		default:
			waits++
			continue
		}
		results[id] = outcome.Result{RecordID: id, Status: outcome.Rejected, Code: code, Message: message}
		rest = append(rest, l.record)
	}
	last := alone[len(alone)-1].refusal
	if len(rest) > 0 {
		telemetry.Logger(ctx).ErrorContext(ctx, "records declined", slog.String("batch", s.id.String()), slog.Int("records", len(rest)),
			slog.String("cause", last.Error()), slog.Bool("decided", decided))
	}
	switch {
	case waits > 0:
		cause = fmt.Errorf("%w: settled as accepted, and a read-back does not show %s", last, usage.Count(waits, "record"))
	case silent > 0:
		cause = fmt.Errorf("%w: %d records are not answered: %w", last, silent, errOnItsWay)
	}
	err = f.keep(ctx, s, rest, results, false)
	s.silent = s.batch.SettledAs() == outbox.SettleDeclined && silent > 0 && len(s.open()) == silent
	return cause, err
}
