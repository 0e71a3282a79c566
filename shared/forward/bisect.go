package forward

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/telemetry"
)

// Bounds of looking for what commerce refuses in a batch, in one invocation.
const (
	maxRequests = 64   // finds one record in 500 with 18
	maxDecided  = 1000 // sends 500 records one by one, where an operator decided what it comes to
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
	refusal *Failure
}

// bisect sends the halves of a request that commerce refused as a whole, and
// their halves, until what it refuses is alone. What is refused alone is
// Rejected, but only when commerce takes other requests of the same batch: an
// endpoint that refuses everything must not cost a day. Decision 0005.
func (f *Forwarder) bisect(ctx context.Context, s *sending, some []int, refusal error) (cause, err error) {
	if err := f.leasePartial(ctx, s); err != nil {
		return nil, err
	}
	stop := time.Now().Add(f.InvocationLimit / 2)
	decided, most := s.settled(), maxRequests
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
			alone = append(alone, lone{p.records[0], failureOf(refusal)})
			if !s.taken && len(pending) > 0 {
				pending = append(pending[1:], pending[0]) // the largest part, far from here
			}
			return
		}
		open := s.openOf(p.records)
		half := len(open) / 2
		first, second := part{open[:half], p.depth + 1}, part{open[half:], p.depth + 1}
		if s.batch.Tries>>min(p.depth, 62)&1 == 0 {
			first, second = second, first
		}
		for _, p := range []part{second, first} {
			if len(p.records) > 0 {
				pending = append(pending, p)
			}
		}
	}
	hung := noResponse(refusal) // the last request that had no answer
	split(part{records: some}, refusal)
	for requests := 1; len(pending) > 0; requests++ {
		if !s.taken && !decided && len(alone) >= maxLone {
			break
		}
		if over := requests == most || time.Now().After(stop); over && decided && !s.taken && hung != nil {
			alone = nil // there is no end to it: all that is open ends as the operator decided
			for _, i := range s.open() {
				alone = append(alone, lone{i, hung})
			}
			break
		} else if over {
			cause = fmt.Errorf("%d of %d records are still to be sent: commerce does not answer them together: %w", len(s.open()), len(s.records), refusal)
			break
		}
		next := pending[len(pending)-1]
		pending = pending[:len(pending)-1]
		failure, err := f.post(ctx, s, next.records)
		if err != nil {
			return nil, err
		}
		hung = cmp.Or(noResponse(failure), hung)
		if f.apart(s, failure) && (away(refusal) || !away(failure)) {
			split(next, failure)
		} else if decided && errors.Is(failure, errOnItsWay) {
			for _, i := range s.openOf(next.records) {
				alone = append(alone, lone{i, cmp.Or(hung, &Failure{Kind: Unknown, Err: errOnItsWay})})
			}
		} else if failure != nil && !unreadable(failure) {
			cause = failure // away in the middle of it: the rest later
			break
		}
	}
	if len(alone) == 0 || cause != nil && !s.taken && !decided {
		return cause, nil
	}
	verdict, err := f.decideLone(ctx, s, alone)
	if cause == nil {
		cause = verdict
	}
	return cause, err
}

// noResponse is the failure of a request that commerce may still be at; nil if it
// is not.
func noResponse(err error) *Failure {
	if failure := failureOf(err); failure != nil && failure.Kind != Credentials && !failure.Answered() {
		return failure
	}
	return nil
}

// decideLone ends the records that commerce did not answer in a request of their
// own: what it refuses is Rejected, if it is about the record; and what an operator
// settles ends as he decided. What has no result that can be read stays open.
func (f *Forwarder) decideLone(ctx context.Context, s *sending, alone []lone) (cause, err error) {
	if !s.settled() {
		alone = slices.DeleteFunc(alone, func(l lone) bool { return l.refusal.Kind != Declined })
	}
	if len(alone) == 0 {
		return nil, nil
	}
	proven := s.taken
	if !proven && !s.settled() {
		if cause := f.proven(ctx, s, alone); cause != nil {
			return cause, nil
		}
		proven = true
	}
	return f.endLone(ctx, s, alone, proven)
}

// proven says why it may be commerce, not the records, that records sent alone are
// refused; nil if it is the records.
func (f *Forwarder) proven(ctx context.Context, s *sending, alone []lone) (cause error) {
	var tellable bool
	if s.taken, tellable = f.control(ctx, s); s.taken {
		return nil
	}
	if s.batch.DeclinedSince.IsZero() {
		s.batch.DeclinedSince = f.Now()
	}
	if tellable || len(s.open()) > 1 || f.Now().Sub(s.batch.DeclinedSince) < aloneFor {
		return fmt.Errorf("%w: each of %d records sent alone is refused and none is taken: it may be commerce, not the records", alone[len(alone)-1].refusal, len(alone))
	}
	return nil
}

// control sends a record again that commerce has taken already. The answer
// Duplicate shows that it takes requests of this batch now, where none of the
// open records can. It is not possible where commerce has taken none.
func (f *Forwarder) control(ctx context.Context, s *sending) (taken, possible bool) {
	for i, r := range s.records {
		if !outcome.Taken(s.outcomes[r.RecordID].Status) {
			continue
		}
		id, body := s.request([]int{i})
		results, err := f.Commerce.Send(ctx, id, body)
		if err != nil {
			telemetry.Logger(ctx).WarnContext(ctx, "control request failed", slog.String("batch", s.id.String()), slog.String("cause", err.Error()))
		}
		return outcome.Taken(results[r.RecordID].Status), true
	}
	return false, false
}

// awayFor is how long a batch that an operator settled waits where commerce says
// that it is busy, or that it may not be sent to. Something between may say so of a
// record for ever.
const awayFor = 24 * time.Hour

// apart reports whether a request that ended so is sent again in parts: commerce
// refuses it as a whole, or gives no result that can be read again and again. Where
// an operator settles the batch, any other is, too, unless commerce is away.
func (f *Forwarder) apart(s *sending, cause error) bool {
	failure := failureOf(cause)
	if failure == nil {
		return false
	}
	switch failure.Kind {
	case Declined:
		return true
	case Busy, Credentials:
		return s.settled() && away(cause) && f.Now().Sub(s.batch.DecidedAt) >= awayFor
	case Unreadable:
		return s.settled() || s.batch.Unread >= outbox.UnreadTries
	}
	return s.settled()
}

// away reports whether a request was answered as if commerce were away, though it
// may be for the sake of a record. 429 never is.
func away(cause error) bool {
	failure := failureOf(cause)
	if failure == nil {
		return false
	}
	switch failure.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusServiceUnavailable:
		return true
	}
	return false
}

// sendApart is bisect. Where it may be that commerce is away, a read-back must show
// that it is not.
func (f *Forwarder) sendApart(ctx context.Context, s *sending, some []int, refusal error) (cause, err error) {
	if away(refusal) {
		if cause, err := f.readBack(ctx, s, some); cause != nil || err != nil {
			return cause, err
		}
	}
	return f.bisect(ctx, s, some, refusal)
}
