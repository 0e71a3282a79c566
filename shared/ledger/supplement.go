package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// A supplement is refused rows of an hour blob that are sent again: under rules
// that take them now, or put right by people. It counts beside its hour blob and
// falls with it. Its row in UsageHours is <HH>_<sha16>_<supplement's sha16>, and
// its inputs in DayInputs are named so too.
//
// One at a time may be on its way for an hour. The pointer names it, and the
// run that works on it; the commit needs that name still to be there, in the same
// transaction. So whoever takes the hour's place, or takes the work over from a
// run that died, shuts the other one out, and a row that was claimed under the
// name is in no other supplement.

// SupplementOf names a supplement of an hour blob by the hash of its file.
func SupplementOf(id HourID, sha16 string) HourID {
	return HourID{id.CloudID, id.Hour, id.SHA16 + "_" + sha16}
}

// splitSupplement is the hour blob that a supplement belongs to.
func splitSupplement(id HourID) (parent HourID, sha16 string, is bool) {
	parent = id
	parent.SHA16, sha16, is = strings.Cut(id.SHA16, "_")
	return parent, sha16, is
}

// onItsWay reports whether an hour's pointer names a supplement.
func onItsWay(standing Hour, sha16 string) bool {
	return sha16 != "" && strings.HasPrefix(standing.Redrive, sha16+"_")
}

// maxSupplements keeps the transaction that voids them all within its bound.
const maxSupplements = 90

// Supplements lists those of an hour blob by the hash of their file, whatever
// their verdict.
func (l *Ledger) Supplements(ctx context.Context, id HourID) (map[string]Hour, error) {
	all := map[string]Hour{}
	for row, err := range l.Store.List(ctx, table.UsageHours, id.partition(), id.key()+"_", id.key()+"`") {
		var h Hour
		if err == nil {
			err = table.Decode(row.Props, &h)
		}
		if err != nil {
			return nil, fmt.Errorf("list supplements of hour %s: %w", id, err)
		}
		all[strings.TrimPrefix(row.Key, id.key()+"_")] = h
	}
	return all, nil
}

// SupplementOfOthers is the row of a supplement, zero if it was never committed,
// and whether a run other than the named one is on its way to commit it. The
// pointer is read first: a commit in between is seen in the row.
func (l *Ledger) SupplementOfOthers(ctx context.Context, id HourID, sha16, run string) (h Hour, onTheWay bool, err error) {
	standing, err := l.CountedHour(ctx, id)
	if err != nil {
		return h, false, err
	}
	h, err = l.Hour(ctx, SupplementOf(id, sha16))
	if errors.Is(err, table.ErrNotFound) {
		err = nil
	}
	mine := Redrive{Supplement: sha16, Run: run}
	return h, onItsWay(standing, sha16) && standing.Redrive != mine.name(), err
}

// voidSupplements makes the writes by which the supplements of a file fall with
// it, and adds their usage days.
func (l *Ledger) voidSupplements(ctx context.Context, id HourID, by string, days *[]usage.Day) ([]table.Op, error) {
	var ops []table.Op
	for row, err := range l.Store.List(ctx, table.UsageHours, id.partition(), id.key()+"_", id.key()+"`") {
		var h Hour
		if err == nil {
			err = table.Decode(row.Props, &h)
		}
		if err != nil {
			return nil, err
		}
		if h.Verdict != Counted {
			continue
		}
		supplement := SupplementOf(id, strings.TrimPrefix(row.Key, id.key()+"_"))
		its, err := l.daysOf(ctx, supplement, h)
		if err != nil {
			return nil, err
		}
		*days = append(*days, its...)
		h.Verdict, h.SupersededBy, h.Reason = Voided, by, "counted until another file took its hour blob's place"
		row.Props = table.Encode(h)
		ops = append(ops, table.Op{Verb: table.Update, Row: row})
	}
	return ops, nil
}

// judgeSupplement says whether an input from a supplement counts: if its own row
// says so, and the pointer names its hour blob. One that is neither committed nor
// on its way is of a run that came to nothing; should it be taken up again it
// marks the day anew.
func (l *Ledger) judgeSupplement(ctx context.Context, c *Closing, in DayInput, standing Hour, parent, sha16 string) error {
	if standing.Counts != parent {
		return nil
	}
	h, err := l.Hour(ctx, HourID{c.CloudID, in.Hour, in.SHA16})
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return err
	}
	counts := h.Verdict == Counted
	if counts {
		c.Counted = append(c.Counted, in)
	}
	if counts && standing.Challenger != "" || !counts && onItsWay(standing, sha16) {
		c.Pending = append(c.Pending, in)
	}
	return nil
}
