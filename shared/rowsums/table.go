package rowsums

import (
	"bytes"
	"encoding/binary"
	"hash/maphash"

	"stackusage/shared/usage"
)

// Kinds of identities, by what follows the hour in one.
const (
	ofRecord = iota // the texts of a record, each with its end
	ofParts         // the same of a scanned row, with their escapes
	ofScan          // the GUIDs and instanceData of a row whose parts were not found
)

// beforeTexts is the kind and the hour.
const beforeTexts = 1 + 8

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
	identity span
	shown    span // of an ofScan: its texts, each with its end
	hour     usage.Hour
	quantity usage.Quantity
	rows     int64
}

const pageEntries = 1 << 12

// maxPages is how many pages of entries are kept for the next totals.
const maxPages = DefaultCount/later/pageEntries + 1

func newTable(p *pool) *table {
	return &table{seed: maphash.MakeSeed(), slots: make([]slot, 1<<12), texts: arena{pool: p}}
}

func (t *table) at(i uint32) *entry { return &t.entries[i/pageEntries][i%pageEntries] }

// bytes is what the texts take when the totals are sorted.
func (t *table) bytes() int { return t.texts.used + t.keys }

// identity begins the identity of a row; the texts follow. It is valid until the next one.
func (t *table) identity(kind byte, hour usage.Hour) []byte {
	return binary.LittleEndian.AppendUint64(append(t.scratch[:0], kind), uint64(hour))
}

// add adds to the total of an identity. It is false if there is none.
func (t *table) add(identity []byte, q usage.Quantity) bool {
	t.scratch = identity
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

// insert puts in the total of an identity that add did not find. shown is only of an
// ofScan.
func (t *table) insert(identity, shown []byte, hour usage.Hour, q usage.Quantity) {
	if 2*(t.n+1) > len(t.slots) {
		t.grow()
	}
	if t.n%pageEntries == 0 && t.n/pageEntries == len(t.entries) {
		t.entries = append(t.entries, make([]entry, pageEntries))
	}
	*t.at(uint32(t.n)) = entry{identity: t.texts.put(identity), shown: t.texts.put(shown), hour: hour, quantity: q, rows: 1}
	t.n++
	t.keys += max(len(shown), len(identity))
	t.place(slot{uint32(maphash.Bytes(t.seed, identity)), uint32(t.n)})
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

// packed is the texts of an entry, each with its end. It may use buf, and is valid until
// buf is used again.
func (t *table) packed(e *entry, buf []byte) (texts, used []byte) {
	identity := t.texts.get(e.identity)
	switch texts = identity[beforeTexts:]; {
	case identity[0] == ofScan:
		return t.texts.get(e.shown), buf
	case identity[0] == ofParts && bytes.IndexByte(texts, '\\') >= 0:
		buf, _ = usage.AppendPart(buf[:0], texts)
		return buf, buf
	}
	return texts, buf
}

// reset empties the table, which has fewer totals from now on.
func (t *table) reset() {
	clear(t.slots)
	clear(t.entries[min(len(t.entries), maxPages):]) // for the garbage collector
	t.entries = t.entries[:min(len(t.entries), maxPages)]
	t.n, t.keys = 0, 0
	t.texts.reset()
}
