package table

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync/atomic"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// Bounds of one transaction (Azure Tables: 100 entities, 4 MiB): writes, and their
// bytes, about.
const (
	MaxOps      = 100
	maxOpsBytes = 3 << 20
)

// sizeOf estimates what a row weighs on the wire. Strings are sent as JSON, which
// may write a byte as six.
func sizeOf(r Row) int {
	n := 200 + len(r.Partition) + len(r.Key)
	for name, v := range r.Props {
		n += len(name) + 40
		if s, ok := v.(string); ok {
			n += jsonSize(s)
		}
	}
	return n
}

// jsonMore is how many bytes JSON may write a character of ASCII longer.
var jsonMore = func() (more [256]uint8) {
	for c := range ' ' {
		more[c] = 5 // \u001f
	}
	more['<'], more['>'], more['&'] = 5, 5, 5
	more['"'], more['\\'] = 1, 1
	return more
}()

// jsonSize is at least what a text takes as JSON, between quotes.
func jsonSize(s string) int {
	n, ascii := len(s)+2, true
	for i := range len(s) {
		n += int(jsonMore[s[i]])
		ascii = ascii && s[i] < utf8.RuneSelf
	}
	if !ascii {
		for _, r := range s {
			if r == utf8.RuneError || r == '\u2028' || r == '\u2029' {
				n += 5
			}
		}
	}
	return n
}

// mostOf is at least sizeOf, and takes no look at the texts.
func mostOf(r Row) int {
	n := 200 + len(r.Partition) + len(r.Key)
	for name, v := range r.Props {
		n += len(name) + 42
		if s, ok := v.(string); ok {
			n += 6 * len(s)
		}
	}
	return n
}

// Chunks cuts ops into transactions within the bounds.
func Chunks(ops []Op) iter.Seq[[]Op] {
	return func(yield func([]Op) bool) {
		for len(ops) > 0 {
			n := fitting(ops[:min(len(ops), MaxOps)])
			if !yield(ops[:n]) {
				return
			}
			ops = ops[n:]
		}
	}
}

// fitting is how many of the ops, from the first on, go into one transaction by their
// bytes: one at least.
func fitting(ops []Op) int {
	most := 0
	for _, op := range ops {
		most += mostOf(op.Row)
	}
	if most <= maxOpsBytes {
		return len(ops)
	}
	bytes := 0
	for i, op := range ops {
		if bytes += sizeOf(op.Row); i > 0 && bytes > maxOpsBytes {
			return i
		}
	}
	return len(ops)
}

// InsertAll inserts rows of one partition that may be there already, from an
// earlier try of the same step: what is there stays.
func InsertAll(ctx context.Context, store Store, name, partition string, rows []Row) error {
	_, err := InsertNew(ctx, store, name, partition, rows)
	return err
}

// chunksAtOnce is how many transactions InsertNew has under way: those of a batch of
// 500 records.
const chunksAtOnce = 5

// InsertNew is InsertAll, and counts the rows that were there. The transactions have no
// order: a failure leaves any of them stored, as a crash does.
func InsertNew(ctx context.Context, store Store, name, partition string, rows []Row) (there int, err error) {
	ops := make([]Op, len(rows))
	for i, r := range rows {
		ops[i] = Op{Verb: Insert, Row: r}
	}
	var present atomic.Int64
	var writes errgroup.Group
	writes.SetLimit(chunksAtOnce)
	for chunk := range Chunks(ops) {
		writes.Go(func() error {
			n, err := insertChunk(ctx, store, name, partition, chunk)
			present.Add(int64(n))
			return err
		})
	}
	err = writes.Wait()
	return int(present.Load()), err
}

// insertChunk inserts what is not there of one transaction. Somebody else may
// insert meanwhile; each round then has fewer rows.
func insertChunk(ctx context.Context, store Store, name, partition string, ops []Op) (there int, err error) {
	for len(ops) > 0 {
		err := store.Apply(ctx, name, partition, ops...)
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
		have, err := Present(ctx, store, name, partition, keys)
		if err != nil {
			return there, err
		}
		if len(have) == 0 {
			return there, fmt.Errorf("insert %d rows of %s/%s: one exists, and none can be read", len(ops), name, partition)
		}
		there += len(have)
		ops = slices.DeleteFunc(slices.Clone(ops), func(op Op) bool { _, ok := have[op.Row.Key]; return ok })
	}
	return there, nil
}

// listAhead is how many rows Present reads in the hope of finding the ones it
// looks for: two answers of the service. In a larger table asking for each row
// costs less.
const listAhead = 2000

// Present reads those of some rows of one partition that are there, by key. A
// step that is repeated finds hundreds of its rows: one listing costs a few
// requests where asking for each would cost hundreds.
func Present(ctx context.Context, store Store, name, partition string, keys []string) (map[string]Row, error) {
	have := make(map[string]Row, len(keys))
	left := slices.Sorted(slices.Values(keys))
	if len(left) > 2 {
		read := 0
		for row, err := range store.List(ctx, name, partition, left[0], left[len(left)-1]+"!") {
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
		row, err := store.Get(ctx, name, partition, key)
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
