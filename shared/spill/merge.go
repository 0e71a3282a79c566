// Package spill sorts and adds up more than fits in memory: sorted runs in temporary
// files, and their merge.
package spill

import "iter"

// Merge goes through sorted sequences in one order. What compares equal comes
// in the order of the sequences, added up if add is not nil. Each sequence is read
// on a goroutine of its own, some elements ahead; all have ended when Merge has.
func Merge[T any](sequences []iter.Seq2[T, error], compare func(a, b *T) int, add func(total *T, next T)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var none T
		m := merge[T]{compare: compare, losers: make([]int, len(sequences)), heads: make([]*T, len(sequences))}
		defer func() {
			for _, s := range m.sources {
				s.Stop()
			}
		}()
		for _, seq := range sequences {
			m.sources = append(m.sources, ReadAhead(seq))
		}
		if err := m.begin(); err != nil {
			yield(none, err)
			return
		}
		for m.more() {
			total := *m.heads[m.winner]
			err := m.advance()
			for err == nil && add != nil && m.more() && compare(m.heads[m.winner], &total) == 0 {
				next := *m.heads[m.winner]
				if err = m.advance(); err == nil {
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

// merge is a tournament of the sources' heads: each inner node of a binary tree, whose
// leaves are the sources, keeps the loser of its match. Only the matches on the way of
// the winner's source are played again for each element. Knuth, volume 3, 5.4.1.
type merge[T any] struct {
	compare func(a, b *T) int
	sources []*Ahead[T]
	heads   []*T  // by source; nil: it is over
	losers  []int // by inner node, from 1; the parent of n is n/2
	winner  int
}

// nobody has lost a match that is not played yet.
const nobody = -1

func (m *merge[T]) begin() (err error) {
	for n := range m.losers {
		m.losers[n] = nobody
	}
	for i, s := range m.sources {
		if m.heads[i], err = s.Next(); err != nil {
			return err
		}
	}
	for i := range m.sources {
		m.play(i)
	}
	return nil
}

func (m *merge[T]) more() bool { return len(m.heads) > 0 && m.heads[m.winner] != nil }

// advance moves the winner's source on.
func (m *merge[T]) advance() (err error) {
	if m.heads[m.winner], err = m.sources[m.winner].Next(); err == nil {
		m.play(m.winner)
	}
	return err
}

// play plays the matches of a source from its leaf to the root, or to the first match
// without an opponent, where it waits for one.
func (m *merge[T]) play(source int) {
	for n := (source + len(m.sources)) / 2; n > 0; n /= 2 {
		switch opponent := m.losers[n]; {
		case opponent == nobody:
			m.losers[n] = source
			return
		case m.before(opponent, source):
			m.losers[n], source = source, opponent
		}
	}
	m.winner = source
}

// before reports whether source i is before source j.
func (m *merge[T]) before(i, j int) bool {
	a, b := m.heads[i], m.heads[j]
	if a == nil || b == nil {
		return a != nil
	}
	order := m.compare(a, b)
	return order < 0 || order == 0 && i < j
}
