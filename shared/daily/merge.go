package daily

import (
	"container/heap"
	"iter"
)

// Merge adds up sorted sequences of sums into one sorted sequence in which each
// key of a day stands once. It holds one sum per sequence.
func Merge(sequences ...iter.Seq2[Sum, error]) iter.Seq2[Sum, error] {
	return func(yield func(Sum, error) bool) {
		var h mergeHeap
		defer func() {
			for _, s := range h {
				s.stop()
			}
		}()
		for _, seq := range sequences {
			next, stop := iter.Pull2(seq)
			src := &mergeSource{next: next, stop: stop}
			if ok, err := src.advance(); err != nil {
				stop()
				yield(Sum{}, err)
				return
			} else if ok {
				h = append(h, src)
			}
		}
		heap.Init(&h)
		for len(h) > 0 {
			total, err := h.pop()
			for err == nil && len(h) > 0 && compare(h[0].head, total) == 0 {
				var s Sum
				if s, err = h.pop(); err == nil {
					total.add(s)
				}
			}
			if err != nil {
				yield(Sum{}, err)
				return
			}
			if !yield(total, nil) {
				return
			}
		}
	}
}

type mergeSource struct {
	next func() (Sum, error, bool)
	stop func()
	head Sum
}

func (s *mergeSource) advance() (more bool, err error) {
	s.head, err, more = s.next()
	if !more {
		s.stop()
	}
	return more && err == nil, err
}

type mergeHeap []*mergeSource

// pop takes the least head and moves its source on.
func (h *mergeHeap) pop() (Sum, error) {
	src := (*h)[0]
	least := src.head
	ok, err := src.advance()
	if err != nil {
		return Sum{}, err
	}
	if ok {
		heap.Fix(h, 0)
	} else {
		heap.Pop(h)
	}
	return least, nil
}

func (h mergeHeap) Len() int           { return len(h) }
func (h mergeHeap) Less(i, j int) bool { return compare(h[i].head, h[j].head) < 0 }
func (h mergeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *mergeHeap) Push(x any)        { *h = append(*h, x.(*mergeSource)) }
func (h *mergeHeap) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
