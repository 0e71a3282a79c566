package rowsums

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/klauspost/compress/zstd"
)

// run is totals in order of their keys, in files that are removed one by one when they are
// read for the last time, since what the totals become needs disk, too. Only the process
// that wrote them reads them.
//
//	zstd( for each total: what is new of its head, of the resource group, of what is
//	      between that and the resource's name, of the name, and of its tail; hour, rows,
//	      quantity as whole number and exponent )
type run []segment

type segment struct {
	path   string
	size   int64
	totals int
}

// Bounds of a segment: bytes on disk, and what the texts that it has once have in memory.
const (
	maxSegment = 512 << 10
	maxOnce    = 256 << 10
)

// window is how far the compressor looks back: each run that is read at once has one.
const window = 64 << 10

// runWriter writes a run. Close ends it.
type runWriter struct {
	sums  *Sums
	run   run
	file  *os.File // of the last segment; nil: none is begun
	zstd  *zstd.Encoder
	once  dict // tails, and what is between the names of groups and resources
	head  []byte
	group []byte
	name  []byte
	line  []byte
	coef  []byte
}

// Write takes what the compressor wrote.
func (w *runWriter) Write(p []byte) (int, error) {
	if err := w.sums.disk.Take(int64(len(p))); err != nil {
		return 0, err
	}
	w.sums.taken += int64(len(p))
	w.run[len(w.run)-1].size += int64(len(p))
	return w.file.Write(p)
}

// writeRun writes totals that come in order.
func (s *Sums) writeRun(from *merge) (err error) {
	w := &runWriter{sums: s, once: newDict(&s.pool)}
	defer func() {
		w.once.reset()
		if w.file != nil {
			w.file.Close()
		}
		if err != nil {
			err = fmt.Errorf("write run: %w", err)
		}
	}()
	for {
		more, err := from.next()
		if err == nil && more {
			err = w.put(&from.item)
		}
		if err != nil {
			return err
		}
		if !more {
			s.runs = append(s.runs, w.run)
			return w.end()
		}
	}
}

// begin begins a segment.
func (w *runWriter) begin() (err error) {
	w.sums.files++
	s := segment{path: fmt.Sprintf("%s/run-%06d", w.sums.dir, w.sums.files)}
	if w.file, err = os.Create(s.path); err != nil {
		return err
	}
	w.run = append(w.run, s)
	w.once.reset()
	w.head, w.group, w.name = w.head[:0], w.group[:0], w.name[:0]
	if w.zstd = w.sums.zstd; w.zstd == nil {
		w.zstd, err = zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(window), zstd.WithLowerEncoderMem(true))
		w.sums.zstd = w.zstd
		return err
	}
	w.zstd.Reset(w)
	return nil
}

// end ends a segment.
func (w *runWriter) end() error {
	if w.file == nil {
		return nil
	}
	err := errors.Join(w.zstd.Close(), w.file.Close())
	w.file = nil
	return err
}

func (w *runWriter) put(it *item) error {
	if w.file == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	group, between, name := splitRest(it.rest)
	b := appendSuffix(w.line[:0], w.head, it.head)
	b = appendSuffix(b, w.group, group)
	b = w.appendOnce(b, between)
	b = appendSuffix(b, w.name, name)
	b = w.appendOnce(b, it.tail)
	b = binary.AppendVarint(b, int64(it.hour))
	b = binary.AppendUvarint(b, uint64(it.rows))
	negative, coefficient, exponent := it.quantity.Decompose(w.coef[:0])
	sign := byte(0)
	if negative {
		sign = 1
	}
	b = binary.AppendVarint(append(b, sign), int64(exponent))
	b = append(binary.AppendUvarint(b, uint64(len(coefficient))), coefficient...)
	w.line = b
	w.head, w.group, w.name = append(w.head[:0], it.head...), append(w.group[:0], group...), append(w.name[:0], name...)
	s := &w.run[len(w.run)-1]
	s.totals++
	if _, err := w.zstd.Write(b); err != nil {
		return err
	}
	if s.size < maxSegment && w.once.texts.used < maxOnce {
		return nil
	}
	return w.end()
}

// splitRest finds the resource group and the name of a resource in the rest of its URI,
// "resourceGroups/{group}/providers/{namespace}/{type}/{name}". Put together again, they
// are the rest, whatever it is.
func splitRest(rest []byte) (group, between, name []byte) {
	first := bytes.IndexByte(rest, '/') + 1
	second := bytes.IndexByte(rest[first:], '/')
	if second < 0 {
		return rest, nil, nil
	}
	last := bytes.LastIndexByte(rest, '/') + 1
	return rest[:first+second], rest[first+second : last], rest[last:]
}

// appendOnce writes the number of a text, and the text if it is new in the segment.
func (w *runWriter) appendOnce(b, text []byte) []byte {
	n, hash, known := w.once.find(text)
	if known {
		return binary.AppendUvarint(b, uint64(n))
	}
	b = binary.AppendUvarint(b, uint64(w.once.add(text, hash)))
	return append(binary.AppendUvarint(b, uint64(len(text))), text...)
}

// appendSuffix writes how many bytes a text shares with the one before, and the others.
func appendSuffix(b, before, text []byte) []byte {
	n := 0
	for last := min(len(before), len(text)); ; n++ {
		if n+8 <= last && binary.LittleEndian.Uint64(before[n:]) == binary.LittleEndian.Uint64(text[n:]) {
			n += 7
		} else if n == last || before[n] != text[n] {
			break
		}
	}
	b = binary.AppendUvarint(b, uint64(n))
	return append(binary.AppendUvarint(b, uint64(len(text)-n)), text[n:]...)
}

// remove removes a segment that was read.
func (s *Sums) remove(seg segment) error {
	s.disk.Free(seg.size)
	s.taken -= seg.size
	return os.Remove(seg.path)
}
