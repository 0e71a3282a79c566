package rowsums

import (
	"encoding/binary"
	"hash/maphash"

	"stackusage/shared/usage"
)

// Kinds of identities: the texts of a record, and those of a row that was only scanned.
const (
	ofRecord = iota
	ofScan
)

// table has the totals in memory, found by their identities: a hash table with open
// addressing that keeps its memory when it is emptied.
type table struct {
	seed    maphash.Seed
	slots   []slot
	entries [][]entry // pages
	n       int
	texts   arena
	keys    int // bytes, about, that the keys will have when the totals are sorted
	scratch []byte
}

// slot is empty if entry is 0; else it is the number of an entry, from 1.
type slot struct{ hash, entry uint32 }

type entry struct {
	identity, shown span
	hour            usage.Hour
	quantity        usage.Quantity
	rows            int64
}

const pageEntries = 1 << 12

func (t *table) at(i uint32) *entry { return &t.entries[i/pageEntries][i%pageEntries] }

func (t *table) len() int { return t.n }

// bytes is what the texts take, when the totals are sorted.
func (t *table) bytes() int { return t.texts.used + t.keys }

// identity begins the identity of a row; the texts follow. It is valid until the next one.
func (t *table) identity(kind byte, hour usage.Hour) []byte {
	return binary.LittleEndian.AppendUint64(append(t.scratch[:0], kind), uint64(hour))
}

// add adds to the total of an identity. It is false if there is none.
func (t *table) add(identity []byte, q usage.Quantity) bool {
	t.scratch = identity
	if len(t.slots) == 0 {
		t.seed = maphash.MakeSeed()
		t.slots = make([]slot, 1<<12)
	}
	hash := uint32(maphash.Bytes(t.seed, identity))
	for i := hash; ; i++ {
		s := t.slots[i&uint32(len(t.slots)-1)]
		if s.entry == 0 {
			return false
		}
		if s.hash != hash {
			continue
		}
		if e := t.at(s.entry - 1); string(t.texts.get(e.identity)) == string(identity) {
			e.quantity = e.quantity.Add(q)
			e.rows++
			return true
		}
	}
}

// insert puts in the total of an identity that add did not find.
func (t *table) insert(identity []byte, r usage.Record) {
	if 2*(t.n+1) > len(t.slots) {
		t.grow()
	}
	if t.n%pageEntries == 0 && t.n/pageEntries == len(t.entries) {
		t.entries = append(t.entries, make([]entry, pageEntries))
	}
	e := t.at(uint32(t.n))
	t.n++
	*e = entry{identity: t.texts.put(identity), hour: r.Hour, quantity: r.Quantity, rows: 1}
	if e.shown = e.identity.from(1 + 8); identity[0] != ofRecord {
		t.scratch = appendShown(t.scratch[:0], r.Shown)
		e.shown = t.texts.put(t.scratch)
	}
	t.keys += int(e.shown.length)
	t.place(slot{uint32(maphash.Bytes(t.seed, t.texts.get(e.identity))), uint32(t.n)})
}

func (t *table) place(s slot) {
	i := s.hash
	for t.slots[i&uint32(len(t.slots)-1)].entry != 0 {
		i++
	}
	t.slots[i&uint32(len(t.slots)-1)] = s
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.entry != 0 {
			t.place(s)
		}
	}
}

func (t *table) reset() {
	clear(t.slots)
	t.n, t.keys = 0, 0
	t.texts.reset()
}

// arena keeps texts in chunks, so that it grows without copying.
type arena struct {
	chunks [][]byte
	next   int // byte of the last chunk in use
	last   int // chunk
	used   int
}

// span is where a text is.
type span struct{ at, length uint32 }

// from is the text without its first bytes.
func (s span) from(n uint32) span { return span{s.at + n, s.length - n} }

const chunk = 1 << 20

func (a *arena) put(text []byte) span {
	if len(a.chunks) == 0 || a.next+len(text) > chunk {
		if len(a.chunks) > 0 {
			a.last++
		}
		if a.last >= len(a.chunks) {
			a.chunks = append(a.chunks, make([]byte, chunk))
			a.last = len(a.chunks) - 1
		}
		a.next = 0
	}
	s := span{uint32(a.last*chunk + a.next), uint32(len(text))}
	a.next += copy(a.chunks[a.last][a.next:], text)
	a.used += len(text)
	return s
}

func (a *arena) get(s span) []byte {
	at := s.at % chunk
	return a.chunks[s.at/chunk][at : at+s.length : at+s.length]
}

func (a *arena) reset() { a.next, a.last, a.used = 0, 0, 0 }
