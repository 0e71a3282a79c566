package hourlog

import (
	"context"
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
	// Of a rejected file the hour need not have a pointer.
	return decideAs(ctx, store, id, "reingest", why, readFile, func(c *claim) ([]table.Op, error) {
		switch {
		case c.file.AwaitsReingest():
			return nil, nil
		case c.file.Verdict != Rejected:
			return nil, fmt.Errorf("its verdict is %s, not %s: %w", c.file.Verdict, Rejected, reasoned.ErrDecided)
		}
		c.file.decide(DecisionReingest, why)
		if err := c.file.checkEarlier(); err != nil {
			return nil, err
		}
		return []table.Op{c.setFile()}, nil
	})
}
