package parquet

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"
)

// decimalBytes is the length of a decimal: two's complement, the first byte first.
const decimalBytes = 16

// maxBound is the longest text that is recorded as a bound, in bytes.
const maxBound = 256

// null is the cell of a row without a value.
const null = ^uint32(0)

// chunk holds a column of the row group at hand.
type chunk struct {
	Column
	index  map[string]uint32 // place of a value in values
	values []string          // each value once, as plain pages have it, without the length of a text
	cells  []uint32          // of each row, the place of its value, or null
	nulls  int
	bytes  int // of values
	repeat int // bytes of all cells
}

// add adds a row's value, and returns how many bytes it takes: none if it was there.
func (c *chunk) add(value string) (more int) {
	at, known := c.index[value]
	if !known {
		value = strings.Clone(value) // it may be a part of a long text
		at, more = uint32(len(c.values)), len(value)
		c.index[value] = at
		c.values = append(c.values, value)
	}
	c.cells = append(c.cells, at)
	c.bytes += more
	c.repeat += len(value)
	return more
}

func (c *chunk) addNull() {
	c.cells = append(c.cells, null)
	c.nulls++
}

func (c *chunk) reset() {
	clear(c.index)
	clear(c.values) // lets go of the texts
	c.values, c.cells, c.nulls, c.bytes, c.repeat = c.values[:0], c.cells[:0], 0, 0, 0
}

// dictionaryPays reports whether values come often enough to be written once.
func (c *chunk) dictionaryPays() bool {
	return len(c.values) > 0 && c.bytes+len(c.cells)*c.width()/8 < c.repeat
}

// width is the number of bits of a place in the dictionary.
func (c *chunk) width() int { return bits.Len(uint(max(len(c.values), 1) - 1)) }

func (c *chunk) dictionary() []byte {
	var out []byte
	for _, value := range c.values {
		out = c.appendPlain(out, value)
	}
	return out
}

func (c *chunk) appendPlain(out []byte, value string) []byte {
	if c.Kind == Text {
		out = binary.LittleEndian.AppendUint32(out, uint32(len(value)))
	}
	return append(out, value...)
}

// page is the body of a data page: which cells have a value, and their values.
func (c *chunk) page(cells []uint32, encoding int32) []byte {
	levels := make([]uint32, len(cells))
	present := make([]uint32, 0, len(cells))
	for i, cell := range cells {
		if cell != null {
			levels[i] = 1
			present = append(present, cell)
		}
	}
	packed := hybrid(nil, levels, 1)
	out := append(binary.LittleEndian.AppendUint32(nil, uint32(len(packed))), packed...)
	if encoding == dictionary {
		width := c.width()
		return hybrid(append(out, byte(width)), present, width)
	}
	for _, cell := range present {
		out = c.appendPlain(out, c.values[cell])
	}
	return out
}

// hybrid appends numbers of a width in bits as one run of Parquet's RLE and bit-packing
// hybrid encoding.
func hybrid(out []byte, numbers []uint32, width int) []byte {
	if len(numbers) == 0 {
		return out
	}
	if first := numbers[0]; !slices.ContainsFunc(numbers, func(n uint32) bool { return n != first }) {
		out = binary.AppendUvarint(out, uint64(len(numbers))<<1)
		return append(out, littleEndian(uint64(first), (width+7)/8)...)
	}
	groups := (len(numbers) + 7) / 8
	out = binary.AppendUvarint(out, uint64(groups)<<1|1)
	var pending uint64
	filled := 0
	for i := range groups * 8 { // the last group is filled up with zeros
		if i < len(numbers) {
			pending |= uint64(numbers[i]) << filled
		}
		for filled += width; filled >= 8; filled -= 8 {
			out = append(out, byte(pending))
			pending >>= 8
		}
	}
	return out
}

// bounds are the least and the greatest value in the order of the kind; nil if there is
// none, or one is a text that is too long.
func (c *chunk) bounds() (least, most []byte) {
	if len(c.values) == 0 {
		return nil, nil
	}
	least, most = []byte(slices.MinFunc(c.values, c.compare)), []byte(slices.MaxFunc(c.values, c.compare))
	if max(len(least), len(most)) > maxBound {
		return nil, nil
	}
	return least, most
}

func (c *chunk) compare(a, b string) int {
	switch c.Kind {
	case Time:
		return cmp.Compare(int64(binary.LittleEndian.Uint64([]byte(a))), int64(binary.LittleEndian.Uint64([]byte(b))))
	case Decimal:
		if order := cmp.Compare(int8(a[0]), int8(b[0])); order != 0 { // the sign is in the first byte
			return order
		}
	}
	return bytes.Compare([]byte(a), []byte(b))
}

func littleEndian(n uint64, size int) []byte {
	return binary.LittleEndian.AppendUint64(nil, n)[:size]
}
