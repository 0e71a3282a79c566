package spill

import "iter"

// Ahead reads a sequence on a goroutine of its own, a bounded number of elements ahead of
// who takes them. Elements must stay valid when the sequence goes on. Whoever begins to
// read stops it. Not safe for concurrent use.
type Ahead[T any] struct {
	taken   []T // the part that was handed over last
	at      int // of the next element in taken
	err     error
	over    bool
	full    chan part[T]
	free    chan []T
	stopped chan struct{}
}

// part is what the goroutine hands over at once: elements, or what ended the sequence.
type part[T any] struct {
	elements []T
	err      error
	panicked any
}

// partLen is how many elements are handed over at once: with fewer, handing over costs
// more than reading. Of large ones it is as few as have partBytes: many sequences are read
// at once.
const (
	partLen   = 64
	partBytes = 64 << 10
)

// sized is an element, by pointer, that says what its texts take. Others are small.
type sized interface{ Size() int }

// ReadAhead begins to read a sequence.
func ReadAhead[T any](seq iter.Seq2[T, error]) *Ahead[T] {
	a := &Ahead[T]{full: make(chan part[T], 1), free: make(chan []T, 2), stopped: make(chan struct{})}
	go a.read(seq)
	return a
}

func (a *Ahead[T]) read(seq iter.Seq2[T, error]) {
	defer close(a.full)
	defer func() {
		if p := recover(); p != nil { // whoever takes the elements knows what to do about it
			a.hand(part[T]{panicked: p})
		}
	}()
	elements, bytes := make([]T, 0, partLen), 0
	for e, err := range seq {
		if err != nil {
			_ = a.hand(part[T]{elements: elements}) && a.hand(part[T]{err: err})
			return
		}
		elements = append(elements, e)
		if s, ok := any(&elements[len(elements)-1]).(sized); ok {
			bytes += s.Size()
		}
		if len(elements) < partLen && bytes < partBytes {
			continue
		}
		bytes = 0
		if !a.hand(part[T]{elements: elements}) {
			return
		}
		select {
		case elements = <-a.free:
		default:
			elements = make([]T, 0, partLen)
		}
	}
	a.hand(part[T]{elements: elements})
}

// hand hands a part over, unless nobody takes any more.
func (a *Ahead[T]) hand(p part[T]) bool {
	select {
	case a.full <- p:
		return true
	case <-a.stopped:
		return false
	}
}

// Next is the next element, valid until Next is called again. It is nil after the last
// one, and with an error or behind one.
func (a *Ahead[T]) Next() (*T, error) {
	for a.at == len(a.taken) {
		if a.over {
			return nil, a.err
		}
		a.take()
	}
	a.at++
	return &a.taken[a.at-1], nil
}

// take takes the next part.
func (a *Ahead[T]) take() {
	if cap(a.taken) > 0 {
		clear(a.taken) // lets go of the texts
		select {
		case a.free <- a.taken[:0]:
		default:
		}
	}
	p, more := <-a.full
	if p.panicked != nil {
		panic(p.panicked)
	}
	a.taken, a.at, a.err, a.over = p.elements, 0, p.err, !more || p.err != nil
}

// Stop ends the reading and waits for its end: from then on nobody reads what the sequence
// is made of. It may be repeated.
func (a *Ahead[T]) Stop() {
	select {
	case <-a.stopped:
	default:
		close(a.stopped)
	}
	for range a.full {
		continue
	}
	a.taken, a.at, a.over = nil, 0, true
}
