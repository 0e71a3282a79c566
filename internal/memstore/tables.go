package memstore

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"stackusage/shared/table"
)

// Tables is a set of tables. NewTables makes one.
type Tables struct {
	mu     sync.Mutex
	tables map[string]map[key]table.Row
	writes int
}

type key struct{ partition, row string }

// NewTables makes empty tables.
func NewTables(names ...string) *Tables {
	s := &Tables{tables: map[string]map[key]table.Row{}}
	for _, name := range names {
		s.tables[name] = map[key]table.Row{}
	}
	return s
}

// Create makes the tables that do not exist.
func (s *Tables) Create(ctx context.Context, names ...string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, name := range names {
		if s.tables[name] == nil {
			s.tables[name] = map[key]table.Row{}
		}
	}
	return ctx.Err()
}

// ready is an error that is no sentinel if the table does not exist.
func (s *Tables) ready(ctx context.Context, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tables[name] == nil {
		return fmt.Errorf("no table %q", name)
	}
	return ctx.Err()
}

// Get implements table.Store.
func (s *Tables) Get(ctx context.Context, name, partition, row string) (table.Row, error) {
	if err := s.ready(ctx, name); err != nil {
		return table.Row{}, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	r, is := s.tables[name][key{partition, row}]
	if !is {
		return r, table.ErrNotFound
	}
	return copied(r), nil
}

func copied(r table.Row) table.Row {
	r.Props = maps.Clone(r.Props)
	return r
}

// List implements table.Store.
func (s *Tables) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	return s.rows(ctx, name, func(r table.Row) bool {
		return (partition == "" || r.Partition == partition) && within(r.Key, from, to)
	})
}

// Scan implements table.Store.
func (s *Tables) Scan(ctx context.Context, name, from, to string, any ...table.Condition) iter.Seq2[table.Row, error] {
	return s.rows(ctx, name, func(r table.Row) bool {
		return within(r.Partition, from, to) && (len(any) == 0 ||
			slices.ContainsFunc(any, func(c table.Condition) bool { return c.Holds(r.Props) }))
	})
}

func within(key, from, to string) bool { return key >= from && (to == "" || key < to) }

// rows are those of one moment.
func (s *Tables) rows(ctx context.Context, name string, wanted func(table.Row) bool) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		if err := s.ready(ctx, name); err != nil {
			yield(table.Row{}, err)
			return
		}
		s.mu.Lock()
		var found []table.Row
		for _, r := range s.tables[name] {
			if wanted(r) {
				found = append(found, copied(r))
			}
		}
		s.mu.Unlock()
		slices.SortFunc(found, func(a, b table.Row) int {
			return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Key, b.Key))
		})
		for _, r := range found {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// maxOps is what Azure Tables reads a transaction.
const maxOps = 100

// Apply implements table.Store. What Azure Tables would not take is an error.
func (s *Tables) Apply(ctx context.Context, name, partition string, ops ...table.Op) error {
	if err := s.ready(ctx, name); err != nil {
		return err
	}
	if len(ops) > maxOps {
		return fmt.Errorf("%d writes in a transaction", len(ops))
	}
	columns := make(map[key]table.Props, len(ops))
	for _, op := range ops {
		props, err := stored(op.Row)
		if err != nil {
			return err
		}
		columns[key{op.Row.Partition, op.Row.Key}] = props
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows, once := s.tables[name], map[key]bool{}
	for _, op := range ops {
		at := key{op.Row.Partition, op.Row.Key}
		if at.partition != partition || once[at] {
			return fmt.Errorf("row %v in a transaction of partition %q: another partition, or twice", at, partition)
		}
		once[at] = true
		have, is := rows[at]
		switch {
		case op.Verb == table.Insert && is:
			return table.ErrExists
		case (op.Verb == table.Update || op.Verb == table.Delete) && (!is || have.Tag != op.Row.Tag):
			return table.ErrChanged
		}
	}
	for _, op := range ops {
		at := key{op.Row.Partition, op.Row.Key}
		if op.Verb == table.Delete {
			delete(rows, at)
			continue
		}
		s.writes++
		rows[at] = table.Row{Partition: at.partition, Key: at.row, Props: columns[at], Tag: table.Tag(strconv.Itoa(s.writes))}
	}
	return nil
}

// Bounds of the service.
const (
	maxText   = 32 << 10 // UTF-16 units of a column
	firstYear = 1601
	precision = 100 * time.Nanosecond
)

// stored are the columns of a row as they are read back.
func stored(row table.Row) (table.Props, error) {
	if strings.ContainsAny(row.Partition+row.Key, "/\\#?\t\n\r") {
		return nil, fmt.Errorf("row %s/%s: a character that no key has", row.Partition, row.Key)
	}
	props := make(table.Props, len(row.Props))
	for name, v := range row.Props {
		switch x := v.(type) {
		case string:
			if len(x) > maxText && len(utf16.Encode([]rune(x))) > maxText {
				return nil, fmt.Errorf("row %s/%s: column %s is too long", row.Partition, row.Key, name)
			}
		case time.Time:
			if x.Year() < firstYear {
				return nil, fmt.Errorf("row %s/%s: column %s is before the year %d", row.Partition, row.Key, name, firstYear)
			}
			v = x.UTC().Truncate(precision)
		case bool, int64:
		default:
			return nil, fmt.Errorf("row %s/%s: column %s has type %T", row.Partition, row.Key, name, v)
		}
		props[name] = v
	}
	return props, nil
}
