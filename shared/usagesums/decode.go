package usagesums

import (
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"

	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Day is an open file of the sums of one day. It is safe for concurrent use: what is read
// of it has no state but in cursors.
type Day struct {
	CloudID string
	Day     usage.Day
	Settled bool // false: the day was only ever closed with usage reporting off
	Lines   int64
	Owners  []Owner
	Terms   []Term

	basis  [sha256.Size]byte
	from   []usage.Day // that usage was carried from
	blocks []block
	coarse []byte // entries, with their owners
	n      int    // how many

	file      file
	path      string
	temporary bool
}

// file is what is needed of an os.File.
type file interface {
	io.ReaderAt
	io.Closer
}

// Close closes the file, and removes a temporary one.
func (d *Day) Close() error {
	err := d.file.Close()
	if d.temporary {
		_ = os.Remove(d.path)
	}
	return err
}

func (d *Day) damaged(what string) error {
	return &DamagedError{d, what}
}

// decode reads the head of a file of so many bytes.
func decode(f file, path string, size int64) (*Day, error) {
	d := &Day{file: f, path: path}
	var start [len(magic)]byte
	var tail [footer]byte
	if size < int64(len(magic)+footer) {
		return nil, d.damaged("too short")
	}
	if _, err := f.ReadAt(start[:], 0); err != nil {
		return nil, err
	}
	if string(start[:]) != magic {
		return nil, d.damaged("another format or version")
	}
	end := size - footer
	if _, err := f.ReadAt(tail[:], end); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint64(tail[:8])
	if length > maxHead || length > uint64(end)-uint64(len(magic)) {
		return nil, d.damaged("no head")
	}
	text := make([]byte, length)
	if _, err := f.ReadAt(text, end-int64(length)); err != nil {
		return nil, err
	}
	if sha256.Sum256(text) != [sha256.Size]byte(tail[8:]) {
		return nil, d.damaged("the head's hash differs")
	}
	if !d.head(text, end-int64(length)) {
		return nil, d.damaged("the head")
	}
	return d, nil
}

// head decodes a head, whose blocks end at an offset.
func (d *Day) head(text []byte, end int64) bool {
	r := reader{b: text}
	copy(d.basis[:], r.bytes(sha256.Size))
	d.CloudID = string(r.text())
	d.Day = usage.Day(r.number())
	d.Settled = r.number() == 1
	d.Lines = int64(r.number())
	for range r.count(1) {
		d.from = append(d.from, usage.Day(r.number()))
	}
	offset := int64(len(magic))
	var first []byte
	for range r.count(3 + sha256.Size) {
		before := string(first)
		first = r.after(first)
		b := block{first: string(first), offset: offset, length: int64(r.number())}
		copy(b.hash[:], r.bytes(sha256.Size))
		if b.length <= 0 || b.length > maxBlock || b.length > end-offset || b.first < before {
			return false
		}
		offset += b.length
		d.blocks = append(d.blocks, b)
	}
	if offset != end {
		return false
	}
	d.Owners = make([]Owner, r.count(2))
	for i := range d.Owners {
		d.Owners[i] = Owner{string(r.text()), string(r.text())}
	}
	d.Terms = make([]Term, r.count(7))
	for i := range d.Terms {
		d.Terms[i] = Term{MeterID: string(r.text()), CommerceMeterID: string(r.text()), Class: meter.Class(r.text()), Model: registration.BillingModel(r.text()),
			Unit: string(r.text()), Name: string(r.text()), CarriedFrom: usage.Day(r.number())}
	}
	d.n = r.count(3)
	if r.bad {
		return false
	}
	d.coarse = text[r.p:]
	return true
}

// Coarse goes through the sums by owner and term. The entry is valid until the next one.
func (d *Day) Coarse(each func(*Entry) error) error {
	r := reader{b: d.coarse}
	var e Entry
	for range d.n {
		e.Owner = int(r.number())
		if !r.entry(&e) || e.Owner >= len(d.Owners) || e.Term >= len(d.Terms) {
			return d.damaged("sums by owner and term")
		}
		if err := each(&e); err != nil {
			return err
		}
	}
	if r.p != len(r.b) {
		return d.damaged("more than its sums by owner and term")
	}
	return nil
}

// reader decodes bytes. Once something is beyond their end or bounds it is bad, and
// gives zeros.
type reader struct {
	b   []byte
	p   int
	bad bool
}

func (r *reader) number() uint64 {
	if r.p < len(r.b) && r.b[r.p] < 0x80 {
		r.p++
		return uint64(r.b[r.p-1])
	}
	return r.longNumber()
}

func (r *reader) longNumber() uint64 {
	n, size := binary.Uvarint(r.b[r.p:])
	if size <= 0 || n > 1<<62 {
		r.fail()
		return 0
	}
	r.p += size
	return n
}

func (r *reader) fail() { r.bad, r.p = true, len(r.b) }

// count is a number of things that take at least so many bytes each.
func (r *reader) count(least int) int {
	n := r.number()
	if n > uint64(len(r.b)-r.p)/uint64(least) {
		r.fail()
		return 0
	}
	return int(n)
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.b)-r.p) {
		r.fail()
		return nil
	}
	b := r.b[r.p : r.p+int(n)]
	r.p += int(n)
	return b
}

func (r *reader) text() []byte { return r.bytes(r.number()) }

// after reads a text as what differs from the one before, in whose bytes it may be.
func (r *reader) after(before []byte) []byte {
	n := r.number()
	if n > uint64(len(before)) {
		r.fail()
		return nil
	}
	return append(before[:n], r.text()...)
}

// Bounds of a quantity: far above those of usage.ParseSum.
const (
	maxCoefficient = 256 // bytes
	maxExponent    = 1000
)

func (r *reader) quantity() (q usage.Quantity) {
	head := r.number()
	exponent, size := int64(0), 1
	if r.p < len(r.b) && r.b[r.p] < 0x80 {
		exponent = int64(r.b[r.p]>>1) ^ -int64(r.b[r.p]&1)
	} else {
		exponent, size = binary.Varint(r.b[r.p:])
	}
	if size <= 0 || exponent > maxExponent || exponent < -maxExponent || head>>1 > maxCoefficient {
		r.fail()
		return q
	}
	r.p += size
	return usage.Compose(head&1 == 1, r.bytes(head>>1), int32(exponent))
}

// entry decodes into an entry, but for its owner.
func (r *reader) entry(e *Entry) bool {
	e.Term, e.Lines, e.N = int(r.number()), 1, 0
	if r.p >= len(r.b) {
		return false
	}
	mask := r.b[r.p]
	r.p++
	several := mask&severalLines != 0
	if several {
		e.Lines = int64(r.number())
	}
	for part := range Part(Parts) {
		if mask&(1<<part) == 0 {
			continue
		}
		of := &e.Of[e.N]
		e.N++
		of.Part, of.Lines = part, 1
		if several {
			of.Lines = int64(r.number())
		}
		of.Quantity = r.quantity()
	}
	return !r.bad
}
