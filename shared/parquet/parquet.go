// Package parquet writes Apache Parquet files of flat rows: texts, decimals and times,
// each of which may be null.
//
// It is a package of ours because the smallest library for Go (parquet-go v0.32.0)
// compares decimals as unsigned bytes: a column with values below zero gets bounds that
// make readers skip rows, and amounts of corrections are below zero. The library that is
// right (arrow-go v18.8.0) makes a program of 20 MB one of 50 MB.
//
// A file is row groups of a column chunk for each column, and a footer that says where
// they are. A chunk is a dictionary and pages of indices into it, or pages of plain
// values where the dictionary does not pay. Pages are compressed with gzip. Bounds of
// the values and the number of nulls are recorded for each chunk, in the order of the
// type: https://github.com/apache/parquet-format.
package parquet

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/big"
	"time"
	"unicode/utf8"

	"stackusage/shared/gz"
)

// Kind is the type of a column.
type Kind int

// Kinds.
const (
	Text    Kind = iota // UTF-8
	Decimal             // 38 digits, of which Scale are behind the point
	Time                // an instant, in microseconds
)

// MaxDigits is the precision of decimals. Readers keep no more exactly.
const MaxDigits = 38

// Column describes a column.
type Column struct {
	Name  string
	Kind  Kind
	Scale int // of a Decimal
}

// Sizes of what is written at once. A row group is held in memory.
const (
	groupRows  = 1 << 17
	groupBytes = 64 << 20 // of values that differ
	pageRows   = 1 << 14
)

const magic = "PAR1"

// Writer writes a file. The first error is that of every later call.
type Writer struct {
	out    io.Writer
	offset int64
	chunks []chunk
	rows   int // of the row group at hand
	bytes  int // of its values that differ
	total  int64
	groups []group
	err    error
}

// NewWriter begins a file.
func NewWriter(out io.Writer, columns []Column) *Writer {
	w := &Writer{out: out, chunks: make([]chunk, len(columns))}
	for i, c := range columns {
		w.chunks[i] = chunk{Column: c, index: map[string]uint32{}}
	}
	w.write([]byte(magic))
	return w
}

// SetText sets a column of the row at hand. A column that is not set is null.
func (w *Writer) SetText(column int, text string) {
	if w.err == nil && !utf8.ValidString(text) {
		w.err = fmt.Errorf("column %s: %.60q is not UTF-8", w.chunks[column].Name, text)
	}
	w.set(column, Text, text)
}

// SetTime sets a column of the row at hand.
func (w *Writer) SetTime(column int, t time.Time) {
	w.set(column, Time, string(littleEndian(uint64(t.UnixMicro()), 8)))
}

// SetDecimal sets a column of the row at hand to unscaled times ten to the power of
// minus the column's scale.
func (w *Writer) SetDecimal(column int, unscaled *big.Int) {
	if w.err == nil && len(new(big.Int).Abs(unscaled).String()) > MaxDigits {
		w.err = fmt.Errorf("column %s: more than %d digits", w.chunks[column].Name, MaxDigits)
	}
	if w.err != nil {
		return
	}
	value := unscaled
	if unscaled.Sign() < 0 { // two's complement
		value = new(big.Int).Add(unscaled, new(big.Int).Lsh(big.NewInt(1), 8*decimalBytes))
	}
	var buf [decimalBytes]byte
	w.set(column, Decimal, string(value.FillBytes(buf[:])))
}

func (w *Writer) set(column int, kind Kind, value string) {
	if w.err != nil {
		return
	}
	c := &w.chunks[column]
	if c.Kind != kind || len(c.cells) != w.rows {
		w.err = fmt.Errorf("column %s: set twice, or as another kind", c.Name)
		return
	}
	w.bytes += c.add(value)
}

// EndRow ends a row.
func (w *Writer) EndRow() error {
	w.rows++
	for i := range w.chunks {
		if c := &w.chunks[i]; len(c.cells) < w.rows {
			c.addNull()
		}
	}
	if w.rows == groupRows || w.bytes >= groupBytes {
		w.flush()
	}
	return w.err
}

// Close ends the file. It does not close what the file is written to.
func (w *Writer) Close() error {
	if w.rows > 0 {
		w.flush()
	}
	footer := w.footer()
	w.write(footer)
	w.write(littleEndian(uint64(len(footer)), 4))
	w.write([]byte(magic))
	err := w.err
	if w.err == nil {
		w.err = errors.New("the file is closed")
	}
	return err
}

func (w *Writer) write(b []byte) {
	if w.err != nil {
		return
	}
	n, err := w.out.Write(b)
	w.offset += int64(n)
	w.err = err
}

// group is a row group that is written.
type group struct {
	rows    int64
	offset  int64
	columns []written
}

// written is a column chunk that is written.
type written struct {
	offset, dictionary, data int64 // of its first page, its dictionary page (0: none) and its first data page
	size, compressed         int64 // with headers
	values, nulls            int64
	encoding                 int32
	least, most              []byte // nil: no bounds
}

func (w *Writer) flush() {
	g := group{rows: int64(w.rows), offset: w.offset}
	for i := range w.chunks {
		g.columns = append(g.columns, w.flushChunk(&w.chunks[i]))
	}
	w.groups = append(w.groups, g)
	w.total += g.rows
	w.rows, w.bytes = 0, 0
}

func (w *Writer) flushChunk(c *chunk) written {
	out := written{offset: w.offset, values: int64(len(c.cells)), nulls: int64(c.nulls), encoding: plain}
	out.least, out.most = c.bounds()
	if c.dictionaryPays() {
		out.encoding, out.dictionary = dictionary, w.offset
		w.page(&out, pageHeader{kind: dictionaryPage, values: len(c.values), encoding: plain}, c.dictionary())
	}
	out.data = w.offset
	for from := 0; from < len(c.cells); from += pageRows {
		cells := c.cells[from:min(from+pageRows, len(c.cells))]
		w.page(&out, pageHeader{kind: dataPage, values: len(cells), encoding: out.encoding}, c.page(cells, out.encoding))
	}
	c.reset()
	return out
}

// page writes a page: its header and, compressed, its body.
func (w *Writer) page(to *written, h pageHeader, body []byte) {
	if w.err != nil {
		return
	}
	var packed bytes.Buffer
	zip := gz.NewWriter(&packed)
	_, err := zip.Write(body)
	if w.err = errors.Join(err, zip.Close()); w.err != nil {
		return
	}
	h.size, h.compressed, h.crc = len(body), packed.Len(), crc32.ChecksumIEEE(packed.Bytes())
	header := h.bytes()
	w.write(header)
	w.write(packed.Bytes())
	to.size += int64(len(header) + h.size)
	to.compressed += int64(len(header) + h.compressed)
}
