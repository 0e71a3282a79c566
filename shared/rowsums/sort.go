package rowsums

import (
	"cmp"
	"encoding/binary"
	"slices"
)

// sorter puts the totals of a table in order, and is a cursor over them. It keeps its
// memory for the next time.
type sorter struct {
	keys  arena
	order []sortKey
	table *table
	at    int
	it    item
	key   []byte
	texts []byte
}

// sortKey is an entry of the table, its key, and eight bytes of it.
type sortKey struct {
	word  uint64
	key   span
	entry uint32
}

// of begins with the totals of a table.
func (s *sorter) of(t *table) cursor {
	s.table, s.at, s.order = t, -1, slices.Grow(s.order[:0], t.n)
	s.keys.reset()
	for i := range uint32(t.n) {
		e := t.at(i)
		var shown []byte
		shown, s.texts = t.packed(e, s.texts)
		s.key = appendKey(s.key[:0], shown, e.hour)
		s.order = append(s.order, sortKey{key: s.keys.put(s.key), entry: i})
	}
	s.sort(s.order, 0)
	return s
}

// sort puts keys in order that are the same before byte at. Keys begin alike for a
// hundred bytes, which a comparison would read again and again.
func (s *sorter) sort(keys []sortKey, at uint32) {
	more := false
	for i, k := range keys {
		keys[i].word = 0
		if at < k.key.length {
			var eight [8]byte
			if copy(eight[:], s.keys.get(k.key)[at:]) == 8 {
				more = true
			}
			keys[i].word = binary.BigEndian.Uint64(eight[:])
		}
	}
	slices.SortFunc(keys, func(a, b sortKey) int { return cmp.Compare(a.word, b.word) })
	for i := 0; more && i < len(keys); {
		same := i + 1
		for same < len(keys) && keys[same].word == keys[i].word {
			same++
		}
		if same-i > 1 {
			s.sort(keys[i:same], at+8)
		}
		i = same
	}
}

func (s *sorter) next() (bool, error) {
	if s.at++; s.at >= len(s.order) {
		return false, nil
	}
	o := s.order[s.at]
	e := s.table.at(o.entry)
	s.it.key, s.it.hour, s.it.quantity, s.it.rows = s.keys.get(o.key), e.hour, e.quantity, e.rows
	s.it.shown, s.texts = s.table.packed(e, s.texts)
	return true, nil
}

func (s *sorter) item() *item { return &s.it }
