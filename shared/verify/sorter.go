package verify

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"os"
	"slices"
)

// sorter sorts more than memory holds: what is over maxMemory goes to sorted
// files. What compares equal stays in the order in which it came.
type sorter[T any] struct {
	dir     string
	compare func(a, b T) int
	held    []T
	size    int
	files   []*os.File
}

const maxMemory = 64 << 20 // bytes of what a sorter holds

// put takes an item of about size bytes.
func (s *sorter[T]) put(item T, size int) {
	s.held = append(s.held, item)
	if s.size += size; s.size >= maxMemory {
		s.spill()
	}
}

func (s *sorter[T]) spill() {
	slices.SortStableFunc(s.held, s.compare)
	f, err := os.CreateTemp(s.dir, "verify-")
	must(err)
	s.files = append(s.files, f)
	w := bufio.NewWriter(f)
	enc := json.NewEncoder(w)
	for _, item := range s.held {
		must(enc.Encode(item))
	}
	must(w.Flush())
	s.held, s.size = nil, 0
}

// close removes the files.
func (s *sorter[T]) close() {
	for _, f := range s.files {
		_ = f.Close()
		_ = os.Remove(f.Name())
	}
}

// all goes through everything in order, as often as it is called.
func (s *sorter[T]) all() iter.Seq[T] {
	if len(s.files) == 0 {
		slices.SortStableFunc(s.held, s.compare)
		return slices.Values(s.held)
	}
	if len(s.held) > 0 {
		s.spill()
	}
	return func(yield func(T) bool) {
		heads := make([]*T, len(s.files)) // the next item of each file; nil: it has no more
		next := make([]*json.Decoder, len(s.files))
		advance := func(i int) {
			heads[i] = new(T)
			if err := next[i].Decode(heads[i]); err == io.EOF {
				heads[i] = nil
			} else {
				must(err)
			}
		}
		for i, f := range s.files {
			_, err := f.Seek(0, io.SeekStart)
			must(err)
			next[i] = json.NewDecoder(bufio.NewReader(f))
			advance(i)
		}
		for {
			least := -1
			for i, head := range heads {
				if head != nil && (least < 0 || s.compare(*head, *heads[least]) < 0) {
					least = i
				}
			}
			if least < 0 || !yield(*heads[least]) {
				return
			}
			advance(least)
		}
	}
}

// lockstep walks two sequences that are in one order, side by side. each is given
// together what compares equal, and nil for what only the other has.
func lockstep[A, B any](as iter.Seq[A], bs iter.Seq[B], compare func(A, B) int, each func(a *A, b *B)) {
	nextA, stopA := iter.Pull(as)
	defer stopA()
	nextB, stopB := iter.Pull(bs)
	defer stopB()
	a, moreA := nextA()
	b, moreB := nextB()
	for moreA || moreB {
		order := 1
		if moreA && moreB {
			order = compare(a, b)
		} else if moreA {
			order = -1
		}
		switch {
		case order < 0:
			each(&a, nil)
		case order > 0:
			each(nil, &b)
		default:
			each(&a, &b)
		}
		if order <= 0 {
			a, moreA = nextA()
		}
		if order >= 0 {
			b, moreB = nextB()
		}
	}
}
