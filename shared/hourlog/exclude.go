package hourlog

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Who had an hour excluded: column excludedBy.
const (
	ExcludedByOperator = "operator" // final, until a file is let in again
	ExcludedByEnd      = "end"      // the registration had ended: the file counts again once its hour is registered again
)

// leaving in column challenger: the file that counts is about to leave, and no
// other takes its place.
const leaving = "-"

// Leaves reports whether the file is about to be excluded: that was announced,
// and has not been done yet.
func (h Hour) Leaves() bool { return h.Verdict == Accepted && h.Decision == DecisionExclude }

// OutByEnd reports whether only an end took the file out. It is asked of its row.
func (h Hour) OutByEnd() bool { return h.Verdict == Unregistered && h.Decision == DecisionExclude }

// CountsAgain reports whether id's file, which only an end took out, is the one
// that counts again now that its hour is registered. It is asked of the pointer.
func (h Hour) CountsAgain(id ID) bool {
	return h.takenOutByEnd(id) && (h.Challenger == "" || h.Challenger == id.SHA16)
}

func (h Hour) takenOutByEnd(id ID) bool {
	return h.Counts == "" && h.Excluded == id.SHA16 && h.ExcludedBy == ExcludedByEnd
}

// Waits reports whether id's file, which only an end took out, has to wait: another
// file is about to take the place. It is asked of the pointer.
func (h Hour) Waits(id ID) bool { return h.takenOutByEnd(id) && !h.CountsAgain(id) }

// Exclude takes a file that counts out of the bill, and lets none take its place:
// because an operator decided so or, byEnd, because its hour is not registered any
// more. It writes in the order of a supersede: the pointer says that the file
// leaves, so that closers see it as pending; then the marks of its usage days; then
// one transaction. By an end a file that was about to take over is withdrawn too.
// It may be repeated at any time, and finishes what another run began. A file that
// does not count is left as it is, by an end without an error.
func Exclude(ctx context.Context, store table.Store, id ID, why reasoned.Decision, byEnd bool) (Verdict, error) {
	err := why.Check()
	var h Hour
	if err == nil {
		h, err = announceExclusion(ctx, store, id, why, byEnd)
	}
	if byEnd && errors.Is(err, table.ErrNotFound) { // nothing counts for its hour yet
		h, err = Read(ctx, store, id)
	}
	if err == nil && h.Leaves() {
		h.Verdict, err = carryOutExclusion(ctx, store, id)
	}
	if err != nil {
		return "", fmt.Errorf("exclude hour %s: %w", id, err)
	}
	return h.Verdict, nil
}

// FinishExclusion carries out what was announced for id's file, if it still leaves:
// whoever announced it was killed.
func FinishExclusion(ctx context.Context, store table.Store, id ID) (Verdict, error) {
	verdict, err := carryOutExclusion(ctx, store, id)
	if err != nil {
		return "", fmt.Errorf("exclude hour %s: %w", id, err)
	}
	return verdict, nil
}

func announceExclusion(ctx context.Context, store table.Store, id ID, why reasoned.Decision, byEnd bool) (Hour, error) {
	return change(ctx, store, id, func(c *claim) ([]table.Op, error) {
		var ops []table.Op
		switch other := c.standing.Challenger; {
		case c.standing.takenOutByEnd(id) && !byEnd:
			return nil, fmt.Errorf("only the end of its registration took it out; once the hour is registered again it counts, and can be excluded: %w", reasoned.ErrDecided)
		case c.standing.Excluded == id.SHA16 && c.standing.Counts == "", c.standing.Counts != id.SHA16 && byEnd:
			return nil, nil // done, or nothing to do
		case c.standing.Counts != id.SHA16:
			return nil, fmt.Errorf("its verdict is %s, not %s: %w", c.file.Verdict, Accepted, reasoned.ErrDecided)
		case other == leaving:
			return nil, nil // on its way
		case other != "" && !byEnd:
			return nil, errTakesOver(other)
		case other != "":
			challenger, err := readClaim(ctx, store, ID{id.CloudID, id.Hour, other})
			if err != nil {
				return nil, err
			}
			challenger.file.withdraw(why)
			ops = append(ops, challenger.setFile())
		}
		c.file.decide(DecisionExclude, why)
		if err := c.file.checkEarlier(); err != nil {
			return nil, err
		}
		c.standing.Challenger, c.standing.ExcludedBy = leaving, ExcludedByOperator
		if byEnd {
			c.standing.ExcludedBy = ExcludedByEnd
		}
		return append(ops, c.setFile(), c.setStanding()), nil
	})
}

