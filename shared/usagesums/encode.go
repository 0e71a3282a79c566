package usagesums

import (
	"bufio"
	"crypto/sha256"
	"encoding/binary"
	"io"

	"stackusage/shared/usage"
)

// Layout of a file. docs/formats/usage-sums.md has it whole.
const (
	magic     = "stackusage-sums\x01" // the last byte is the version
	blockSize = 32 << 10              // a block ends after the record that reaches it
	maxBlock  = 64 << 20
	maxHead   = 256 << 20
	footer    = 8 + sha256.Size // length and hash of the head
)

// block is where records of resources are.
type block struct {
	first  string // key of its first record
	offset int64
	length int64
	hash   [sha256.Size]byte
}

// record is the sums of a resource in one spelling, of one owner and with the same tags.
type record struct {
	key      string // the URI in lower case
	spelling string
	tags     string
	owner    int
	entries  []entry
}

// entry is an Entry that is being added up.
type entry struct {
	Term   int                   `json:"t"`
	Lines  int64                 `json:"l"`
	Counts [Parts]int64          `json:"c"`
	Of     [Parts]usage.Quantity `json:"q"`
}

func (e *entry) add(f entry) {
	e.Lines += f.Lines
	for i := range e.Of {
		if f.Counts[i] != 0 {
			e.Counts[i] += f.Counts[i]
			e.Of[i] = e.Of[i].Add(f.Of[i])
		}
	}
}

// encoder appends to bytes.
type encoder struct{ b []byte }

func (e *encoder) number(n int64)   { e.b = binary.AppendUvarint(e.b, uint64(n)) }
func (e *encoder) text(text string) { e.number(int64(len(text))); e.b = append(e.b, text...) }

// after appends a text as what differs from the one before.
func (e *encoder) after(before, text string) {
	n := 0
	for n < len(before) && n < len(text) && before[n] == text[n] {
		n++
	}
	e.number(int64(n))
	e.text(text[n:])
}

func (e *encoder) quantity(q usage.Quantity) {
	var buf [32]byte
	negative, coefficient, exponent := q.Decompose(buf[:])
	for len(coefficient) > 0 && coefficient[0] == 0 {
		coefficient = coefficient[1:]
	}
	head := int64(len(coefficient)) << 1
	if negative {
		head |= 1
	}
	e.number(head)
	e.b = binary.AppendVarint(e.b, int64(exponent))
	e.b = append(e.b, coefficient...)
}

// severalLines is the bit of an entry's mask that says that counts of lines follow.
const severalLines = 1 << 7

// entry appends the sums of an entry: a mask of its parts, and their sums. Where it is of
// one line, no count is written.
func (e *encoder) entry(of *entry) {
	e.number(int64(of.Term))
	mask := byte(0)
	for part, n := range of.Counts {
		if n != 0 {
			mask |= 1 << part
		}
	}
	if of.Lines != 1 {
		mask |= severalLines
	}
	e.b = append(e.b, mask)
	if of.Lines != 1 {
		e.number(of.Lines)
	}
	for part, n := range of.Counts {
		if n == 0 {
			continue
		}
		if of.Lines != 1 {
			e.number(n)
		}
		e.quantity(of.Of[part])
	}
}

// writer writes a file: blocks as they are full, and the head behind them.
type writer struct {
	out    *bufio.Writer
	offset int64
	blocks []block
	block  encoder
	first  string // key of the first record of the block
	last   record // of the block
}

func newWriter(out io.Writer) (*writer, error) {
	w := &writer{out: bufio.NewWriterSize(out, 256<<10), offset: int64(len(magic))}
	_, err := w.out.WriteString(magic)
	return w, err
}

// record adds a record. They come in order of their keys.
func (w *writer) record(r record) error {
	if len(w.block.b) == 0 {
		w.first, w.last = r.key, record{}
	}
	w.block.after(w.last.key, r.key)
	w.block.after(w.last.spelling, r.spelling)
	w.block.after(w.last.tags, r.tags)
	w.block.number(int64(r.owner))
	w.block.number(int64(len(r.entries)))
	for i := range r.entries {
		w.block.entry(&r.entries[i])
	}
	w.last = r
	if len(w.block.b) < blockSize {
		return nil
	}
	return w.flush()
}

func (w *writer) flush() error {
	if len(w.block.b) == 0 {
		return nil
	}
	w.blocks = append(w.blocks, block{w.first, w.offset, int64(len(w.block.b)), sha256.Sum256(w.block.b)})
	w.offset += int64(len(w.block.b))
	_, err := w.out.Write(w.block.b)
	w.block.b = w.block.b[:0]
	return err
}

// head is what a file has beside its blocks.
type head struct {
	basis   [sha256.Size]byte
	cloudID string
	day     usage.Day
	settled bool
	lines   int64
	from    []usage.Day
	owners  []Owner
	terms   []Term
	coarse  []coarse // in order of owner and term
}

type coarse struct {
	owner int
	entry entry
}

// end writes the last block and the head.
func (w *writer) end(h head) error {
	if err := w.flush(); err != nil {
		return err
	}
	e := encoder{append([]byte(nil), h.basis[:]...)}
	e.text(h.cloudID)
	e.number(int64(h.day))
	e.number(map[bool]int64{true: 1}[h.settled])
	e.number(h.lines)
	e.number(int64(len(h.from)))
	for _, day := range h.from {
		e.number(int64(day))
	}
	e.number(int64(len(w.blocks)))
	before := ""
	for _, b := range w.blocks {
		e.after(before, b.first)
		e.number(b.length)
		e.b = append(e.b, b.hash[:]...)
		before = b.first
	}
	e.number(int64(len(h.owners)))
	for _, o := range h.owners {
		e.text(o.Subscription)
		e.text(o.Tenant)
	}
	e.number(int64(len(h.terms)))
	for _, t := range h.terms {
		for _, text := range []string{t.MeterID, t.CommerceMeterID, string(t.Class), string(t.Model), t.Unit, t.Name} {
			e.text(text)
		}
		e.number(int64(t.CarriedFrom))
	}
	e.number(int64(len(h.coarse)))
	for i := range h.coarse {
		e.number(int64(h.coarse[i].owner))
		e.entry(&h.coarse[i].entry)
	}
	if _, err := w.out.Write(e.b); err != nil {
		return err
	}
	hash := sha256.Sum256(e.b)
	tail := append(binary.BigEndian.AppendUint64(nil, uint64(len(e.b))), hash[:]...)
	if _, err := w.out.Write(tail); err != nil {
		return err
	}
	return w.out.Flush()
}
