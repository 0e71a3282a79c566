package verify

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"os"
	"slices"
	"strings"
)

// sorter adds up items of one key, in order of keys and without end: what is over
// maxMemory goes to sorted files.
type sorter[T interface{ add(T) T }] struct {
	dir   string
	held  []keyed[T]
	size  int
	files []*os.File
}

type keyed[T any] struct {
	Key  string
	Item T
}

const maxMemory = 64 << 20 // bytes of what a sorter holds

// keyOf is parts of a key as one text that has their order, whatever is in them.
func keyOf(parts ...string) string {
	var key strings.Builder
	for _, part := range parts {
		key.WriteString(strings.ReplaceAll(part, "\x00", "\x00\x01") + "\x00\x00")
	}
	return key.String()
}

// put takes an item that has the texts of its key, and so many bytes more.
func (s *sorter[T]) put(key string, item T, more int) {
	s.held = append(s.held, keyed[T]{key, item})
	if s.size += 500 + 4*len(key) + more; s.size < maxMemory {
		return
	}
	f, err := os.CreateTemp(s.dir, "verify-")
	must(err)
	s.files = append(s.files, f)
	w := bufio.NewWriter(f)
	for _, k := range s.sorted() {
		must(json.NewEncoder(w).Encode(k))
	}
	must(w.Flush())
	s.held, s.size = nil, 0
}

func (s *sorter[T]) sorted() []keyed[T] {
	slices.SortStableFunc(s.held, func(a, b keyed[T]) int { return strings.Compare(a.Key, b.Key) })
	return s.held
}

// close removes the files.
func (s *sorter[T]) close() {
	for _, f := range s.files {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
}

// all goes through the sums, as often as it is called.
func (s *sorter[T]) all() iter.Seq2[string, T] {
	return func(yield func(string, T) bool) {
		var sum *keyed[T]
		for k := range s.merged() {
			switch {
			case sum != nil && sum.Key == k.Key:
				sum.Item = sum.Item.add(k.Item)
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

// merged goes through the items; those of one key in the order in which they came.
func (s *sorter[T]) merged() iter.Seq[keyed[T]] {
	return func(yield func(keyed[T]) bool) {
		held := s.sorted()
		next := make([]func() (keyed[T], bool), len(s.files)+1)
		for i, f := range s.files {
			_, err := f.Seek(0, io.SeekStart)
			must(err)
			dec := json.NewDecoder(bufio.NewReader(f))
			next[i] = func() (k keyed[T], more bool) {
				if err := dec.Decode(&k); err != io.EOF {
					must(err)
					more = true
				}
				return k, more
			}
		}
		next[len(s.files)] = func() (k keyed[T], more bool) {
			if more = len(held) > 0; more {
				k, held = held[0], held[1:]
			}
			return k, more
		}
		heads, more := make([]keyed[T], len(next)), make([]bool, len(next))
		for i := range next {
			heads[i], more[i] = next[i]()
		}
		for {
			least := -1
			for i := range next {
				if more[i] && (least < 0 || heads[i].Key < heads[least].Key) {
					least = i
				}
			}
			if least < 0 || !yield(heads[least]) {
				return
			}
			heads[least], more[least] = next[least]()
		}
	}
}
