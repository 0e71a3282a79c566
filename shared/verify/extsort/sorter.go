// Package extsort adds up items by key without end: what does not fit in memory is
// sorted in temporary files.
package extsort

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"os"
	"slices"
	"strings"

	"stackusage/shared/verify/evidence"
)

// Sorter adds up items of one key, in order of the keys and without end: what is over
// maxMemory goes to sorted files.
type Sorter[T interface{ Add(T) T }] struct {
	Dir   string
	held  []keyed[T]
	size  int
	files []*os.File
}

type keyed[T any] struct {
	Key  string
	Item T
}

const maxMemory = 64 << 20 // bytes of what a sorter holds

// KeyOf is parts of a key as one text that has their order, whatever is in them.
func KeyOf(parts ...string) string {
	var key strings.Builder
	for _, part := range parts {
		key.WriteString(strings.ReplaceAll(part, "\x00", "\x00\x01") + "\x00\x00")
	}
	return key.String()
}

// Put takes an item that has the texts of its key, and so many bytes more.
func (s *Sorter[T]) Put(key string, item T, more int) {
	s.held = append(s.held, keyed[T]{key, item})
	if s.size += 500 + 4*len(key) + more; s.size < maxMemory {
		return
	}
	f, err := os.CreateTemp(s.Dir, "verify-")
	evidence.Must(err)
	s.files = append(s.files, f)
	w := bufio.NewWriter(f)
	for k := range s.sorted() {
		evidence.Must(json.NewEncoder(w).Encode(k))
	}
	evidence.Must(w.Flush())
	s.held, s.size = nil, 0
}

func (s *Sorter[T]) sorted() iter.Seq[keyed[T]] {
	slices.SortStableFunc(s.held, func(a, b keyed[T]) int { return strings.Compare(a.Key, b.Key) })
	return slices.Values(s.held)
}

// Close removes the files.
func (s *Sorter[T]) Close() {
	for _, f := range s.files {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
}

// All goes through the sums, as often as it is called. Items of one key are added in
// the order in which they came.
func (s *Sorter[T]) All() iter.Seq2[string, T] {
	var runs []iter.Seq[keyed[T]]
	for _, f := range s.files {
		runs = append(runs, read[T](f))
	}
	for runs = append(runs, s.sorted()); len(runs) > 1; {
		var halves []iter.Seq[keyed[T]]
		for two := range slices.Chunk(runs, 2) {
			if len(two) > 1 {
				two[0] = merged(two[0], two[1])
			}
			halves = append(halves, two[0])
		}
		runs = halves
	}
	return func(yield func(string, T) bool) {
		var sum *keyed[T]
		for k := range runs[0] {
			switch {
			case sum != nil && sum.Key == k.Key:
				sum.Item = sum.Item.Add(k.Item)
				continue
			case sum != nil && !yield(sum.Key, sum.Item):
				return
			}
			sum = &k
		}
		if sum != nil {
			yield(sum.Key, sum.Item)
		}
	}
}

func read[T any](f *os.File) iter.Seq[keyed[T]] {
	return func(yield func(keyed[T]) bool) {
		_, err := f.Seek(0, io.SeekStart)
		evidence.Must(err)
		for dec := json.NewDecoder(bufio.NewReader(f)); ; {
			var k keyed[T]
			if err := dec.Decode(&k); err == io.EOF {
				return
			} else if evidence.Must(err); !yield(k) {
				return
			}
		}
	}
}

func merged[T any](as, bs iter.Seq[keyed[T]]) iter.Seq[keyed[T]] {
	return func(yield func(keyed[T]) bool) {
		next, stop := iter.Pull(bs)
		defer stop()
		b, more := next()
		for a := range as {
			for ; more && b.Key < a.Key; b, more = next() {
				if !yield(b) {
					return
				}
			}
			if !yield(a) {
				return
			}
		}
		for ; more && yield(b); b, more = next() {
		}
	}
}
