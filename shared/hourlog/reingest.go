package hourlog

import (
	"context"
	"errors"
	"fmt"

	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// AwaitsReingest reports whether an operator had a rejected file ingested again, and
// it has not been yet.
func (h Hour) AwaitsReingest() bool { return h.Decision == DecisionReingest && h.Verdict == Rejected }

// AskReingest decides that a rejected file is ingested again, by the rules of now: a
// final verdict is final for the functions, not for a person. IngestHour does it.
// Repeating it before that changes nothing.
func AskReingest(ctx context.Context, store table.Store, id ID, why reasoned.Decision) (Hour, error) {
	err := why.Check()
	var h Hour
	for try := 1; err == nil; try++ {
		h, err = askReingest(ctx, store, id, why)
		if !errors.Is(err, table.ErrChanged) || try == reasoned.Tries {
			break
		}
		err = nil
	}
	if err != nil {
		return h, fmt.Errorf("reingest hour %s: %w", id, err)
	}
	return h, nil
}

func askReingest(ctx context.Context, store table.Store, id ID, why reasoned.Decision) (h Hour, err error) {
	c := claim{id: id}
	if c.fileTag, err = readRow(ctx, store, id, id.key(), &c.file); err != nil {
		return h, err
	}
	switch {
	case c.file.AwaitsReingest():
		return c.file, nil
	case c.file.Verdict != Rejected:
		return c.file, fmt.Errorf("its verdict is %s, not %s: %w", c.file.Verdict, Rejected, reasoned.ErrDecided)
	}
	c.file.decide(DecisionReingest, why)
	if err := c.file.checkEarlier(); err != nil {
		return c.file, err
	}
	return c.file, store.Apply(ctx, table.UsageHours, id.partition(), c.setFile())
}
