package rowsums

import (
	"bytes"
	"encoding/binary"

	"stackusage/shared/usage"
)

// Kinds of texts in memory, their first byte.
const (
	asText    = iota // as texts are written
	asWritten        // with the escapes of a scanned row, which hold no zeros and ones once they were checked
)

// table has the totals in memory: the rows of each are one text, made of the numbers of
// its head and tail, and the rest.
type table struct {
	heads, tails, rows dict
	totals             []total // by the number of its row
	place              place
}

type total struct {
	quantity usage.Quantity
	rows     int64
}

// beforeRest is what a row's text has before the rest of the URI: kind, hour, head, tail.
const beforeRest = 1 + 8 + 4 + 4

// place is where find looked, for insert: the texts, their hashes, and what was there.
type place struct {
	head, tail, row             []byte
	headHash, tailHash, rowHash uint32
	headNo, tailNo              uint32
	hasHead, hasTail            bool
}

func newTable(p *pool) *table {
	return &table{heads: newDict(p), tails: newDict(p), rows: newDict(p)}
}

// bytes is what the texts take when the totals are sorted, with copies of heads and tails
// without escapes, and the keys of all.
func (t *table) bytes() int { return 2*t.rows.texts.used + 3*(t.heads.texts.used+t.tails.texts.used) }

// add adds to the total of a row, whose head and tail begin with their kind. It is false
// if there is none, and keeps where one belongs.
func (t *table) add(head, rest, tail []byte, hour usage.Hour, q usage.Quantity) bool {
	p := &t.place
	p.head, p.tail = head, tail
	p.headNo, p.headHash, p.hasHead = t.heads.find(head)
	p.tailNo, p.tailHash, p.hasTail = t.tails.find(tail)
	p.row = append(p.row[:0], head[0])
	p.row = binary.LittleEndian.AppendUint64(p.row, uint64(hour))
	p.row = binary.LittleEndian.AppendUint32(p.row, p.headNo)
	p.row = binary.LittleEndian.AppendUint32(p.row, p.tailNo)
	p.row = append(p.row, rest...)
	if !p.hasHead || !p.hasTail {
		return false
	}
	n, hash, known := t.rows.find(p.row)
	if p.rowHash = hash; known {
		t.totals[n].quantity = t.totals[n].quantity.Add(q)
		t.totals[n].rows++
	}
	return known
}

// knowsSides reports whether the row that add did not find differs from others in no more
// than the rest of its URI, and in the hour.
func (t *table) knowsSides() bool { return t.place.hasHead && t.place.hasTail }

// insert begins the total that add did not find.
func (t *table) insert(q usage.Quantity) {
	p := &t.place
	if !p.hasHead {
		p.headNo = t.heads.add(p.head, p.headHash)
	}
	if !p.hasTail {
		p.tailNo = t.tails.add(p.tail, p.tailHash)
	}
	if !p.hasHead || !p.hasTail {
		binary.LittleEndian.PutUint32(p.row[9:], p.headNo)
		binary.LittleEndian.PutUint32(p.row[13:], p.tailNo)
		_, p.rowHash, _ = t.rows.find(p.row)
	}
	t.rows.add(p.row, p.rowHash)
	t.totals = append(t.totals, total{q, 1})
}

// row takes the text of a row apart. The rest may use buf.
func (t *table) row(n uint32, buf []byte) (head, tail uint32, hour usage.Hour, rest, used []byte) {
	text := t.rows.text(n)
	hour = usage.Hour(binary.LittleEndian.Uint64(text[1:]))
	head, tail = binary.LittleEndian.Uint32(text[9:]), binary.LittleEndian.Uint32(text[13:])
	if rest = text[beforeRest:]; text[0] == asWritten && bytes.IndexByte(rest, '\\') >= 0 {
		buf, _ = usage.AppendPart(buf[:0], rest)
		rest = buf
	}
	return head, tail, hour, rest, buf
}

// appendDecoded writes a head or tail without its kind and escapes.
func appendDecoded(b, text []byte) []byte {
	if text[0] == asWritten && bytes.IndexByte(text, '\\') >= 0 {
		b, _ = usage.AppendPart(b, text[1:])
		return b
	}
	return append(b, text[1:]...)
}

// reset empties the table, which has fewer totals from now on.
func (t *table) reset() {
	t.heads.reset()
	t.tails.reset()
	t.rows.reset()
	if t.totals = t.totals[:0]; cap(t.totals) > DefaultCount/later {
		t.totals = nil
	}
}
