package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// While what commerce accepted of a day differs from what its last revision
// states, the day is open. The mark of the revision goes once every record has its
// final answer; before that the day's own mark says how many records are declined.
// It goes with a later revision, or stays for Sweep and an operator to see.
//
//	FinishRevision  batches answered -> declined into the day's mark -> the revision's mark goes
//	FinishClose     the day's mark goes, unless it says that the last revision is declined

// Declined reports whether commerce declined a part of the last revision.
func (c *Closing) Declined() bool { return c.Last != nil && c.open.DeclinedIn(c.Last.Number) }

// DeclinedSince is when the last record of it had its final answer.
func (c *Closing) DeclinedSince() time.Time { return c.open.DeclinedSince }

// DeclinedIn reports whether commerce declined a part of a day's last revision, by its
// number.
func (m OpenDay) DeclinedIn(last int64) bool {
	return m.Declined > 0 && m.DeclinedRevision == last
}

// OnlyDeclined reports whether that is all that keeps the day open: no input came,
// and nobody asks for anything.
func (m OpenDay) OnlyDeclined(last int64) bool {
	return m.DeclinedIn(last) && m == m.onlyDeclined()
}

// onlyDeclined is the mark without what was closed.
func (m OpenDay) onlyDeclined() OpenDay {
	return OpenDay{Since: m.Since, LastLanding: m.LastLanding, Declined: m.Declined, DeclinedRevision: m.DeclinedRevision, DeclinedSince: m.DeclinedSince}
}

// Asked reads the day's last revision, and whether the mark holds a request that
// no revision has answered.
func (l *Ledger) Asked(ctx context.Context, m OpenMark) (last *Revision, asked bool, err error) {
	asked = m.Restate != ""
	for r, err := range l.RevisionsOf(ctx, m.CloudID, m.Day) {
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
func (l *Ledger) FinishRevision(ctx context.Context, m OpenMark, batches []Batch, at time.Time) (declined int64, err error) {
	declined, err = l.finishRevision(ctx, m, batches, at)
	if err != nil && !errors.Is(err, table.ErrChanged) {
		return 0, fmt.Errorf("finish revision %d of day %s of %s: %w", m.Revision, m.Day, m.CloudID, err)
	}
	return declined, nil
}

func (l *Ledger) finishRevision(ctx context.Context, m OpenMark, batches []Batch, at time.Time) (declined int64, err error) {
	row, err := l.Store.Get(ctx, table.UsageDays, m.CloudID, revisionKey(m.Day, m.Revision))
	if err != nil {
		return 0, err
	}
	var r Revision
	if err := table.Decode(row.Props, &r); err != nil {
		return 0, err
	}
	for _, b := range batches {
		if b.State != BatchDone {
			return 0, nil
		}
		declined += b.Declined
	}
	if int64(len(batches)) < r.Batches {
		return 0, nil
	}
	if declined > 0 {
		if err := l.markDeclined(ctx, m, declined, at); err != nil {
			return 0, err
		}
	}
	return declined, l.Store.Apply(ctx, table.OpenDays, m.CloudID,
		table.Op{Verb: table.Delete, Row: table.Row{Partition: m.CloudID, Key: revisionKey(m.Day, m.Revision), Tag: m.tag}})
}

// markDeclined notes in the day's mark what is declined of a revision, unless an
// earlier run has, or a later revision is.
func (l *Ledger) markDeclined(ctx context.Context, m OpenMark, declined int64, at time.Time) error {
	at = table.UTC(at)
	return l.updateMark(ctx, m.CloudID, m.Day, func(mark *OpenDay, exists bool) bool {
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
func (l *Ledger) AskSettle(ctx context.Context, cloudID string, day usage.Day, why Reasoned) (OpenDay, error) {
	asks := request(why, "waive")
	asks.Waive = true
	asked, err := l.askDifference(ctx, cloudID, day, asks, why, ErrNotSettled)
	if err != nil {
		return asked, fmt.Errorf("settle day %s of %s: %w", day, cloudID, err)
	}
	return asked, nil
}

// askDifference puts a request into a day's mark that is about what commerce
// declined of the last revision. It fails with not where, by what the tables say, there
// is nothing to ask for.
func (l *Ledger) askDifference(ctx context.Context, cloudID string, day usage.Day, request OpenDay, why Reasoned, not error) (asked OpenDay, err error) {
	if err := why.Check(); err != nil {
		return asked, err
	}
	// Everything is read anew before each try, as in askRestate.
	var refusal error
	err = l.updateMark(ctx, cloudID, day, func(mark *OpenDay, exists bool) bool {
		var answered map[string]bool
		if answered, refusal = l.answered(ctx, cloudID, day); refusal != nil {
			return false
		}
		if mark.Restate != "" && !answered[mark.Restate] {
			asked = *mark
			if mark.CarryTo != request.CarryTo || mark.Waive != request.Waive || mark.RestateReason != request.RestateReason || mark.RestateBy != request.RestateBy {
				refusal = fmt.Errorf("%s requested a revision (%q) that is not made yet; stackusage day list shows when it is: %w", mark.RestateBy, mark.RestateReason, not)
			}
			return false
		}
		if refusal = l.declined(ctx, cloudID, day, not); refusal != nil {
			return false
		}
		mark.ask(request, exists)
		asked = *mark
		return true
	})
	return asked, errors.Join(refusal, err)
}

// declined fails with not unless commerce declined something of the day's last revision.
// What it declined of earlier ones was stated again by the next, or carried or
// waived by it.
func (l *Ledger) declined(ctx context.Context, cloudID string, day usage.Day, not error) error {
	last, err := l.LastRevision(ctx, cloudID, day)
	if err != nil {
		return err
	}
	_, batches, err := l.Batches(ctx, cloudID, day, int(last.Number))
	if err != nil {
		return err
	}
	var declined int64
	open := int64(len(batches)) < last.Batches
	for _, b := range batches {
		declined += b.Declined
		open = open || b.State != BatchDone
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
