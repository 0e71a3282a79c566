package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"stackusage/shared/table"
)

// RowStatus says what became of a refused row.
type RowStatus string

// Statuses of refused rows. A claim holds only while its supplement is on its
// way or counts: see RefusedRow.State.
const (
	Refused   RowStatus = "refused"
	Claimed   RowStatus = "claimed"   // a supplement is on its way that has it
	Redriven  RowStatus = "redriven"  // a supplement has it
	Dismissed RowStatus = "dismissed" // an operator decided that it is no usage
)

// Quarantined is a row of Quarantine: a refused row, why, and what became of it.
type Quarantined struct {
	Line   int64     `col:"line"` // the row's number in the hour blob, from 1
	Code   string    `col:"code"`
	Reason string    `col:"reason"`
	Blob   string    `col:"blob"`  // the hour blob: container and name
	Bytes  string    `col:"bytes"` // where the row's bytes are kept: container and name
	Status RowStatus `col:"status"`

	Supplement     string    `col:"supplement,omitempty"` // that has the row: the hash in its name
	DecisionReason string    `col:"decisionReason,omitempty"`
	DecidedBy      string    `col:"decidedBy,omitempty"`
	DecidedAt      time.Time `col:"decidedAt"`
}

func quarantineKey(id HourID, line int64) string { return fmt.Sprintf("%s_%010d", id.key(), line) }

// PutQuarantine stores refused rows of one blob. It may be repeated: what became
// of a row since stays. Only where the blob was judged by other rules before, and
// its refused rows are another file now, are the rows replaced.
func (l *Ledger) PutQuarantine(ctx context.Context, id HourID, rows []Quarantined) error {
	ops := make([]table.Op, len(rows))
	for i, q := range rows {
		ops[i] = table.Op{Verb: table.Insert, Row: table.Row{Partition: id.partition(), Key: quarantineKey(id, q.Line), Props: table.Encode(q)}}
	}
	for chunk := range chunks(ops) {
		err := l.Store.Apply(ctx, table.Quarantine, id.partition(), chunk...)
		if errors.Is(err, table.ErrExists) {
			err = l.putAgain(ctx, chunk)
		}
		if err != nil {
			return fmt.Errorf("quarantine rows of hour %s: %w", id, err)
		}
	}
	return nil
}

func (l *Ledger) putAgain(ctx context.Context, ops []table.Op) error {
	for _, op := range ops {
		have, err := l.Store.Get(ctx, table.Quarantine, op.Row.Partition, op.Row.Key)
		switch {
		case err == nil && have.Props["bytes"] == op.Row.Props["bytes"]:
			continue
		case err == nil:
			op.Verb, op.Row.Tag = table.Update, have.Tag
		case !errors.Is(err, table.ErrNotFound):
			return err
		}
		if err := l.Store.Apply(ctx, table.Quarantine, op.Row.Partition, op); err != nil {
			return err
		}
	}
	return nil
}

// RefusedRow is a row of Quarantine with what follows from the rest: whether it
// is still out of the bill.
type RefusedRow struct {
	Quarantined
	State RowStatus // Status, but for a claim that came to nothing

	row table.Row
}

// RefusedRows goes through the refused rows of an hour blob that counts, in
// order of line. Rows of an earlier judgement of the same blob are left out.
//
// That a claim came to nothing is decided by the pointer and the supplements as
// they are after the row was read: read before, a supplement that began since
// would be in neither, and its row would be given to somebody else.
func (l *Ledger) RefusedRows(ctx context.Context, id HourID) iter.Seq2[RefusedRow, error] {
	return func(yield func(RefusedRow, error) bool) {
		fail := func(err error) { yield(RefusedRow{}, fmt.Errorf("list refused rows of hour %s: %w", id, err)) }
		seen, err := l.lookAtClaims(ctx, id)
		if err != nil {
			fail(err)
			return
		}
		refusals := seen.standing.Refusals
		var held []RefusedRow // read, and to be judged together
		judge := func() bool {
			if slices.ContainsFunc(held, seen.doubts) {
				if seen, err = l.lookAtClaims(ctx, id); err != nil {
					fail(err)
					return false
				}
			}
			for _, r := range held {
				r.State = seen.stateOf(r.Quarantined)
				if !yield(r, nil) {
					return false
				}
			}
			held = held[:0]
			return true
		}
		for row, err := range l.Store.List(ctx, table.Quarantine, id.partition(), id.key()+"_", id.key()+"`") {
			r := RefusedRow{row: row}
			if err == nil {
				err = table.Decode(row.Props, &r.Quarantined)
			}
			if err != nil {
				fail(err)
				return
			}
			if r.Bytes != refusals {
				continue
			}
			if held = append(held, r); len(held) == maxOps && !judge() {
				return
			}
		}
		judge()
	}
}

