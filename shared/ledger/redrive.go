package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"stackusage/shared/table"
)

// Redrive is one run that makes a supplement count.
type Redrive struct {
	ID         HourID // of the hour blob
	Supplement string // hash in the name of the supplement's file
	Run        string // a name that no other run has
	Why        Reasoned
	TakeOver   bool // another supplement that is on its way may be stopped

	ledger *Ledger
}

func (r *Redrive) name() string { return r.Supplement + "_" + r.Run }

// ErrRedriving means that another run holds the hour, or has taken it over.
var ErrRedriving = errors.New("another redrive of the hour is on its way")

// BeginRedrive announces a supplement. done is true if it counts already.
func (l *Ledger) BeginRedrive(ctx context.Context, r Redrive) (_ *Redrive, done bool, err error) {
	r.ledger = l
	if err = r.Why.check(); err == nil {
		done, err = r.begin(ctx)
	}
	if err != nil {
		return nil, false, fmt.Errorf("redrive rows of hour %s: %w", r.ID, err)
	}
	return &r, done, nil
}

func (r *Redrive) begin(ctx context.Context) (done bool, err error) {
	_, err = r.ledger.change(ctx, r.ID, func(c *claim) ([]table.Op, error) {
		supplements, err := r.ledger.Supplements(ctx, r.ID)
		if err != nil {
			return nil, err
		}
		done = supplements[r.Supplement].Verdict == Counted
		switch other := c.standing.Redrive; {
		case c.standing.Counts != r.ID.SHA16:
			return nil, fmt.Errorf("file %s counts for the hour: %w", c.standing.Counts, ErrDecided)
		case done:
			return nil, nil
		case c.standing.Challenger != "":
			return nil, fmt.Errorf("file %s is about to take the hour over: %w", c.standing.Challenger, ErrDecided)
		case other != "" && !onItsWay(c.standing, r.Supplement) && !r.TakeOver:
			return nil, fmt.Errorf("%w: by %s since %s; if it has died, take it over", ErrRedriving, c.standing.RedriveBy, c.standing.RedriveAt.UTC().Format(time.RFC3339))
		case len(supplements) >= maxSupplements:
			return nil, fmt.Errorf("it has %d supplements; no more are taken: %w", len(supplements), ErrDecided)
		}
		c.standing.Redrive, c.standing.RedriveBy, c.standing.RedriveAt = r.name(), r.Why.By, table.UTC(r.Why.At)
		return []table.Op{c.setStanding()}, nil
	})
	return done, err
}

// Claim takes the given lines, which must come in order, for the supplement: each
// row by the version that was read under the supplement's name. It fails if a
// row is in another supplement.
// Lines are gone through again if another run of the same supplement writes the
// same rows meanwhile.
func (r *Redrive) Claim(ctx context.Context, lines iter.Seq2[int64, error]) error {
	err := r.claim(ctx, lines)
	for try := 1; errors.Is(err, table.ErrChanged) && try < decideTries; try++ {
		// Whoever does not hold the hour any more leaves it to who does.
		standing, readErr := r.ledger.CountedHour(ctx, r.ID)
		if readErr != nil {
			err = readErr
		} else if standing.Redrive != r.name() {
			err = ErrRedriving
		} else {
			err = r.claim(ctx, lines)
		}
	}
	if err != nil {
		return fmt.Errorf("redrive rows of hour %s: %w", r.ID, err)
	}
	return nil
}

func (r *Redrive) claim(ctx context.Context, lines iter.Seq2[int64, error]) error {
	return r.eachRow(ctx, lines, func(row *RefusedRow) error {
		if row.State == Redriven || row.State == Claimed && row.Supplement != r.Supplement {
			return fmt.Errorf("row %d is in supplement %s: %w", row.Line, row.Supplement, ErrDecided)
		}
		// Written even if an earlier run of the same supplement did: whoever read
		// that version to decide otherwise must fail.
		row.Status, row.Supplement = Claimed, r.Supplement
		return nil
	})
}

// FinishRedrives says in the rows of supplements that count that they are
// redriven, where whoever committed one died before it could. What counts does
// not depend on it. Two may do it at once: the rows are read again then.
func (l *Ledger) FinishRedrives(ctx context.Context, id HourID) error {
	err := l.finishRedrives(ctx, id)
	for try := 1; errors.Is(err, table.ErrChanged) && try < decideTries; try++ {
		err = l.finishRedrives(ctx, id)
	}
	return err
}

func (l *Ledger) finishRedrives(ctx context.Context, id HourID) error {
	var ops []table.Op
	for row, err := range l.RefusedRows(ctx, id) {
		if err != nil {
			return err
		}
		if row.State == Redriven && row.Status == Claimed {
			row.Status = Redriven
			row.row.Props = table.Encode(row.Quarantined)
			ops = append(ops, table.Op{Verb: table.Update, Row: row.row})
		}
		if len(ops) == maxOps {
			if err := l.applyAll(ctx, table.Quarantine, id.partition(), ops); err != nil {
				return err
			}
			ops = ops[:0]
		}
	}
	return l.applyAll(ctx, table.Quarantine, id.partition(), ops)
}

