package handlers

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"stackusage/shared/commerce"
	"stackusage/shared/ledger"
)

// Bounds of looking for what commerce refuses in a batch, in one invocation.
const (
	maxRequests = 64   // finds one record in 500 with 18
	maxDecided  = 1000 // asks 500 records one by one, where an operator decided what it comes to
	maxLone     = 3    // records refused on their own while nothing is taken: it is not the records

	// aloneFor is how long the only open record of a batch must have been refused
	// before that is final where no other can tell whether it is the record or
	// commerce.
	aloneFor = 72 * time.Hour
)

// part is a run of records to be sent together.
type part struct {
	records []int
	depth   int
}

// lone is a record that was refused in a request of its own.
type lone struct {
	record  int
	refusal *commerce.Error
}

// bisect sends the halves of a request that commerce refused as a whole, and
// their halves, until what it refuses is alone. What is refused alone is
// Rejected, but only when commerce takes other requests of the same batch: an
// endpoint that refuses everything must not cost a day. Decision 0005.
func (a *App) bisect(ctx context.Context, s *sending, some []int, refusal error) (cause, err error) {
	if err := a.claimPartial(ctx, s); err != nil {
		return nil, err
	}
	stop := time.Now().Add(a.Settings.InvocationLimit / 2)
	decided, most := s.decided(), maxRequests
	if decided {
		most = maxDecided
	}
	var alone []lone
	var pending []part
	// split puts the halves of a refused part on the list, or the record on that
	// of the lone. Each try begins with other halves: where one found nothing
	// that commerce takes, the next looks elsewhere.
	split := func(p part, refusal error) {
		if len(p.records) == 1 {
			l := lone{record: p.records[0]}
			errors.As(refusal, &l.refusal)
			alone = append(alone, l)
			if !s.taken && len(pending) > 0 {
				pending = append(pending[1:], pending[0]) // the largest part, far from here
			}
			return
		}
		half := len(p.records) / 2
		first, second := part{p.records[:half], p.depth + 1}, part{p.records[half:], p.depth + 1}
		if s.batch.Tries>>min(p.depth, 62)&1 == 0 {
			first, second = second, first
		}
		pending = append(pending, second, first)
	}
	split(part{records: some}, refusal)
	for requests := 1; len(pending) > 0; requests++ {
		if !s.taken && !decided && len(alone) >= maxLone {
			break
		}
		if requests == most || time.Now().After(stop) {
			cause = fmt.Errorf("%d of %d records are still to be asked: commerce refused requests as a whole: %w", len(s.open()), len(s.records), refusal)
			break
		}
		next := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		failure, err := a.post(ctx, s, next.records)
		if err != nil {
			return nil, err
		}
		if refused(failure) {
			split(next, failure)
		} else if failure != nil {
			cause = failure // away in the middle of it: the rest later
			break
		}
	}
	if len(alone) == 0 || cause != nil && !s.taken && !decided {
		return cause, nil
	}
	verdict, err := a.judgeLone(ctx, s, alone)
	if cause == nil {
		cause = verdict
	}
	return cause, err
}

// decided reports whether an operator decided that what is refused alone is
// final.
func (s *sending) decided() bool { return s.batch.Decision == ledger.Reject }

// judgeLone rejects the records that were refused alone, if it is about them or
// an operator decided that it is.
func (a *App) judgeLone(ctx context.Context, s *sending, alone []lone) (cause, err error) {
	last := alone[len(alone)-1].refusal
	tellable, unproven := true, s.decided() && !s.taken
	if !s.taken && !unproven {
		s.taken, tellable = a.control(ctx, s)
	}
	if !s.taken && !unproven {
		if s.batch.RefusedSince.IsZero() {
			s.batch.RefusedSince = a.Now()
		}
		if tellable || len(s.open()) > 1 || a.Now().Sub(s.batch.RefusedSince) < aloneFor {
			return fmt.Errorf("%w: each of %d records sent alone is refused and none is taken: it may be commerce, not the records", last, len(alone)), nil
		}
	}
	// An earlier try may have been taken while its answer got lost. A record that
	// is billed must not be called Rejected: the next revision would bill it
	// again.
	some := make([]int, len(alone))
	for i, l := range alone {
		some[i] = l.record
	}
	if cause, err := a.readBack(ctx, s, some); cause != nil || err != nil {
		return cause, err
	}
	results := map[string]commerce.Result{}
	var rest []int
	for _, l := range alone {
		id := s.records[l.record].RecordID
		if _, known := s.answers[id]; known {
			continue
		}
		code, message := l.refusal.Code, l.refusal.Message
		if code == "" {
			code, message = fmt.Sprintf("HTTP%d", l.refusal.Status), l.refusal.Reason
		}
		if unproven {
			code, message = ledger.CodeDecided, fmt.Sprintf("%s, decided by %s: %s. Commerce said %s: %s",
				s.batch.DecidedAt.UTC().Format(time.RFC3339), s.batch.DecidedBy, s.batch.DecisionReason, code, message)
		}
		results[id] = commerce.Result{RecordID: id, Status: commerce.Rejected, Code: code, Message: message}
		rest = append(rest, l.record)
	}
	a.log(ctx).ErrorContext(ctx, "records refused", slog.String("batch", s.m.id().String()), slog.Int("records", len(rest)),
		slog.String("cause", last.Error()), slog.Bool("decided", unproven))
	return nil, a.keep(ctx, s, rest, results, false)
}

// control sends a record again that commerce has taken already. The answer
// Duplicate shows that it takes requests of this batch now, where none of the
// open records can. It is not possible where commerce has taken none.
func (a *App) control(ctx context.Context, s *sending) (taken, possible bool) {
	for i, r := range s.records {
		if k := s.answers[r.RecordID]; k.Status != commerce.Accepted && k.Status != commerce.Duplicate {
			continue
		}
		id, body := s.request([]int{i})
		results, err := a.Commerce.Send(ctx, id, body)
		if err != nil {
			a.log(ctx).WarnContext(ctx, "control request failed", slog.String("batch", s.m.id().String()), slog.String("cause", err.Error()))
		}
		again := results[r.RecordID].Status
		return again == commerce.Duplicate || again == commerce.Accepted, true
	}
	return false, false
}