// claims is which supplements of an hour blob count or are on their way.
type claims struct {
	standing    Hour
	supplements map[string]Hour
}

func (l *Ledger) lookAtClaims(ctx context.Context, id HourID) (claims, error) {
	standing, err := l.CountedHour(ctx, id)
	if err == nil && standing.Counts != id.SHA16 {
		err = fmt.Errorf("file %s counts for the hour: %w", standing.Counts, ErrDecided)
	}
	if err != nil {
		return claims{}, err
	}
	supplements, err := l.Supplements(ctx, id)
	return claims{standing, supplements}, err
}

// doubts reports whether a row names a supplement that, as far as is known,
// came to nothing.
func (c claims) doubts(r RefusedRow) bool {
	return (r.Status == Claimed || r.Status == Redriven) && c.stateOf(r.Quarantined) == Refused
}

// stateOf says whether a claim holds. A supplement counts when its own row in
// UsageHours says so, and is on its way while the pointer names it.
func (c claims) stateOf(q Quarantined) RowStatus {
	if q.Status != Claimed && q.Status != Redriven {
		return q.Status
	}
	if c.supplements[q.Supplement].Verdict == Counted {
		return Redriven
	}
	if onItsWay(c.standing, q.Supplement) {
		return Claimed
	}
	return Refused
}

// QuarantinedHours goes through the hour blobs that count and have refused rows.
func (l *Ledger) QuarantinedHours(ctx context.Context, cloudID string) iter.Seq2[LandedHour, error] {
	return func(yield func(LandedHour, error) bool) {
		for h, err := range l.LandedHours(ctx, cloudID) {
			if err == nil && (h.Verdict != Counted || h.Quarantined == 0) {
				continue
			}
			if !yield(h, err) || err != nil {
				return
			}
		}
	}
}

// Dismiss decides that refused rows are no usage. Rows that were sent again, or
// are on their way, cannot be dismissed. Each is written by the version read:
// ErrChanged means that somebody else decided about one meanwhile; what was
// done stays, and the rest may be tried again.
func (l *Ledger) Dismiss(ctx context.Context, id HourID, rows []RefusedRow, why Reasoned) error {
	err := why.check()
	var ops []table.Op
	for _, r := range rows {
		if r.State == Claimed || r.State == Redriven {
			err = fmt.Errorf("row %d is %s: %w", r.Line, r.State, ErrDecided)
			break
		}
		r.Status, r.Supplement = Dismissed, ""
		ops = append(ops, r.decided(why))
	}
	if err == nil {
		err = l.applyAll(ctx, table.Quarantine, id.partition(), ops)
	}
	if err != nil {
		return fmt.Errorf("dismiss refused rows of hour %s: %w", id, err)
	}
	return nil
}

// decided writes what was decided about a row over the version that was read.
func (r RefusedRow) decided(why Reasoned) table.Op {
	r.DecisionReason, r.DecidedBy, r.DecidedAt = why.Reason, why.By, table.UTC(why.At)
	r.row.Props = table.Encode(r.Quarantined)
	return table.Op{Verb: table.Update, Row: r.row}
}

func (l *Ledger) applyAll(ctx context.Context, name, partition string, ops []table.Op) error {
	for chunk := range chunks(ops) {
		if err := l.Store.Apply(ctx, name, partition, chunk...); err != nil {
			return err
		}
	}
	return nil
}