func carryOutExclusion(ctx context.Context, store table.Store, id ID) (Verdict, error) {
	c, err := readClaim(ctx, store, id)
	if err != nil || c.standing.Counts != id.SHA16 || c.standing.Challenger != leaving {
		return c.file.Verdict, err // somebody else did it
	}
	days, err := daysOf(ctx, store, id, c.file)
	if err == nil {
		err = markAll(ctx, store, id, days, openday.Mark{Since: c.file.DecidedAt, LastLanding: c.file.LandedAt})
	}
	if err != nil {
		return "", err
	}
	by := c.standing.ExcludedBy
	c.file.Verdict, c.file.Reason = Excluded, "counted until it was excluded"
	if by == ExcludedByEnd {
		c.file.Verdict, c.file.Reason = Unregistered, "counted until the registration's end took it out; it counts again once the hour is registered again"
	}
	c.standing = c.file
	c.standing.Excluded, c.standing.ExcludedBy = id.SHA16, by
	err = store.Apply(ctx, table.UsageHours, id.partition(), c.setStanding(), c.setFile())
	if errors.Is(err, table.ErrChanged) {
		now, readErr := readClaim(ctx, store, id)
		if readErr != nil || now.standing.Challenger != leaving {
			return now.file.Verdict, readErr
		}
	}
	return c.file.Verdict, err
}

// leftByEnd is what makes a file that is not registered one that an end took out,
// if it has inputs: an ingest wrote them and died before its commit, and closers
// would wait for it for ever. Nothing otherwise. One that was about to count again is
// not any more.
func leftByEnd(ctx context.Context, store table.Store, id ID, h Hour) ([]table.Op, error) {
	if h.Verdict != Unregistered {
		return nil, nil
	}
	_, err := store.Get(ctx, table.DayInputs, openday.Partition(id.CloudID, id.Hour.Day()), id.Hour.Compact()+"_"+id.SHA16)
	if err == nil {
		c := claim{id: id}
		c.standTag, err = readRow(ctx, store, id, id.pointer(), &c.standing)
		switch {
		case errors.Is(err, table.ErrNotFound):
			h.Excluded, h.ExcludedBy = id.SHA16, ExcludedByEnd
			return []table.Op{{Verb: table.Insert, Row: table.Row{Partition: id.partition(), Key: id.pointer(), Props: table.Encode(h)}}}, nil
		case err == nil && c.standing.takenOutByEnd(id) && c.standing.Challenger == id.SHA16:
			c.standing.Challenger = ""
			return []table.Op{c.setStanding()}, nil
		}
	}
	if errors.Is(err, table.ErrNotFound) {
		err = nil
	}
	return nil, err
}

// readmit lets a file count again that only an end took out. It is announced
// like a supersede, or a closer would not know that the day is about to change.
func readmit(ctx context.Context, store table.Store, id ID, h Hour, inputs []openday.Input) (Verdict, error) {
	_, err := change(ctx, store, id, func(c *claim) ([]table.Op, error) {
		if c.standing.Challenger == id.SHA16 || !c.standing.CountsAgain(id) {
			return nil, nil // on its way, or somebody else was first
		}
		c.standing.Challenger = id.SHA16
		return []table.Op{c.setStanding()}, nil
	})
	if err != nil {
		return "", fmt.Errorf("let hour %s count again: %w", id, err)
	}
	return TakeOver(ctx, store, id, h, inputs)
}

// EndTakeOver ends what was decided and cannot be carried out, with the reason: a
// file that was to take over does not, and no day waits for it any more. What its
// verdict was before stands, and an operator may decide anew.
func EndTakeOver(ctx context.Context, store table.Store, id ID, why reasoned.Decision) (Hour, error) {
	h, err := change(ctx, store, id, func(c *claim) ([]table.Op, error) {
		if c.standing.Challenger != id.SHA16 {
			return nil, nil
		}
		c.standing.Challenger = ""
		c.file.withdraw(why)
		return []table.Op{c.setFile(), c.setStanding()}, nil
	})
	if err != nil {
		return h, fmt.Errorf("end the take-over of hour %s: %w", id, err)
	}
	return h, nil
}

// withdraw says in the row of a file why it does not take over. Of one that an end
// took out, and that was about to count again, nothing was decided.
func (h *Hour) withdraw(why reasoned.Decision) {
	if h.Verdict == Unregistered {
		return
	}
	h.decide(DecisionWithdrawn, why)
	if h.Original != "" && h.Verdict == Conflict { // nobody is to decide about it: a redrive may make it anew
		h.Verdict, h.Reason = KeptOut, "a corrected blob that did not come to count"
	}
}

// markAll gives the marks of usage days new versions, in their order.
func markAll(ctx context.Context, store table.Store, id ID, days []usage.Day, touch openday.Mark) error {
	touch.LastInput = id.Hour.Compact() + "_" + id.SHA16
	for _, d := range slices.Compact(slices.Sorted(slices.Values(days))) {
		if err := openday.Touch(ctx, store, id.CloudID, d, touch); err != nil {
			return err
		}
	}
	return nil
}
