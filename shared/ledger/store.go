// Package ledger is what counted: the state of hours, days and batches in
// tables, and the order of writes that keeps it true under crashes, repeats and
// races.
//
//	CommitHour    DayInputs -> mark in OpenDays -> UsageHours        the hour counts
//	BeginClose    mark's ETag -> last revision -> DayInputs -> which of them count
//	CommitRevision  insert in UsageDays                             the day is stated
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
	"time"
)

// Tables. Their names and columns are the audit interface.
const (
	TableRegistrations  = "Registrations"
	TableUsageHours     = "UsageHours"
	TableDayInputs      = "DayInputs"
	TableOpenDays       = "OpenDays"
	TableUsageDays      = "UsageDays"
	TableDailyUsage     = "DailyUsage"
	TableUsageBatches   = "UsageBatches"
	TableQuarantine     = "Quarantine"
	TableFailedMessages = "FailedMessages"
)

// Tables lists every table, in the order of the way of the data.
func Tables() []string {
	return []string{
		TableRegistrations, TableUsageHours, TableDayInputs, TableOpenDays, TableUsageDays,
		TableDailyUsage, TableUsageBatches, TableQuarantine, TableFailedMessages,
	}
}

// Containers that rows name.
const (
	ContainerPartials   = "partials"   // what DayInputs names without its container
	ContainerQuarantine = "quarantine" // refused rows, and the supplements made of them
)

// Props are the columns of a row: string, bool, int64 or time.Time.
type Props map[string]any

// Tag stands for one version of a row. Only the store knows what is in it.
type Tag string

// Row is one row of a table.
type Row struct {
	Partition, Key string
	Props          Props
	Tag            Tag // as read; empty in a row that was never stored
}

// Verb is what an Op does.
type Verb int

// Verbs. Update and Delete need the Tag of the version that was read.
const (
	Insert Verb = iota // ErrExists if the key is taken
	Put                // insert or replace
	Update             // replace; ErrChanged if the row is another version or gone
	Delete             // ErrChanged if the row is another version or gone
)

// Op is one write.
type Op struct {
	Verb Verb
	Row  Row
}

// Sentinels of a Store. Any other error is the store's own: it may or may not
// have stored, and the caller repeats the whole step.
var (
	ErrNotFound = errors.New("no such row")
	ErrExists   = errors.New("the row exists")
	ErrChanged  = errors.New("the row has changed")
)

// Condition holds for rows whose column says exactly value.
type Condition struct{ Column, Value string }

// Store is a set of tables. Implementations are safe for concurrent use and do
// not retry ErrExists or ErrChanged.
type Store interface {
	// Get reads one row; ErrNotFound if there is none.
	Get(ctx context.Context, table, partition, key string) (Row, error)
	// List reads rows in order of partition and key. An empty partition means
	// all. Rows have from <= key < to; an empty bound is open.
	List(ctx context.Context, table, partition, from, to string) iter.Seq2[Row, error]
	// Scan reads rows of the partitions from <= partition < to, in the order of
	// List; an empty bound is open. With conditions it reads only rows of which
	// one holds: the service looks for them, and the caller pays for what it gets.
	Scan(ctx context.Context, table, from, to string, any ...Condition) iter.Seq2[Row, error]
	// Apply does up to 100 writes in one partition, all or none. When it
	// returns nil the rows are stored; when it fails with a sentinel none is.
	Apply(ctx context.Context, table, partition string, ops ...Op) error
}

// Ledger keeps the state of hours, days and batches in a Store.
type Ledger struct{ Store Store }

// Bounds of one transaction (Azure Tables: 100 entities, 4 MiB).
const (
	maxOps      = 100
	maxOpsBytes = 3 << 20
)

// size estimates what a row weighs on the wire. Strings are sent as JSON, which
// may write a byte as six.
func (r Row) size() int {
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
func chunks(ops []Op) iter.Seq[[]Op] {
	return func(yield func([]Op) bool) {
		first, bytes := 0, 0
		for i, op := range ops {
			size := op.Row.size()
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
func (l *Ledger) insertAll(ctx context.Context, table, partition string, rows []Row) error {
	_, err := l.insertNew(ctx, table, partition, rows)
	return err
}

// insertNew is insertAll, and counts the rows that were there.
func (l *Ledger) insertNew(ctx context.Context, table, partition string, rows []Row) (there int, err error) {
	ops := make([]Op, len(rows))
	for i, r := range rows {
		ops[i] = Op{Insert, r}
	}
	for chunk := range chunks(ops) {
		n, err := l.insertChunk(ctx, table, partition, chunk)
		there += n
		if err != nil {
			return there, err
		}
	}
	return there, nil
}

// insertChunk inserts what is not there of one transaction. Somebody else may
// insert meanwhile; each round then has fewer rows.
func (l *Ledger) insertChunk(ctx context.Context, table, partition string, ops []Op) (there int, err error) {
	for len(ops) > 0 {
		err := l.Store.Apply(ctx, table, partition, ops...)
		if !errors.Is(err, ErrExists) {
			return there, err
		}
		if len(ops) == 1 {
			return there + 1, nil
		}
		keys := make([]string, len(ops))
		for i, op := range ops {
			keys[i] = op.Row.Key
		}
		have, err := l.present(ctx, table, partition, keys)
		if err != nil {
			return there, err
		}
		if len(have) == 0 {
			return there, fmt.Errorf("insert %d rows of %s/%s: one exists, and none can be read", len(ops), table, partition)
		}
		there += len(have)
		ops = slices.DeleteFunc(slices.Clone(ops), func(op Op) bool { _, ok := have[op.Row.Key]; return ok })
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
func (l *Ledger) present(ctx context.Context, table, partition string, keys []string) (map[string]Row, error) {
	have := make(map[string]Row, len(keys))
	left := slices.Sorted(slices.Values(keys))
	if len(left) > 2 {
		read := 0
		for row, err := range l.Store.List(ctx, table, partition, left[0], left[len(left)-1]+"!") {
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
		row, err := l.Store.Get(ctx, table, partition, key)
		if errors.Is(err, ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		have[key] = row
	}
	return have, nil
}

// utc is a time as a column holds it: whole seconds, so that what is read back
// is what was written.
func utc(t time.Time) time.Time { return t.UTC().Truncate(time.Second) }