// eachRow walks lines and rows side by side, both in order, and writes what
// change makes of each row, many at a time.
func (r *Redrive) eachRow(ctx context.Context, lines iter.Seq2[int64, error], change func(*RefusedRow) error) error {
	rows, err := pull(r.ledger.RefusedRows(ctx, r.ID))
	defer rows.stop()
	if err != nil {
		return err
	}
	var ops []table.Op
	for line, err := range lines {
		for err == nil && rows.more && rows.head.Line < line {
			err = rows.advance()
		}
		if err == nil && (!rows.more || rows.head.Line != line) {
			err = fmt.Errorf("row %d is not in quarantine: %w", line, table.ErrNotFound)
		}
		if err != nil {
			return err
		}
		row := rows.head
		if err := change(&row); err != nil {
			return err
		}
		if ops = append(ops, row.decided(r.Why)); len(ops) == maxOps {
			if err := r.ledger.applyAll(ctx, table.Quarantine, r.ID.partition(), ops); err != nil {
				return err
			}
			ops = ops[:0]
		}
	}
	return r.ledger.applyAll(ctx, table.Quarantine, r.ID.partition(), ops)
}

// Commit makes the supplement count: h is its row, inputs its partials, all
// stored. In CommitHour's order: inputs, marks, and then one transaction that
// inserts the supplement's row and takes its name out of the pointer.
func (r *Redrive) Commit(ctx context.Context, h Hour, inputs []DayInput) error {
	id := SupplementOf(r.ID, r.Supplement)
	err := r.ledger.openInputs(ctx, inputs)
	if err == nil {
		_, err = r.ledger.change(ctx, r.ID, func(c *claim) ([]table.Op, error) {
			row, err := r.row(ctx, id, h)
			if err != nil || row == nil {
				return nil, err // an earlier try of ours, or a run of the same supplement
			}
			if c.standing.Redrive != r.name() {
				return nil, ErrRedriving
			}
			if c.standing.Challenger != "" {
				return nil, fmt.Errorf("file %s is about to take the hour over: %w", c.standing.Challenger, ErrDecided)
			}
			c.standing.Redrive, c.standing.RedriveBy, c.standing.RedriveAt = "", "", time.Time{}
			c.standing.Supplements++
			c.standing.Redriven += h.Records
			return []table.Op{c.setStanding(), *row}, nil
		})
	}
	if err != nil {
		return fmt.Errorf("commit supplement %s: %w", id, err)
	}
	return nil
}

// row is the write of the supplement's row; nil if it counts already. Where the
// hour blob was voided and let back in, the same supplement may be there, voided.
func (r *Redrive) row(ctx context.Context, id HourID, h Hour) (*table.Op, error) {
	h.Verdict, h.Decision = Counted, Redriving
	h.DecisionReason, h.DecidedBy, h.DecidedAt = r.Why.Reason, r.Why.By, table.UTC(r.Why.At)
	op := table.Op{Verb: table.Insert, Row: table.Row{Partition: id.partition(), Key: id.key()}}
	have, err := r.ledger.Store.Get(ctx, table.UsageHours, op.Row.Partition, op.Row.Key)
	switch {
	case err == nil:
		var before Hour
		if err := table.Decode(have.Props, &before); err != nil {
			return nil, err
		}
		if before.Verdict == Counted {
			return nil, nil
		}
		now := h
		h = before
		h.decide(Redriving, r.Why)
		now.Earlier = h.Earlier
		if err := now.checkEarlier(); err != nil {
			return nil, err
		}
		h, op = now, table.Op{Verb: table.Update, Row: have}
	case !errors.Is(err, table.ErrNotFound):
		return nil, err
	}
	op.Row.Props = table.Encode(h)
	return &op, nil
}

// Withdraw takes the supplement's name out of the pointer, if it is still there:
// it will not count.
func (r *Redrive) Withdraw(ctx context.Context) error {
	_, err := r.ledger.change(ctx, r.ID, func(c *claim) ([]table.Op, error) {
		if c.standing.Redrive != r.name() {
			return nil, nil
		}
		c.standing.Redrive, c.standing.RedriveBy, c.standing.RedriveAt = "", "", time.Time{}
		return []table.Op{c.setStanding()}, nil
	})
	if err != nil {
		return fmt.Errorf("withdraw supplement %s of hour %s: %w", r.Supplement, r.ID, err)
	}
	return nil
}

// WithdrawRedrive ends a redrive that is on its way, as an operator decided: it
// will not count, and its rows are refused again. A run that is still alive fails
// at its commit. Without one on its way nothing is done.
func (l *Ledger) WithdrawRedrive(ctx context.Context, id HourID, why Reasoned) error {
	err := why.check()
	if err == nil {
		_, err = l.change(ctx, id, func(c *claim) ([]table.Op, error) {
			if c.standing.Counts != id.SHA16 {
				return nil, fmt.Errorf("file %s counts for the hour: %w", c.standing.Counts, ErrDecided)
			}
			if c.standing.Redrive == "" {
				return nil, nil
			}
			c.standing.Redrive, c.standing.RedriveBy, c.standing.RedriveAt = "", why.By, table.UTC(why.At)
			c.standing.RedriveEnd = fmt.Sprintf("withdrawn by %s: %s", why.By, Clip(why.Reason))
			return []table.Op{c.setStanding()}, nil
		})
	}
	if err != nil {
		return fmt.Errorf("withdraw redrive of hour %s: %w", id, err)
	}
	return nil
}
