package daybook

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// carryVerdict says whether a carry counts. It is pending while its revision is not
// there; the request in the earlier day's mark has it made. It is neither if
// another closer's file became that revision.
func carryVerdict(ctx context.Context, store table.Store, c openday.Carry) (counts, pending bool, err error) {
	row, err := store.Get(ctx, table.UsageDays, c.CloudID, openday.RevisionKey(c.From, c.Revision))
	if errors.Is(err, table.ErrNotFound) {
		return false, true, nil
	}
	var r Revision
	if err == nil {
		err = table.Decode(row.Props, &r)
	}
	if err != nil {
		return false, false, fmt.Errorf("check %s: %w", c.Key(), err)
	}
	return r.File == c.File && r.SHA256 == c.SHA256 && r.CarriedTo == c.To.Compact(), false, nil
}

// judgeCarries says which of the day's carries count, and for which that may
// change.
func judgeCarries(ctx context.Context, store table.Store, c *Closing, carries []openday.Carry) error {
	for _, carry := range carries {
		counts, pending, err := carryVerdict(ctx, store, carry)
		if err != nil {
			return err
		}
		if counts {
			c.Carries = append(c.Carries, carry)
		}
		c.carryPending = c.carryPending || pending
	}
	return nil
}

// CarryTo is the day to which an operator asks to carry what the next revision
// states; 0 if it is stated as ever.
func (c *Closing) CarryTo() (usage.Day, error) {
	if c.Request == nil || c.Request.CarryTo == "" {
		return 0, nil
	}
	to, err := usage.ParseDay(c.Request.CarryTo)
	if err == nil && to <= c.Day {
		err = fmt.Errorf("%s is not after %s", to, c.Day)
	}
	if err != nil {
		return 0, fmt.Errorf("carry day %s of %s forward: carryTo in OpenDays: %w", c.Day, c.CloudID, err)
	}
	return to, nil
}

// announceCarry tells the later day what a revision is about to carry into it:
// the input first, then the mark, so that whoever sees the revision finds the
// day open.
func announceCarry(ctx context.Context, store table.Store, c *Closing, r Revision) error {
	if r.Carried == 0 {
		return nil
	}
	to, err := c.CarryTo()
	if err != nil {
		return err
	}
	carry := openday.Carry{
		CloudID: c.CloudID, To: to, From: c.Day, Revision: int(r.Number), SHA16: r.SHA256[:min(16, len(r.SHA256))],
		File: r.File, SHA256: r.SHA256, Lines: r.Carried, Reason: r.Reason, By: r.By,
	}
	if err := openday.PutCarry(ctx, store, carry); err != nil {
		return err
	}
	// No landing: what is carried does not put the deadline off.
	return openday.Touch(ctx, store, c.CloudID, to, openday.Mark{Since: c.Request.RestateAt, LastInput: carry.Key()})
}

// ErrNotCarried means that a day cannot be carried forward, or not to that one.
var ErrNotCarried = errors.New("it cannot be carried forward")

// AskCarry asks for the next revision of a day of which commerce declined
// something: its differences, whatever commerce said of them, shall be stated in
// the open day to. lateness
// is how long after its end commerce takes a day; 0 for ever. The same request
// again changes nothing; another one is refused until the first is answered.
func AskCarry(ctx context.Context, store table.Store, cloudID string, day, to usage.Day, lateness time.Duration, why reasoned.Decision) (openday.Mark, error) {
	asked, err := askCarry(ctx, store, cloudID, day, to, lateness, why)
	if err != nil {
		return asked, fmt.Errorf("carry day %s of %s forward to %s: %w", day, cloudID, to, err)
	}
	return asked, nil
}

func askCarry(ctx context.Context, store table.Store, cloudID string, day, to usage.Day, lateness time.Duration, why reasoned.Decision) (asked openday.Mark, err error) {
	switch at := table.UTC(why.At); {
	case to <= day:
		return asked, fmt.Errorf("the day that states it must come after it: %w", ErrNotCarried)
	case to.Start().After(at):
		return asked, fmt.Errorf("%s has not begun: %w", to, ErrNotCarried)
	case lateness > 0 && !at.Before(to.End().Add(lateness)):
		return asked, fmt.Errorf("commerce takes %s no more either, its limit is %s: %w", to, lateness, ErrNotCarried)
	}
	asks := openday.Request(why, "carry "+to.Compact())
	asks.CarryTo = to.Compact()
	asked, err = askDifference(ctx, store, cloudID, day, asks, why, ErrNotCarried)
	return asked, err
}
