// Package gz writes and reads gzip. Compressors are used again: a new one costs 0.4 ms
// and 0.8 MB, and the files of this app are many and small. The bytes are those of
// compress/gzip.
package gz

import (
	"compress/gzip"
	"errors"
	"io"
	"sync"

	fast "github.com/klauspost/compress/gzip"
)

var free = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// Writer compresses what is written to it. A Writer that is not closed costs its
// compressor and nothing else.
type Writer struct{ gzip *gzip.Writer }

// NewWriter compresses to w.
func NewWriter(w io.Writer) *Writer {
	out := free.Get().(*gzip.Writer)
	out.Reset(w)
	return &Writer{out}
}

// errClosed: the compressor may be another's by now.
var errClosed = errors.New("the gzip writer is closed")

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) {
	if w.gzip == nil {
		return 0, errClosed
	}
	return w.gzip.Write(p)
}

// Close ends the file, but not the underlying writer. A second Close does nothing.
func (w *Writer) Close() error {
	if w.gzip == nil {
		return nil
	}
	err := w.gzip.Close()
	w.gzip.Reset(io.Discard) // keep hold of nothing
	free.Put(w.gzip)
	w.gzip = nil
	return err
}

// NewReader decompresses r, several members one after the other. It reads beyond the end
// of the last one, unless r is an io.ByteReader, as a *bufio.Reader is, and is fastest
// from that one.
func NewReader(r io.Reader) (*fast.Reader, error) { return fast.NewReader(r) }
