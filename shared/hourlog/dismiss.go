package hourlog

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"

	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

// Dismiss decides that rejected rows are no usage. A row that counts cannot be
// dismissed, and none while another file is about to take the hour's place. Each is
// written by the version read: ErrChanged means that somebody else decided about one
// meanwhile; what was done stays, and the rest may be tried again.
//
// Quarantine and the pointer are in two tables. So the pointer is read again after
// the rows are written: where a corrected blob counts by then, which may have copied
// the rows before, the same lines of that one are dismissed; and where one is about
// to, nothing is promised.
func Dismiss(ctx context.Context, store table.Store, id ID, rows []RejectedRow, why reasoned.Decision) error {
	err := why.Check()
	for try := 1; err == nil; try++ {
		var moved bool
		if moved, err = dismiss(ctx, store, id, rows, why); !moved {
			break
		}
		if try == reasoned.Tries {
			err = ErrMoved
			break
		}
		id, rows, err = sameLines(ctx, store, id, rows)
	}
	if err != nil {
		return fmt.Errorf("dismiss rejected rows of hour %s: %w", id, err)
	}
	return nil
}

func dismiss(ctx context.Context, store table.Store, id ID, rows []RejectedRow, why reasoned.Decision) (moved bool, err error) {
	if moved, err := hasMoved(ctx, store, id); moved || err != nil {
		return moved, err
	}
	var ops []table.Op
	for _, r := range rows {
		if r.State == Redriven {
			return false, fmt.Errorf("row %d counts, by corrected blob %s: %w", r.Line, id.SHA16, reasoned.ErrDecided)
		}
		r.Status = Dismissed
		r.DecisionReason, r.DecidedBy, r.DecidedAt = why.Reason, why.By, table.UTC(why.At)
		ops = append(ops, r.write())
	}
	if err := applyAll(ctx, store, table.Quarantine, id.partition(), ops); err != nil {
		return false, err
	}
	return hasMoved(ctx, store, id)
}

// hasMoved reports whether another file counts for the hour than id's.
func hasMoved(ctx context.Context, store table.Store, id ID) (bool, error) {
	standing, err := AcceptedHour(ctx, store, id)
	if err == nil && standing.Counts == id.SHA16 && standing.Challenger != "" {
		err = fmt.Errorf("the hour is about to change: file %s is to take its place, or to leave it; run the command again when hour list shows that it did: %w",
			standing.Challenger, reasoned.ErrDecided)
	}
	return standing.Counts != id.SHA16, err
}

// sameLines finds rows that were read of id's file in the one that counts now.
func sameLines(ctx context.Context, store table.Store, id ID, rows []RejectedRow) (ID, []RejectedRow, error) {
	before, err := Read(ctx, store, id)
	if err != nil {
		return id, nil, err
	}
	before.Counts = id.SHA16
	standing, err := AcceptedHour(ctx, store, id)
	if err == nil && standing.Root() != before.Root() {
		err = fmt.Errorf("file %s counts for the hour: %w", standing.Counts, reasoned.ErrDecided)
	}
	if err != nil {
		return id, nil, err
	}
	lines := map[int64]bool{}
	for _, r := range rows {
		lines[r.Line] = true
	}
	id.SHA16, rows = standing.Counts, nil
	for r, err := range RejectedRows(ctx, store, id) {
		if err != nil {
			return id, nil, err
		}
		if lines[r.Line] {
			rows = append(rows, r)
		}
	}
	return id, rows, nil
}

// CopyDismissals dismisses rows of the file to that are dismissed in the file from,
// which has the same lines; refusals is the file of to's rejected rows. It is done
// before the pointer moves from one to the other and once more after it: somebody may
// dismiss a row in between, and die before he reads the pointer again. counting is the
// first row that is dismissed in from and counts in to; 0 if there is none.
func CopyDismissals(ctx context.Context, store table.Store, from, to ID, refusals string) (counting int64, err error) {
	for try := 1; ; try++ {
		counting, err = copyDismissals(ctx, store, from, to, refusals)
		if errors.Is(err, table.ErrChanged) && try < reasoned.Tries {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("copy dismissals of hour %s to %s: %w", from, to.SHA16, err)
		}
		return counting, nil
	}
}

func copyDismissals(ctx context.Context, store table.Store, from, to ID, refusals string) (counting int64, err error) {
	source, err := Read(ctx, store, from)
	if err != nil {
		return 0, err
	}
	next, stop := iter.Pull2(rejected(ctx, store, to, refusals))
	defer stop()
	row, err, more := next()
	var ops []table.Op
	for r, rowErr := range rejected(ctx, store, from, source.RejectedFile) {
		if rowErr != nil {
			return 0, rowErr
		}
		for more && err == nil && row.Line < r.Line {
			row, err, more = next()
		}
		if err != nil {
			return 0, err
		}
		if r.Status != Dismissed {
			continue
		}
		if !more || row.Line != r.Line {
			counting = cmp.Or(counting, r.Line)
			continue
		}
		if row.Status == Dismissed {
			continue
		}
		row.Status, row.DecisionReason, row.DecidedBy, row.DecidedAt = r.Status, r.DecisionReason, r.DecidedBy, r.DecidedAt
		if ops = append(ops, row.write()); len(ops) == table.MaxOps {
			if err := applyAll(ctx, store, table.Quarantine, to.partition(), ops); err != nil {
				return 0, err
			}
			ops = ops[:0]
		}
	}
	return counting, applyAll(ctx, store, table.Quarantine, to.partition(), ops)
}

// write writes the row over the version that was read.
func (r RejectedRow) write() table.Op {
	r.row.Props = table.Encode(r.Quarantined)
	return table.Op{Verb: table.Update, Row: r.row}
}

func applyAll(ctx context.Context, store table.Store, name, partition string, ops []table.Op) error {
	for chunk := range table.Chunks(ops) {
		if err := store.Apply(ctx, name, partition, chunk...); err != nil {
			return err
		}
	}
	return nil
}
