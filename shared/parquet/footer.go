package parquet

// Numbers of the format: parquet.thrift has their names.
const (
	plain      = 0 // encodings
	rle        = 3
	dictionary = 8

	dataPage       = 0
	dictionaryPage = 2

	gzip     = 2 // codec
	optional = 1 // repetition
)

// pageHeader is struct PageHeader.
type pageHeader struct {
	kind, values     int
	encoding         int32
	size, compressed int
	crc              uint32
}

func (h pageHeader) bytes() []byte {
	var t thrift
	t.i32(1, int32(h.kind))
	t.i32(2, int32(h.size))
	t.i32(3, int32(h.compressed))
	t.i32(4, int32(h.crc))
	field := int16(5)
	if h.kind == dictionaryPage {
		field = 7
	}
	t.object(field, func() {
		t.i32(1, int32(h.values))
		t.i32(2, h.encoding)
		if h.kind == dataPage {
			t.i32(3, rle) // of the levels
			t.i32(4, rle)
		}
	})
	return t.end()
}

// footer is struct FileMetaData.
func (w *Writer) footer() []byte {
	var t thrift
	t.i32(1, 2) // version
	t.list(2, structs, 1+len(w.chunks), func(i int) {
		if i == 0 {
			t.text(4, "schema")
			t.i32(5, int32(len(w.chunks)))
			return
		}
		w.chunks[i-1].schema(&t)
	})
	t.i64(3, w.total)
	t.list(4, structs, len(w.groups), func(i int) { w.group(&t, i) })
	t.text(6, "stackusage")
	t.list(7, structs, len(w.chunks), func(int) { t.object(1, func() {}) }) // bounds are in the order of the type
	return t.end()
}

// schema is struct SchemaElement, with the type in its old and its present form.
func (c Column) schema(t *thrift) {
	physical := map[Kind]int32{Text: 6, Decimal: 7, Time: 2}
	converted := map[Kind]int32{Text: 0, Decimal: 5, Time: 10}
	t.i32(1, physical[c.Kind])
	if c.Kind == Decimal {
		t.i32(2, decimalBytes)
	}
	t.i32(3, optional)
	t.text(4, c.Name)
	t.i32(6, converted[c.Kind])
	if c.Kind == Decimal {
		t.i32(7, int32(c.Scale))
		t.i32(8, MaxDigits)
	}
	t.object(10, func() {
		switch c.Kind {
		case Text:
			t.object(1, func() {})
		case Decimal:
			t.object(5, func() {
				t.i32(1, int32(c.Scale))
				t.i32(2, MaxDigits)
			})
		case Time:
			t.object(8, func() {
				t.yes(1)                                       // in UTC
				t.object(2, func() { t.object(2, func() {}) }) // microseconds
			})
		}
	})
}

// group is struct RowGroup.
func (w *Writer) group(t *thrift, number int) {
	g := w.groups[number]
	var size, compressed int64
	t.list(1, structs, len(g.columns), func(i int) {
		c := g.columns[i]
		size, compressed = size+c.size, compressed+c.compressed
		t.i64(2, c.offset)
		t.object(3, func() { c.metadata(t, w.chunks[i].Column) })
	})
	t.i64(2, size)
	t.i64(3, g.rows)
	t.i64(5, g.offset)
	t.i64(6, compressed)
}

// metadata is struct ColumnMetaData.
func (c written) metadata(t *thrift, column Column) {
	t.i32(1, map[Kind]int32{Text: 6, Decimal: 7, Time: 2}[column.Kind])
	encodings := []int32{plain, rle}
	if c.encoding == dictionary {
		encodings = append(encodings, dictionary)
	}
	t.list(2, numbers, len(encodings), func(i int) { t.number(int64(encodings[i])) })
	t.list(3, texts, 1, func(int) { t.bytes(column.Name) })
	t.i32(4, gzip)
	t.i64(5, c.values)
	t.i64(6, c.size)
	t.i64(7, c.compressed)
	t.i64(9, c.data)
	if c.dictionary > 0 {
		t.i64(11, c.dictionary)
	}
	t.object(12, func() { // Statistics
		t.i64(3, c.nulls)
		if c.least != nil {
			t.text(5, string(c.most))
			t.text(6, string(c.least))
		}
	})
}
