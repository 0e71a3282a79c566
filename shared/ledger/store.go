// Package ledger is what counted: the state of hours, days and batches in
// tables, and the order of writes that keeps it true under crashes, repeats and
// races.
//
//	CommitHour    DayInputs -> mark in OpenDays -> UsageHours        the hour counts
//	BeginClose    mark's ETag -> last revision -> DayInputs -> which of them count
//	CommitRevision  insert in UsageDays                             the day is closed
//	FinishClose   delete the mark, if nothing came in between
//
// Content is written before the row that commits it; a commit is an insert or
// one transaction in one partition; a repeat finds its row and still does what
// comes after it. docs/formats/tables.md lists tables and columns.
package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"slices"

	"stackusage/shared/table"
)

// Ledger keeps the state of hours, days and batches in a Store.
type Ledger struct{ Store table.Store }

// Bounds of one transaction (Azure Tables: 100 entities, 4 MiB).
const (
	maxOps      = 100
	maxOpsBytes = 3 << 20
)

// sizeOf estimates what a row weighs on the wire. Strings are sent as JSON, which
// may write a byte as six.
func sizeOf(r table.Row) int {
	n := 200 + len(r.Partition) + len(r.Key)
	for name, v := range r.Props {
		n += len(name) + 40
		if s, ok := v.(string); ok {
			n += jsonSize(s)
		}
	}
	return n
}

func jsonSize(s string) int {
	text, _ := json.Marshal(s) // a string: cannot fail
	return len(text)
}

// chunks cuts ops into transactions within the bounds.
func chunks(ops []table.Op) iter.Seq[[]table.Op] {
	return func(yield func([]table.Op) bool) {
		first, bytes := 0, 0
		for i, op := range ops {
			size := sizeOf(op.Row)
			if i-first == maxOps || i > first && bytes+size > maxOpsBytes {
				if !yield(ops[first:i]) {
					return
				}
				first, bytes = i, 0
			}
			bytes += size
		}
		if first < len(ops) {
			yield(ops[first:])
		}
	}
}

// insertAll inserts rows of one partition that may be there already, from an
// earlier try of the same step: what is there stays.
func (l *Ledger) insertAll(ctx context.Context, name, partition string, rows []table.Row) error {
	_, err := l.insertNew(ctx, name, partition, rows)
	return err
}

// insertNew is insertAll, and counts the rows that were there.
func (l *Ledger) insertNew(ctx context.Context, name, partition string, rows []table.Row) (there int, err error) {
	ops := make([]table.Op, len(rows))
	for i, r := range rows {
		ops[i] = table.Op{Verb: table.Insert, Row: r}
	}
	for chunk := range chunks(ops) {
		n, err := l.insertChunk(ctx, name, partition, chunk)
		there += n
		if err != nil {
			return there, err
		}
	}
	return there, nil
}

// insertChunk inserts what is not there of one transaction. Somebody else may
// insert meanwhile; each round then has fewer rows.
func (l *Ledger) insertChunk(ctx context.Context, name, partition string, ops []table.Op) (there int, err error) {
	for len(ops) > 0 {
		err := l.Store.Apply(ctx, name, partition, ops...)
		if !errors.Is(err, table.ErrExists) {
			return there, err
		}
		if len(ops) == 1 {
			return there + 1, nil
		}
		keys := make([]string, len(ops))
		for i, op := range ops {
			keys[i] = op.Row.Key
		}
		have, err := l.present(ctx, name, partition, keys)
		if err != nil {
			return there, err
		}
		if len(have) == 0 {
			return there, fmt.Errorf("insert %d rows of %s/%s: one exists, and none can be read", len(ops), name, partition)
		}
		there += len(have)
		ops = slices.DeleteFunc(slices.Clone(ops), func(op table.Op) bool { _, ok := have[op.Row.Key]; return ok })
	}
	return there, nil
}

// listAhead is how many rows present reads in the hope of finding the ones it
// looks for: two answers of the service. In a larger table asking for each row
// costs less.
const listAhead = 2000

// present reads those of some rows of one partition that are there, by key. A
// step that is repeated finds hundreds of its rows: one listing costs a few
// requests where asking for each would cost hundreds.
func (l *Ledger) present(ctx context.Context, name, partition string, keys []string) (map[string]table.Row, error) {
	have := make(map[string]table.Row, len(keys))
	left := slices.Sorted(slices.Values(keys))
	if len(left) > 2 {
		read := 0
		for row, err := range l.Store.List(ctx, name, partition, left[0], left[len(left)-1]+"!") {
			if err != nil {
				return nil, err
			}
			for len(left) > 0 && left[0] < row.Key {
				left = left[1:]
			}
			if len(left) > 0 && left[0] == row.Key {
				have[row.Key], left = row, left[1:]
			}
			if read++; len(left) == 0 || read == listAhead {
				break
			}
		}
		if read < listAhead {
			return have, nil
		}
	}
	for _, key := range left {
		row, err := l.Store.Get(ctx, name, partition, key)
		if errors.Is(err, table.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		have[key] = row
	}
	return have, nil
}
