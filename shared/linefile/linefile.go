// Package linefile writes and reads line files, of which partials and daily files
// are: gzip of lines of JSON, a header, the lines, and a trailer that counts them.
// The same content always gives the same bytes from the same program, so that a
// repeated step writes the same name.
package linefile

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"hash"
	"io"

	"stackusage/shared/gz"
	"stackusage/shared/spill"
)

type trailerLine struct {
	Trailer *Trailer `json:"trailer"`
}

// Trailer is the last line of a partial or daily file, inside {"trailer": ...}.
type Trailer struct {
	Lines int64 `json:"lines"`
	Rows  int64 `json:"rows"` // of the usage API, behind all lines
}

// File says what a finished line file holds, and the hash that names it.
type File struct {
	Trailer
	Records int64  // daily records among the lines; 0 for a partial
	Carried int64  // lines that carry something to another day
	Waived  int64  // lines of which an operator decided not to bill something
	SHA256  string // of the file's bytes, 64 hex digits
	Content string // SHA-256 of the lines between header and trailer, as text: another compressor gives the same
	Size    int64  // bytes
}

// Writer writes a line file. Who writes it counts its records, and the lines that
// carry or waive something.
type Writer struct {
	gz    *gz.Writer
	enc   *json.Encoder // of header and trailer
	text  hash.Hash     // of the lines
	sum   hash.Hash
	size  countWriter
	block []byte // of lines that are not compressed yet
	spare []byte // for the next block, while this one is compressed
	last  spill.Behind
	Trailer
	Records int64
	Carried int64
	Waived  int64
}

type countWriter int64

func (c *countWriter) Write(p []byte) (int, error) {
	*c += countWriter(len(p))
	return len(p), nil
}

// NewWriter begins a line file by its header. Blocks of lines are compressed and hashed on
// another goroutine, one after the other: Stop waits for it, unless Close did.
func NewWriter(w io.Writer, header any) (*Writer, error) {
	out := &Writer{sum: sha256.New(), text: sha256.New()}
	out.gz = gz.NewWriter(io.MultiWriter(w, out.sum, &out.size))
	out.enc = json.NewEncoder(out.gz)
	out.enc.SetEscapeHTML(false)
	if err := out.enc.Encode(header); err != nil {
		return nil, err
	}
	return out, nil
}

// blockBytes is how many bytes of lines are compressed and hashed at once.
const blockBytes = 64 << 10

// Raw writes a line of JSON, which has no line feed yet and so many rows of the usage API
// behind it. It keeps no hold of the line.
func (w *Writer) Raw(line []byte, rows int64) error {
	w.Lines++
	w.Rows += rows
	w.block = append(append(w.block, line...), '\n')
	if len(w.block) < blockBytes {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	block := w.block
	err := w.last.Do(func() error {
		w.text.Write(block)
		_, err := w.gz.Write(block)
		return err
	})
	w.block, w.spare = w.spare[:0], block // the block before is compressed
	return err
}

// Stop waits until nothing is written any more. What was written is no whole file.
func (w *Writer) Stop() { _ = w.last.Wait() }

// Close writes the trailer, and says what the file holds.
func (w *Writer) Close() (File, error) {
	if err := errors.Join(w.flush(), w.last.Wait()); err != nil {
		return File{}, err
	}
	if err := w.enc.Encode(trailerLine{&w.Trailer}); err != nil {
		return File{}, err
	}
	if err := w.gz.Close(); err != nil {
		return File{}, err
	}
	return File{Trailer: w.Trailer, Records: w.Records, Carried: w.Carried, Waived: w.Waived, SHA256: hex.EncodeToString(w.sum.Sum(nil)),
		Content: hex.EncodeToString(w.text.Sum(nil)), Size: int64(w.size)}, nil
}

// Encode writes a value as one line of JSON, without the line feed. HTML characters
// stay as they are: the bytes are a contract, not a page.
func Encode(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return bytes.TrimSuffix(buf.Bytes(), []byte{'\n'}), err
}
