package daybook

import (
	"context"
	"errors"
	"fmt"

	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Closing is what a closer saw when it began.
type Closing struct {
	CloudID string
	Day     usage.Day
	Last    *Revision       // nil: the day was never closed
	Counted []openday.Input // inputs whose hour counts, in order
	Pending []openday.Input // inputs whose hour has no verdict yet, or another file about to take its place
	Request *openday.Mark   // what an operator asked for and no revision has answered
	Carries []openday.Carry // what counts of other days' revisions, in order

	OffCalendar bool // no hour of the day is expected; the closer sets it, from the registration

	left         bool // a file with an input of the day counted once, and does not any more
	carryPending bool // another day is about to carry something into this one
	mark         table.Tag
	open         openday.Mark // the mark
}

// ErrNotOpen means that the day has nothing to close.
var ErrNotOpen = errors.New("the day is not open")

// errMoved means that a file took another's place while the day was looked at.
var errMoved = errors.New("an hour of the day is changing hands")

// Begin looks at a day in the order that loses nothing: the mark first,
// then the last revision, then the inputs, then which of them count.
func Begin(ctx context.Context, store table.Store, cloudID string, day usage.Day) (*Closing, error) {
	err := errMoved
	var c *Closing
	for try := 0; try < reasoned.Tries && errors.Is(err, errMoved); try++ {
		c, err = begin(ctx, store, cloudID, day)
	}
	if err != nil {
		return nil, fmt.Errorf("close day %s of %s: %w", day, cloudID, err)
	}
	return c, nil
}

func begin(ctx context.Context, store table.Store, cloudID string, day usage.Day) (*Closing, error) {
	mark, err := store.Get(ctx, table.OpenDays, cloudID, day.Compact())
	if errors.Is(err, table.ErrNotFound) {
		return nil, ErrNotOpen
	} else if err != nil {
		return nil, err
	}
	c := &Closing{CloudID: cloudID, Day: day, mark: mark.Tag}
	if err := readStated(ctx, store, c, mark); err != nil {
		return nil, err
	}
	inputs, carries, err := openday.Read(ctx, store, cloudID, day)
	if err != nil {
		return nil, err
	}
	if err := judgeCarries(ctx, store, c, carries); err != nil {
		return nil, err
	}
	moved := false
	for len(inputs) > 0 {
		n := 1
		for n < len(inputs) && inputs[n].Hour == inputs[0].Hour {
			n++
		}
		without, err := judgeInputs(ctx, store, c, inputs[:n])
		if err != nil {
			return nil, err
		}
		moved = moved || without
		inputs = inputs[n:]
	}
	if moved {
		// The file that counts has no rows of the day. Or it took its place after
		// the inputs were listed, and its own was not yet among them: then it has
		// marked the day since.
		again, err := store.Get(ctx, table.OpenDays, cloudID, day.Compact())
		if errors.Is(err, table.ErrNotFound) || err == nil && again.Tag != mark.Tag {
			err = errMoved
		}
		if err != nil {
			return nil, err
		}
	}
	return c, nil
}

// readStated reads how the day was closed, and whether an operator asks for
// more.
func readStated(ctx context.Context, store table.Store, c *Closing, mark table.Row) error {
	if err := table.Decode(mark.Props, &c.open); err != nil {
		return err
	}
	if open := c.open; open.Restate != "" {
		c.Request = &open
	}
	for r, err := range Revisions(ctx, store, c.CloudID, c.Day) {
		if err != nil {
			return err
		}
		c.Last = &r
		if r.Restate == c.open.Restate {
			c.Request = nil
		}
	}
	return nil
}

// judgeInputs says which of the inputs of one reported hour counts, and for
// which that may change soon. They are judged by one reading of the pointer: by
// their own rows, read one after the other while one file takes another's
// place, both could seem to count, or neither. without is true if the hour
// counts with a file that is not among them.
func judgeInputs(ctx context.Context, store table.Store, c *Closing, inputs []openday.Input) (without bool, err error) {
	standing, err := hourlog.AcceptedHour(ctx, store, hourlog.ID{CloudID: c.CloudID, Hour: inputs[0].Hour, SHA16: inputs[0].SHA16})
	if err != nil && !errors.Is(err, table.ErrNotFound) {
		return false, err
	}
	there := err == nil
	without = standing.Counts != ""
	for _, in := range inputs {
		switch in.SHA16 {
		case standing.Counts:
			without = false
			c.Counted = append(c.Counted, in)
			if standing.Challenger != "" {
				c.Pending = append(c.Pending, in)
			}
			continue
		case standing.Challenger:
			c.Pending = append(c.Pending, in)
			continue
		case standing.Excluded:
			c.left = true
			continue
		}
		h, err := hourlog.Read(ctx, store, hourlog.ID{CloudID: in.CloudID, Hour: in.Hour, SHA16: in.SHA16})
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return false, err
		}
		c.left = c.left || h.Verdict == hourlog.Voided || h.Verdict == hourlog.Excluded
		// Nobody has decided yet, or it counts since the pointer was read. One that is
		// not registered, beside another, counts only by a decision, which marks the day.
		if err != nil || !h.Verdict.Final() && !there || h.Verdict == hourlog.Accepted {
			c.Pending = append(c.Pending, in)
		}
	}
	return without, nil
}
