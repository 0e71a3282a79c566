package ledger

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Closing is what a closer saw when it began.
type Closing struct {
	CloudID string
	Day     usage.Day
	Last    *Revision  // nil: the day was never closed
	Counted []DayInput // inputs whose hour counts, in order
	Pending []DayInput // inputs whose hour has no verdict yet, or another file about to take its place
	Request *OpenDay   // what an operator asked for and no revision has answered
	Carries []Carry    // what counts of other days' revisions, in order

	OffCalendar bool // no hour of the day is expected; the closer sets it, from the registration

	left         bool // a file with an input of the day counted once, and does not any more
	carryPending bool // another day is about to carry something into this one
	mark         table.Tag
	open         OpenDay // the mark
}

// ErrNotOpen means that the day has nothing to close.
var ErrNotOpen = errors.New("the day is not open")

// errMoved means that a file took another's place while the day was looked at.
var errMoved = errors.New("an hour of the day is changing hands")

// BeginClose looks at a day in the order that loses nothing: the mark first,
// then the last revision, then the inputs, then which of them count.
func (l *Ledger) BeginClose(ctx context.Context, cloudID string, day usage.Day) (*Closing, error) {
	err := errMoved
	var c *Closing
	for try := 0; try < decideTries && errors.Is(err, errMoved); try++ {
		c, err = l.beginClose(ctx, cloudID, day)
	}
	if err != nil {
		return nil, fmt.Errorf("close day %s of %s: %w", day, cloudID, err)
	}
	return c, nil
}

func (l *Ledger) beginClose(ctx context.Context, cloudID string, day usage.Day) (*Closing, error) {
	mark, err := l.Store.Get(ctx, table.OpenDays, cloudID, day.Compact())
	if errors.Is(err, table.ErrNotFound) {
		return nil, ErrNotOpen
	} else if err != nil {
		return nil, err
	}
	c := &Closing{CloudID: cloudID, Day: day, mark: mark.Tag}
	if err := l.readStated(ctx, c, mark); err != nil {
		return nil, err
	}
	inputs, carries, err := l.inputs(ctx, cloudID, day)
	if err != nil {
		return nil, err
	}
	if err := l.judgeCarries(ctx, c, carries); err != nil {
		return nil, err
	}
	moved := false
	for len(inputs) > 0 {
		n := 1
		for n < len(inputs) && inputs[n].Hour == inputs[0].Hour {
			n++
		}
		without, err := l.judgeInputs(ctx, c, inputs[:n])
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
		again, err := l.Store.Get(ctx, table.OpenDays, cloudID, day.Compact())
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
func (l *Ledger) readStated(ctx context.Context, c *Closing, mark table.Row) error {
	if err := table.Decode(mark.Props, &c.open); err != nil {
		return err
	}
	if open := c.open; open.Restate != "" {
		c.Request = &open
	}
	for r, err := range l.RevisionsOf(ctx, c.CloudID, c.Day) {
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

func (l *Ledger) inputs(ctx context.Context, cloudID string, day usage.Day) (inputs []DayInput, carries []Carry, err error) {
	for row, err := range l.Store.List(ctx, table.DayInputs, dayPartition(cloudID, day), "", "") {
		if err != nil {
			return nil, nil, err
		}
		if strings.HasPrefix(row.Key, carryPrefix) {
			carry, err := carryOf(cloudID, day, row)
			if err != nil {
				return nil, nil, err
			}
			carries = append(carries, carry)
			continue
		}
		in := DayInput{CloudID: cloudID, Day: day}
		if in.Hour, in.SHA16, err = splitInput(row.Key); err != nil {
			return nil, nil, err
		}
		if err := table.Decode(row.Props, &in); err != nil {
			return nil, nil, err
		}
		inputs = append(inputs, in)
	}
	return inputs, carries, nil
}

// judgeInputs says which of the inputs of one reported hour counts, and for
// which that may change soon. They are judged by one reading of the pointer: by
// their own rows, read one after the other while one file takes another's
// place, both could seem to count, or neither. without is true if the hour
// counts with a file that is not among them.
func (l *Ledger) judgeInputs(ctx context.Context, c *Closing, inputs []DayInput) (without bool, err error) {
	standing, err := l.AcceptedHour(ctx, HourID{c.CloudID, inputs[0].Hour, inputs[0].SHA16})
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
		h, err := l.Hour(ctx, HourID{in.CloudID, in.Hour, in.SHA16})
		if err != nil && !errors.Is(err, table.ErrNotFound) {
			return false, err
		}
		c.left = c.left || h.Verdict == Voided || h.Verdict == Excluded
		// Nobody has decided yet, or it counts since the pointer was read. One that is
		// not registered, beside another, counts only by a decision, which marks the day.
		if err != nil || !h.Verdict.Final() && !there || h.Verdict == Accepted {
			c.Pending = append(c.Pending, in)
		}
	}
	return without, nil
}
