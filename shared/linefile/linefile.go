// Package linefile writes and reads line files, of which partials and daily files
// are: gzip of lines of JSON, a header, the lines, and a trailer that counts them.
// The same content always gives the same bytes from the same program, so that a
// repeated step writes the same name.
package linefile

import (
	"bufio"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"stackusage/shared/gz"
)

// maxFileLine bounds one line of a line file. The longest is a partial's header:
// it repeats the tenant map of an hour blob's header, which may have 16 MiB, and
// JSON may write it longer than it came.
const maxFileLine = 64 << 20

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
	lines []byte // encoded, and not compressed yet
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

// NewWriter begins a line file by its header.
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

// Line writes a line that so many rows of the usage API are behind.
func (w *Writer) Line(v any, rows int64) error {
	line, err := Encode(v)
	if err != nil {
		return err
	}
	return w.Raw(line, rows)
}

// blockBytes is how many bytes of lines are compressed and hashed at once.
const blockBytes = 64 << 10

// Raw is Line for a line that is encoded, without its line feed. It keeps no hold of it.
func (w *Writer) Raw(line []byte, rows int64) error {
	w.Lines++
	w.Rows += rows
	w.lines = append(append(w.lines, line...), '\n')
	if len(w.lines) < blockBytes {
		return nil
	}
	return w.flush()
}

func (w *Writer) flush() error {
	w.text.Write(w.lines)
	_, err := w.gz.Write(w.lines)
	w.lines = w.lines[:0]
	return err
}

// Close writes the trailer, and says what the file holds.
func (w *Writer) Close() (File, error) {
	if err := w.flush(); err != nil {
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

// ErrDamaged: a file of ours does not hold what we wrote.
var ErrDamaged = errors.New("the file is damaged")

// Reader reads a line file as a stream.
type Reader struct {
	gz    *gzip.Reader
	scan  *bufio.Scanner
	ahead []byte
	lines int64
}

// NewReader reads the header of a line file.
func NewReader(r io.Reader, header any) (*Reader, error) {
	gz, err := gzip.NewReader(r)
	if err != nil {
		return nil, err
	}
	out := &Reader{gz: gz, scan: bufio.NewScanner(gz)}
	out.scan.Buffer(make([]byte, 0, 64<<10), maxFileLine)
	if !out.scan.Scan() {
		return nil, cmp.Or(out.scan.Err(), ErrDamaged)
	}
	if err := json.Unmarshal(out.scan.Bytes(), header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrDamaged, err)
	}
	if !out.scan.Scan() {
		return nil, cmp.Or(out.scan.Err(), ErrDamaged)
	}
	out.ahead = bytes.Clone(out.scan.Bytes())
	return out, nil
}

// Lines is how many lines Next has decoded.
func (r *Reader) Lines() int64 { return r.lines }

// Next decodes the next line into v, or checks the trailer and returns io.EOF.
// rows is what the lines add up to so far, to be compared with the trailer.
func (r *Reader) Next(v any, rows int64) error {
	line := r.ahead
	if r.scan.Scan() {
		r.ahead = append(make([]byte, 0, len(r.scan.Bytes())), r.scan.Bytes()...)
		r.lines++
		if err := json.Unmarshal(line, v); err != nil {
			return fmt.Errorf("%w: line %d: %w", ErrDamaged, r.lines, err)
		}
		return nil
	}
	if err := r.scan.Err(); err != nil {
		return err
	}
	var t trailerLine
	if err := json.Unmarshal(line, &t); err != nil || t.Trailer == nil {
		return fmt.Errorf("%w: no trailer", ErrDamaged)
	}
	if t.Trailer.Lines != r.lines || t.Trailer.Rows != rows {
		return fmt.Errorf("%w: the trailer says %d lines of %d rows, the file has %d of %d",
			ErrDamaged, t.Trailer.Lines, t.Trailer.Rows, r.lines, rows)
	}
	return io.EOF
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
