// Package memtable is a table.Store in memory, for tests of rules that do not depend
// on Azure Tables. What the service does with the same calls is tested in
// shared/azurestore.
package memtable

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strconv"
	"sync"

	"stackusage/shared/table"
)

// Store is a set of tables. The zero value is empty and ready to use.
type Store struct {
	mu     sync.Mutex
	tables map[string]map[key]table.Row
	writes int
}

type key struct{ partition, row string }

// Get implements table.Store.
func (s *Store) Get(ctx context.Context, name, partition, row string) (table.Row, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, is := s.tables[name][key{partition, row}]
	if !is {
		return r, cmp.Or(ctx.Err(), table.ErrNotFound)
	}
	return copied(r), ctx.Err()
}

func copied(r table.Row) table.Row {
	r.Props = maps.Clone(r.Props)
	return r
}

// List implements table.Store.
func (s *Store) List(ctx context.Context, name, partition, from, to string) iter.Seq2[table.Row, error] {
	return s.rows(ctx, name, func(r table.Row) bool {
		return (partition == "" || r.Partition == partition) && within(r.Key, from, to)
	})
}

// Scan implements table.Store.
func (s *Store) Scan(ctx context.Context, name, from, to string, any ...table.Condition) iter.Seq2[table.Row, error] {
	return s.rows(ctx, name, func(r table.Row) bool {
		return within(r.Partition, from, to) && (len(any) == 0 ||
			slices.ContainsFunc(any, func(c table.Condition) bool { return r.Props[c.Column] == c.Value }))
	})
}

func within(key, from, to string) bool { return key >= from && (to == "" || key < to) }

// rows are those of one moment.
func (s *Store) rows(ctx context.Context, name string, wanted func(table.Row) bool) iter.Seq2[table.Row, error] {
	return func(yield func(table.Row, error) bool) {
		if err := ctx.Err(); err != nil {
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

// Apply implements table.Store.
func (s *Store) Apply(ctx context.Context, name, _ string, ops ...table.Op) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	rows := s.tables[name]
	for _, op := range ops {
		have, is := rows[key{op.Row.Partition, op.Row.Key}]
		switch {
		case op.Verb == table.Insert && is:
			return table.ErrExists
		case (op.Verb == table.Update || op.Verb == table.Delete) && (!is || have.Tag != op.Row.Tag):
			return table.ErrChanged
		}
	}
	if rows == nil {
		rows = map[key]table.Row{}
		if s.tables == nil {
			s.tables = map[string]map[key]table.Row{}
		}
		s.tables[name] = rows
	}
	for _, op := range ops {
		at := key{op.Row.Partition, op.Row.Key}
		if op.Verb == table.Delete {
			delete(rows, at)
			continue
		}
		s.writes++
		r := copied(op.Row)
		r.Tag = table.Tag(strconv.Itoa(s.writes))
		rows[at] = r
	}
	return nil
}
