package rowsums

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"stackusage/shared/usage"
)

// runCursor reads a run, and removes each segment that it has read.
type runCursor struct {
	sums  *Sums
	run   run
	file  *os.File // of the first segment; nil: it is not open
	zstd  *zstd.Decoder
	in    *bufio.Reader
	left  int // totals of the segment
	once  []onceText
	group []byte
	name  []byte
	head  []byte // key
	rest  []byte // key
	coef  []byte
	it    item
	err   error
}

// onceText is a text that a segment has once and, if it is a tail, its key.
type onceText struct{ text, key []byte }

func (c *runCursor) item() *item { return &c.it }

func (c *runCursor) close() {
	if c.zstd != nil {
		c.zstd.Close()
	}
	if c.file != nil {
		c.file.Close()
	}
}

func (c *runCursor) next() (bool, error) {
	for c.file == nil || c.left == 0 {
		if c.file == nil && len(c.run) == 0 {
			return false, nil
		}
		if err := c.turn(); err != nil {
			return false, fmt.Errorf("read run: %w", err)
		}
	}
	c.left--
	if err := c.read(); err != nil {
		return false, fmt.Errorf("read run: %w", err)
	}
	return true, nil
}

// turn ends a segment that is open, or begins the next one.
func (c *runCursor) turn() (err error) {
	if c.file != nil {
		if _, err := c.in.ReadByte(); err != io.EOF { // what may follow is the checksum
			return fmt.Errorf("after the last total: %w", cmp.Or(err, errDamaged))
		}
		err := errors.Join(c.file.Close(), c.sums.remove(c.run[0]))
		c.file, c.run = nil, c.run[1:]
		return err
	}
	if c.file, err = os.Open(c.run[0].path); err != nil {
		return err
	}
	c.left, c.once = c.run[0].totals, c.once[:0]
	c.it.head, c.group, c.name = c.it.head[:0], c.group[:0], c.name[:0]
	if c.zstd == nil {
		c.zstd, err = zstd.NewReader(c.file, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
		c.in = bufio.NewReaderSize(c.zstd, 8<<10)
		return err
	}
	c.in.Reset(c.zstd)
	return c.zstd.Reset(c.file)
}

// errDamaged: the file does not hold what was written.
var errDamaged = errors.New("the file is damaged")

func (c *runCursor) read() error {
	c.err = nil
	headBefore := len(c.it.head)
	shared := c.number()
	c.it.head = c.suffix(c.it.head, shared)
	if int(shared) != headBefore || len(c.it.head) != headBefore {
		c.head = c.head[:0] // it is another
	}
	c.group = c.suffix(c.group, c.number())
	between := c.readOnce()
	c.name = c.suffix(c.name, c.number())
	tail := c.readOnce()
	c.it.hour, c.it.rows = usage.Hour(c.signed()), int64(c.number())
	c.coef = c.text(c.coef[:0], 1)
	negative := c.err == nil && c.coef[0] == 1
	exponent := c.signed()
	c.coef = c.text(c.coef[:0], c.number())
	if c.err != nil {
		return c.err
	}
	c.it.rest = append(append(append(c.it.rest[:0], c.group...), c.once[between].text...), c.name...)
	t := &c.once[tail]
	if c.it.tail = t.text; !c.it.whole() {
		return errDamaged
	}
	if t.key == nil {
		t.key = appendTailKey(nil, t.text)
	}
	if len(c.head) == 0 {
		c.head = appendHeadKey(c.head, c.it.head)
	}
	c.rest = usage.AppendLower(c.rest[:0], c.it.rest)
	c.it.key = appendKey(c.it.key[:0], c.head, c.rest, t.key, c.it.hour)
	c.it.quantity = usage.Compose(negative, c.coef, int32(exponent))
	return nil
}

// readOnce is the place of a text in once.
func (c *runCursor) readOnce() (n uint64) {
	n = c.number()
	if c.err == nil && n == uint64(len(c.once)) {
		c.once = append(c.once, onceText{text: c.text(nil, c.number())})
	}
	if c.err == nil && n >= uint64(len(c.once)) {
		c.err = errDamaged
	}
	return n
}

func (c *runCursor) number() (n uint64) {
	if c.err == nil {
		n, c.err = binary.ReadUvarint(c.in)
	}
	return n
}

func (c *runCursor) signed() (n int64) {
	if c.err == nil {
		n, c.err = binary.ReadVarint(c.in)
	}
	return n
}

// text reads bytes behind those of b.
func (c *runCursor) text(b []byte, length uint64) []byte {
	if c.err == nil && length > chunk {
		c.err = errDamaged
	}
	if c.err != nil {
		return b
	}
	at := len(b)
	b = append(b, make([]byte, length)...)
	_, c.err = io.ReadFull(c.in, b[at:])
	return b
}

// suffix reads what is new of a text.
func (c *runCursor) suffix(before []byte, shared uint64) []byte {
	length := c.number()
	if c.err == nil && shared > uint64(len(before)) {
		c.err = errDamaged
	}
	if c.err != nil {
		return before
	}
	return c.text(before[:shared], length)
}

// open begins to read all runs, which are gone then. stop ends it.
func (s *Sums) open() (cursors []cursor, stop func()) {
	for _, r := range s.runs {
		cursors = append(cursors, &runCursor{sums: s, run: r})
	}
	s.runs = nil
	return cursors, func() {
		for _, c := range cursors {
			c.(*runCursor).close()
		}
	}
}
