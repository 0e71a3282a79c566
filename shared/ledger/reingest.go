package ledger

import (
	"context"
	"errors"
	"fmt"

	"stackusage/shared/table"
)

// AwaitsReingest reports whether an operator had a rejected file ingested again, and
// it has not been yet.
func (h Hour) AwaitsReingest() bool { return h.Decision == Reingest && h.Verdict == Rejected }

// AskReingest decides that a rejected file is ingested again, by the rules of now: a
// final verdict is final for the functions, not for a person. IngestHour does it.
// Repeating it before that changes nothing.
func (l *Ledger) AskReingest(ctx context.Context, id HourID, why Reasoned) (Hour, error) {
	err := why.Check()
	var h Hour
	for try := 1; err == nil; try++ {
		h, err = l.askReingest(ctx, id, why)
		if !errors.Is(err, table.ErrChanged) || try == decideTries {
			break
		}
		err = nil
	}
	if err != nil {
		return h, fmt.Errorf("reingest hour %s: %w", id, err)
	}
	return h, nil
}

func (l *Ledger) askReingest(ctx context.Context, id HourID, why Reasoned) (h Hour, err error) {
	c := claim{id: id}
	if c.fileTag, err = l.readRow(ctx, id, id.key(), &c.file); err != nil {
		return h, err
	}
	switch {
	case c.file.AwaitsReingest():
		return c.file, nil
	case c.file.Verdict != Rejected:
		return c.file, fmt.Errorf("its verdict is %s, not %s: %w", c.file.Verdict, Rejected, ErrDecided)
	}
	c.file.decide(Reingest, why)
	if err := c.file.checkEarlier(); err != nil {
		return c.file, err
	}
	return c.file, l.Store.Apply(ctx, table.UsageHours, id.partition(), c.setFile())
}
