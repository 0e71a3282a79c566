// Package spill sorts and adds up more than fits in memory: sorted runs in temporary
// files, and their merge.
package spill

import (
	"cmp"
	"container/heap"
	"iter"
)

// Merge goes through sorted sequences in one order. What compares equal comes
// in the order of the sequences, added up if add is not nil. It holds one
// element per sequence.
func Merge[T any](sequences []iter.Seq2[T, error], compare func(a, b T) int, add func(total *T, next T)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		h := mergeHeap[T]{compare: compare}
		defer func() {
			for _, s := range h.sources {
				s.stop()
			}
		}()
		for i, seq := range sequences {
			next, stop := iter.Pull2(seq)
			src := &mergeSource[T]{place: i, next: next, stop: stop}
			if ok, err := src.advance(); err != nil {
				stop()
				yield(none, err)
				return
			} else if ok {
				h.sources = append(h.sources, src)
			}
		}
		heap.Init(&h)
		for len(h.sources) > 0 {
			total, err := h.pop()
			for err == nil && add != nil && len(h.sources) > 0 && compare(h.sources[0].head, total) == 0 {
				var next T
				if next, err = h.pop(); err == nil {
					add(&total, next)
				}
			}
			if err != nil {
				yield(none, err)
				return
			}
			if !yield(total, nil) {
				return
			}
		}
	}
}

type mergeSource[T any] struct {
	place int
	next  func() (T, error, bool)
	stop  func()
	head  T
}

func (s *mergeSource[T]) advance() (more bool, err error) {
	s.head, err, more = s.next()
	if !more {
		s.stop()
	}
	return more && err == nil, err
}

type mergeHeap[T any] struct {
	compare func(a, b T) int
	sources []*mergeSource[T]
}

// pop takes the least head and moves its source on.
func (h *mergeHeap[T]) pop() (T, error) {
	src := h.sources[0]
	least := src.head
	ok, err := src.advance()
	if err != nil {
		var none T
		return none, err
	}
	if ok {
		heap.Fix(h, 0)
	} else {
		heap.Pop(h)
	}
	return least, nil
}

func (h *mergeHeap[T]) Len() int { return len(h.sources) }

func (h *mergeHeap[T]) Less(i, j int) bool {
	a, b := h.sources[i], h.sources[j]
	return cmp.Or(h.compare(a.head, b.head), cmp.Compare(a.place, b.place)) < 0
}

func (h *mergeHeap[T]) Swap(i, j int) { h.sources[i], h.sources[j] = h.sources[j], h.sources[i] }
func (h *mergeHeap[T]) Push(x any)    { h.sources = append(h.sources, x.(*mergeSource[T])) }

func (h *mergeHeap[T]) Pop() any {
	last := h.sources[len(h.sources)-1]
	h.sources = h.sources[:len(h.sources)-1]
	return last
}
