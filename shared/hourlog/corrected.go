package hourlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// Redriven rows count by a corrected blob: an hour blob with the rows of the one
// that counted, some of them fixed, that takes its place like any other file that an
// operator lets in. Whether it counts is its decision's: it is never a duplicate.

// ErrMoved means that another file counts for the hour than the one that was read:
// look at it and begin again.
var ErrMoved = errors.New("another file counts for the hour by now")

// Root is the landed blob that the file which counts, by its pointer, has the lines
// of: itself, or the one that it corrects.
func (h Hour) Root() string { return cmp.Or(h.Original, h.Counts) }

// AskCorrect announces that id's file, a corrected blob that is stored, takes the
// place of the file replaces: the decision of a redrive. h is its row, as far as it is
// known before its rows are added up. done is true if it counts already. TakeOver
// carries it out; repeating it changes nothing.
func AskCorrect(ctx context.Context, store table.Store, id ID, h Hour, replaces string, why reasoned.Decision) (done bool, err error) {
	err = why.Check()
	if err == nil {
		_, err = changeAs(ctx, store, id, readNewClaim, func(c *claim) ([]table.Op, error) {
			done = c.standing.Counts == id.SHA16
			switch other := c.standing.Challenger; {
			case done, other == id.SHA16:
				return nil, nil // done, or on its way
			case other == leaving:
				return nil, fmt.Errorf("file %s is about to be excluded: %w", c.standing.Counts, reasoned.ErrDecided)
			case other != "":
				return nil, errTakesOver(other)
			case c.standing.Counts != replaces:
				return nil, ErrMoved
			}
			before := c.file
			c.file = h
			c.file.Earlier, c.file.Decision = before.Earlier, before.Decision
			c.file.DecisionReason, c.file.DecidedBy, c.file.DecidedAt = before.DecisionReason, before.DecidedBy, before.DecidedAt
			c.file.decide(DecisionRedrive, why)
			c.file.Verdict, c.file.Reason = Conflict, "a corrected blob that is about to take the place of "+c.standing.Blob
			if err := c.file.checkEarlier(); err != nil {
				return nil, err
			}
			c.standing.Challenger = id.SHA16
			return []table.Op{c.setFile(), c.setStanding()}, nil
		})
	}
	if err != nil {
		return false, fmt.Errorf("correct hour %s: %w", id, err)
	}
	return done, nil
}

// readNewClaim is readClaim of a file that may have no row yet.
func readNewClaim(ctx context.Context, store table.Store, id ID) (claim, error) {
	c, err := readFile(ctx, store, id)
	if errors.Is(err, table.ErrNotFound) {
		err = nil
	}
	if err == nil {
		c.standTag, err = readRow(ctx, store, id, id.pointer(), &c.standing)
	}
	return c, err
}
