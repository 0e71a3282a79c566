package parquet

import "encoding/binary"

// thrift writes structs in Thrift's compact protocol. Fields come in order of their
// numbers.
type thrift struct {
	out  []byte
	last int16 // number of the field before, in the struct at hand
}

// Types of fields and elements.
const (
	yes     = 1
	numbers = 5
	longs   = 6
	texts   = 8
	lists   = 9
	structs = 12
)

func (t *thrift) field(number int16, kind byte) {
	t.out = append(t.out, byte(number-t.last)<<4|kind) // fields are less than 16 apart
	t.last = number
}

func (t *thrift) number(n int64) { t.out = binary.AppendVarint(t.out, n) }

func (t *thrift) bytes(text string) {
	t.out = append(binary.AppendUvarint(t.out, uint64(len(text))), text...)
}

func (t *thrift) yes(number int16) { t.field(number, yes) }

func (t *thrift) i32(number int16, n int32) {
	t.field(number, numbers)
	t.number(int64(n))
}

func (t *thrift) i64(number int16, n int64) {
	t.field(number, longs)
	t.number(n)
}

func (t *thrift) text(number int16, text string) {
	t.field(number, texts)
	t.bytes(text)
}

// object writes a struct; fields writes its fields.
func (t *thrift) object(number int16, fields func()) {
	t.field(number, structs)
	t.body(fields)
}

func (t *thrift) body(fields func()) {
	before := t.last
	t.last = 0
	fields()
	t.out = append(t.out, 0)
	t.last = before
}

// list writes n elements; element writes one of them, of a struct its fields.
func (t *thrift) list(number int16, kind byte, n int, element func(i int)) {
	t.field(number, lists)
	if n < 15 {
		t.out = append(t.out, byte(n)<<4|kind)
	} else {
		t.out = binary.AppendUvarint(append(t.out, 15<<4|kind), uint64(n))
	}
	for i := range n {
		if kind == structs {
			t.body(func() { element(i) })
		} else {
			element(i)
		}
	}
}

// end ends the outermost struct.
func (t *thrift) end() []byte { return append(t.out, 0) }
