package rowsums

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"

	"stackusage/shared/content"
	"stackusage/shared/usage"
)

// run is a file of totals in order of their keys. Only the process that wrote it reads it.
//
//	zstd( for each total: texts, as the length they share with the one before and the rest,
//	      hour, rows, quantity as whole number and exponent )
type run struct {
	path   string
	size   int64
	totals int64
}

// window is how far the compressor looks back: each run that is read at once has one.
const window = 64 << 10

// codec has the compressor, which is used again.
type codec struct{ zstd *zstd.Encoder }

func (c *codec) to(w io.Writer) (*zstd.Encoder, error) {
	if c.zstd == nil {
		var err error
		c.zstd, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
		return c.zstd, err
	}
	c.zstd.Reset(w)
	return c.zstd, nil
}

// takingDisk counts what is written.
type takingDisk struct {
	file *os.File
	run  *run
	disk *content.Disk
}

func (w takingDisk) Write(p []byte) (int, error) {
	if err := w.disk.Take(int64(len(p))); err != nil {
		return 0, err
	}
	w.run.size += int64(len(p))
	return w.file.Write(p)
}

// writeRun writes totals that come in order.
func (s *Sums) writeRun(from *merge) (err error) {
	s.files++
	r := run{path: fmt.Sprintf("%s/run-%06d", s.dir, s.files)}
	f, err := os.Create(r.path)
	if err != nil {
		return fmt.Errorf("write run: %w", err)
	}
	defer func() {
		s.runs = append(s.runs, r) // also what is begun: Close gives its disk back
		if err = errors.Join(err, f.Close()); err != nil {
			err = fmt.Errorf("write run: %w", err)
		}
	}()
	out, err := s.codec.to(takingDisk{f, &r, s.disk})
	if err != nil {
		return err
	}
	var line, last, number []byte
	for {
		more, err := from.next()
		if err != nil {
			return err
		}
		if !more {
			return out.Close()
		}
		it := &from.total
		shared := sharedPrefix(last, it.shown)
		line = binary.AppendUvarint(line[:0], uint64(shared))
		line = binary.AppendUvarint(line, uint64(len(it.shown)-shared))
		line = append(line, it.shown[shared:]...)
		line = binary.AppendVarint(line, int64(it.hour))
		line = binary.AppendUvarint(line, uint64(it.rows))
		negative, coefficient, exponent := it.quantity.Decompose(number[:0])
		sign := byte(0)
		if negative {
			sign = 1
		}
		line = binary.AppendVarint(append(line, sign), int64(exponent))
		line = binary.AppendUvarint(line, uint64(len(coefficient)))
		line = append(line, coefficient...)
		if _, err := out.Write(line); err != nil {
			return err
		}
		last = append(last[:0], it.shown...)
		r.totals++
	}
}

func sharedPrefix(a, b []byte) int {
	n := min(len(a), len(b))
	i := 0
	for ; i+8 <= n && binary.LittleEndian.Uint64(a[i:]) == binary.LittleEndian.Uint64(b[i:]); i += 8 {
	}
	for i < n && a[i] == b[i] {
		i++
	}
	return i
}

// runCursor reads a run.
type runCursor struct {
	file *os.File
	zstd *zstd.Decoder
	in   *bufio.Reader
	left int64 // totals
	it   item
	coef []byte
}

func (r run) open() (*runCursor, error) {
	f, err := os.Open(r.path)
	if err != nil {
		return nil, fmt.Errorf("read run: %w", err)
	}
	dec, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(window))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read run: %w", err), f.Close())
	}
	return &runCursor{left: r.totals, file: f, zstd: dec, in: bufio.NewReaderSize(dec, 8<<10)}, nil
}

func (c *runCursor) close() {
	c.zstd.Close()
	c.file.Close()
}

func (c *runCursor) item() *item { return &c.it }

func (c *runCursor) next() (bool, error) {
	if c.left == 0 { // what may follow is the checksum
		if _, err := c.in.ReadByte(); err != io.EOF {
			return false, fmt.Errorf("read run: after the last total: %w", cmp.Or(err, errDamaged))
		}
		return false, nil
	}
	c.left--
	if err := c.read(); err != nil {
		return false, fmt.Errorf("read run: %w", err)
	}
	return true, nil
}

// errDamaged: the file does not hold what was written.
var errDamaged = errors.New("the file is damaged")

func (c *runCursor) read() (err error) {
	number := func() (n uint64) {
		if err == nil {
			n, err = binary.ReadUvarint(c.in)
		}
		return n
	}
	signed := func() (n int64) {
		if err == nil {
			n, err = binary.ReadVarint(c.in)
		}
		return n
	}
	text := func(b []byte, length uint64) []byte {
		if length > chunk {
			err = errDamaged
		}
		if err != nil {
			return b
		}
		at := len(b)
		b = append(b, make([]byte, length)...)
		_, err = io.ReadFull(c.in, b[at:])
		return b
	}
	shared, rest := number(), number()
	if shared > uint64(len(c.it.shown)) {
		return errDamaged
	}
	c.it.shown = text(c.it.shown[:shared], rest)
	c.it.hour, c.it.rows = usage.Hour(signed()), int64(number())
	sign := text(c.coef[:0], 1)
	exponent := signed()
	negative := err == nil && sign[0] == 1
	c.coef = text(c.coef[:0], number())
	if err != nil {
		return err
	}
	if bytes.Count(c.it.shown, []byte{end}) != 6 {
		return errDamaged
	}
	c.it.quantity = usage.Compose(negative, c.coef, int32(exponent))
	c.it.key = appendKey(c.it.key[:0], c.it.shown, c.it.hour)
	return nil
}

// open opens all runs. stop closes them.
func (s *Sums) open(runs []run) (cursors []cursor, stop func(), err error) {
	stop = func() {
		for _, c := range cursors {
			c.(*runCursor).close()
		}
	}
	for _, r := range runs {
		c, err := r.open()
		if err != nil {
			return cursors, stop, err
		}
		cursors = append(cursors, c)
	}
	return cursors, stop, nil
}
