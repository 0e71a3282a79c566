package rowsums

import (
	"cmp"
	"encoding/binary"
	"slices"

	"stackusage/shared/usage"
)

// sorter puts the totals of a table in order, and is a cursor over them. It keeps its
// memory for the next time.
type sorter struct {
	table *table
	heads side
	tails side
	keys  arena
	order []sortKey
	at    int
	it    item
	key   []byte
	rest  []byte

	touched uint64 // of no meaning
}

// side is the heads or tails of a table, decoded, with their keys and the places of those
// in their order.
type side struct {
	texts, keys arena
	spans       []sideSpan
	order       []uint32
}

type sideSpan struct {
	text, key span
	rank      uint32
}

// sortKey is a row, what it is sorted by, and eight bytes of that.
type sortKey struct {
	word uint64
	key  span
	row  uint32
}

func newSorter(p *pool) sorter {
	return sorter{heads: side{texts: arena{pool: p}, keys: arena{pool: p}}, tails: side{texts: arena{pool: p}, keys: arena{pool: p}}, keys: arena{pool: p}}
}

// of begins with the totals of a table.
func (s *sorter) of(t *table) cursor {
	s.table, s.at, s.order = t, -1, slices.Grow(s.order[:0], t.rows.len())
	s.heads.set(&t.heads, appendHeadKey)
	s.tails.set(&t.tails, appendTailKey)
	s.keys.reset()
	for i := range uint32(t.rows.len()) {
		head, tail, hour, rest, used := t.row(i, s.rest)
		s.rest = used
		b := binary.BigEndian.AppendUint32(s.key[:0], uint32(int64(hour.Day())^1<<31)) // within 5,000,000 years
		b = binary.BigEndian.AppendUint32(b, s.heads.spans[head].rank)
		b = append(usage.AppendLower(b, rest), end)
		b = binary.BigEndian.AppendUint32(b, s.tails.spans[tail].rank)
		s.key = append(b, byte(hour.OfDay()))
		s.order = append(s.order, sortKey{key: s.keys.put(s.key), row: i})
	}
	s.sort(s.order, 0)
	return s
}

// set decodes the texts of a dict and ranks them by their keys. Equal keys have one rank.
func (s *side) set(d *dict, appendSideKey func(b, text []byte) []byte) {
	s.texts.reset()
	s.keys.reset()
	s.spans, s.order = s.spans[:0], s.order[:0]
	var buf []byte
	for n := range uint32(d.len()) {
		buf = appendDecoded(buf[:0], d.text(n))
		text := s.texts.put(buf)
		buf = appendSideKey(buf[:0], s.texts.get(text))
		s.spans = append(s.spans, sideSpan{text: text, key: s.keys.put(buf)})
		s.order = append(s.order, n)
	}
	compare := func(a, b uint32) int {
		return cmp.Compare(string(s.keys.get(s.spans[a].key)), string(s.keys.get(s.spans[b].key)))
	}
	slices.SortFunc(s.order, compare)
	for i, n := range s.order {
		if i > 0 && compare(s.order[i-1], n) == 0 {
			s.spans[n].rank = s.spans[s.order[i-1]].rank
		} else {
			s.spans[n].rank = uint32(i)
		}
	}
}

// sort puts keys in order that are the same before byte at. Keys begin alike for many
// bytes, which a comparison would read again and again.
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
	if s.at%warmed == 0 {
		s.warm(s.order[s.at:min(len(s.order), s.at+warmed)])
	}
	o := s.order[s.at]
	head, tail, hour, rest, used := s.table.row(o.row, s.rest)
	s.rest = used
	h, t := s.heads.spans[head], s.tails.spans[tail]
	s.it.head, s.it.rest, s.it.tail = s.heads.texts.get(h.text), rest, s.tails.texts.get(t.text)
	s.it.hour, s.it.total = hour, s.table.totals[o.row]
	sorted := s.keys.get(o.key)
	restKey := sorted[8 : len(sorted)-6] // without its end, the rank of the tail, and the hour
	s.it.key = appendKey(s.it.key[:0], s.heads.keys.get(h.key), restKey, s.tails.keys.get(t.key), hour)
	return true, nil
}

// warmed is how many totals are fetched from memory at once.
const warmed = 16

// warm touches totals that come next. In their order they lie anywhere in memory, and the
// processor waits for all of them together no longer than for one.
func (s *sorter) warm(next []sortKey) {
	for _, o := range next {
		s.touched += uint64(s.table.rows.text(o.row)[beforeRest-1]) + uint64(s.keys.get(o.key)[0]) + uint64(s.table.totals[o.row].rows)
	}
}

func (s *sorter) item() *item { return &s.it }

// reset gives the memory for texts back.
func (s *sorter) reset() {
	for _, a := range []*arena{&s.heads.texts, &s.heads.keys, &s.tails.texts, &s.tails.keys, &s.keys} {
		a.reset()
	}
}
