package daybook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// While what commerce accepted of a day differs from what its last revision
// states, the day is open. The mark of the revision goes once every record has its
// final answer; before that the day's own mark says how many records are declined.
// It goes with a later revision, or stays for Sweep and an operator to see.
//
//	FinishRevision  batches answered -> declined into the day's mark -> the revision's mark goes
//	Finish     the day's mark goes, unless it says that the last revision is declined

// Declined reports whether commerce declined a part of the last revision.
func (c *Closing) Declined() bool { return c.Last != nil && c.open.DeclinedIn(c.Last.Number) }

// DeclinedSince is when the last record of it had its final answer.
func (c *Closing) DeclinedSince() time.Time { return c.open.DeclinedSince }

// Asked reads the day's last revision, and whether the mark holds a request that
// no revision has answered.
func Asked(ctx context.Context, store table.Store, m openday.Entry) (last *Revision, asked bool, err error) {
	asked = m.Restate != ""
	for r, err := range Revisions(ctx, store, m.CloudID, m.Day) {
		if err != nil {
			return nil, false, err
		}
		last, asked = &r, asked && r.Restate != m.Restate
	}
	return last, asked, nil
}

// FinishRevision takes a revision off the list of those with answers outstanding,
// once each of its batches, as the caller read them, is answered. What commerce
// declined stays in the day's mark: declined is how many records. It does nothing
// while the closer is still listing batches.
func FinishRevision(ctx context.Context, store table.Store, m openday.Entry, batches []outbox.Batch, at time.Time) (declined int64, err error) {
	declined, err = finishRevision(ctx, store, m, batches, at)
	if err != nil && !errors.Is(err, table.ErrChanged) {
		return 0, fmt.Errorf("finish revision %d of day %s of %s: %w", m.Revision, m.Day, m.CloudID, err)
	}
	return declined, nil
}

func finishRevision(ctx context.Context, store table.Store, m openday.Entry, batches []outbox.Batch, at time.Time) (declined int64, err error) {
	row, err := store.Get(ctx, table.UsageDays, m.CloudID, openday.RevisionKey(m.Day, m.Revision))
	if err != nil {
		return 0, err
	}
	var r Revision
	if err := table.Decode(row.Props, &r); err != nil {
		return 0, err
	}
	for _, b := range batches {
		if b.State != outbox.BatchDone {
			return 0, nil
		}
		declined += b.Declined
	}
	if int64(len(batches)) < r.Batches {
		return 0, nil
	}
	if declined > 0 {
		if err := markDeclined(ctx, store, m, declined, at); err != nil {
			return 0, err
		}
	}
	return declined, openday.RemoveRevision(ctx, store, m)
}

// markDeclined notes in the day's mark what is declined of a revision, unless an
// earlier run has, or a later revision is.
func markDeclined(ctx context.Context, store table.Store, m openday.Entry, declined int64, at time.Time) error {
	at = table.UTC(at)
	return openday.Update(ctx, store, m.CloudID, m.Day, func(mark *openday.Mark, exists bool) bool {
		if mark.DeclinedRevision >= int64(m.Revision) {
			return false
		}
		if !exists {
			mark.Since, mark.LastLanding = at, at
		}
		mark.Declined, mark.DeclinedRevision, mark.DeclinedSince = declined, int64(m.Revision), at
		return true
	})
}

// ErrNotSettled means that there is nothing to settle in a day.
var ErrNotSettled = errors.New("it cannot be settled")

// AskSettle asks for the next revision of a day to waive what commerce declined of
// the last one: it states nothing, and what is not billed is written into its
// lines. The same request again changes nothing; another one is refused until the
// first is answered.
func AskSettle(ctx context.Context, store table.Store, cloudID string, day usage.Day, why reasoned.Decision) (openday.Mark, error) {
	asks := openday.Request(why, "waive")
	asks.Waive = true
	asked, err := askDifference(ctx, store, cloudID, day, asks, why, ErrNotSettled)
	if err != nil {
		return asked, fmt.Errorf("settle day %s of %s: %w", day, cloudID, err)
	}
	return asked, nil
}

// askDifference puts a request into a day's mark that is about what commerce
// declined of the last revision. It fails with not where, by what the tables say, there
// is nothing to ask for.
func askDifference(ctx context.Context, store table.Store, cloudID string, day usage.Day, request openday.Mark, why reasoned.Decision, not error) (asked openday.Mark, err error) {
	if err := why.Check(); err != nil {
		return asked, err
	}
	// Everything is read anew before each try, as in askRestate.
	var refusal error
	err = openday.Update(ctx, store, cloudID, day, func(mark *openday.Mark, exists bool) bool {
		var answered map[string]bool
		if answered, refusal = answeredRequests(ctx, store, cloudID, day); refusal != nil {
			return false
		}
		if mark.Restate != "" && !answered[mark.Restate] {
			asked = *mark
			if mark.CarryTo != request.CarryTo || mark.Waive != request.Waive || mark.RestateReason != request.RestateReason || mark.RestateBy != request.RestateBy {
				refusal = fmt.Errorf("%s requested a revision (%q) that is not made yet; stackusage day list shows when it is: %w", mark.RestateBy, mark.RestateReason, not)
			}
			return false
		}
		if refusal = checkDeclined(ctx, store, cloudID, day, not); refusal != nil {
			return false
		}
		mark.Ask(request, exists)
		asked = *mark
		return true
	})
	return asked, errors.Join(refusal, err)
}

// checkDeclined fails with not unless commerce declined something of the day's last revision.
// What it declined of earlier ones was stated again by the next, or carried or
// waived by it.
func checkDeclined(ctx context.Context, store table.Store, cloudID string, day usage.Day, not error) error {
	last, err := LastRevision(ctx, store, cloudID, day)
	if err != nil {
		return err
	}
	_, batches, err := outbox.OfRevision(ctx, store, cloudID, day, int(last.Number))
	if err != nil {
		return err
	}
	var declined int64
	open := int64(len(batches)) < last.Batches
	for _, b := range batches {
		declined += b.Declined
		open = open || b.State != outbox.BatchDone
	}
	switch {
	case declined > 0:
		return nil
	case open:
		return fmt.Errorf("commerce has not answered all of revision %d: %w", last.Number, not)
	case last.CarriedTo != "":
		return fmt.Errorf("revision %d has carried it to usage day %s: %w", last.Number, last.CarriedTo, not)
	}
	return fmt.Errorf("no record of revision %d is declined: %w", last.Number, not)
}
