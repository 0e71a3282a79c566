package linefile

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"stackusage/shared/gz"
)

// ErrDamaged: a file of ours does not hold what we wrote.
var ErrDamaged = errors.New("the file is damaged")

// maxFileLine bounds one line of a line file. The longest is a partial's header:
// it repeats the tenant map of an hour blob's header, which may have 16 MiB, and
// JSON may write it longer than it came.
const maxFileLine = 64 << 20

// Bytes that a Reader keeps: of the file, and of its text.
const (
	packedBytes = 16 << 10
	textBytes   = 32 << 10
)

// Reader reads a line file as a stream.
type Reader struct {
	gz    io.Reader
	text  []byte // buffer
	ahead []byte // in text: read, and not taken yet
	err   error  // behind ahead
	lines int64
}

// NewReader reads the header of a line file.
func NewReader(r io.Reader, header any) (*Reader, error) {
	unpacked, err := gz.NewReader(bufio.NewReaderSize(r, packedBytes))
	if err != nil {
		return nil, err
	}
	out := &Reader{gz: unpacked, text: make([]byte, textBytes)}
	line, last, err := out.take()
	switch {
	case err == io.EOF || err == nil && last:
		return nil, ErrDamaged
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(line, header); err != nil {
		return nil, fmt.Errorf("%w: header: %w", ErrDamaged, err)
	}
	out.fit() // many files are open at once, and each may have a long header
	return out, nil
}

// take takes the next line, which is valid until the next call, and says whether it is
// the last one. It is io.EOF after that.
func (r *Reader) take() (line []byte, last bool, err error) {
	searched := 0
	for {
		if n := bytes.IndexByte(r.ahead[searched:], '\n'); n >= 0 && (searched+n+1 < len(r.ahead) || r.err == io.EOF) {
			line, r.ahead = r.ahead[:searched+n], r.ahead[searched+n+1:]
			return line, len(r.ahead) == 0, nil
		} else if n < 0 {
			searched = len(r.ahead)
		}
		switch {
		case r.err == io.EOF && len(r.ahead) > 0: // a line without its feed
			line, r.ahead = r.ahead, nil
			return line, true, nil
		case r.err != nil:
			return nil, false, r.err
		}
		r.fill()
	}
}

// fill reads more text.
func (r *Reader) fill() {
	if len(r.ahead) >= maxFileLine {
		r.err = bufio.ErrTooLong
		return
	}
	r.fit()
	n := len(r.ahead)
	more, err := io.ReadAtLeast(r.gz, r.text[n:], 1)
	r.ahead, r.err = r.text[:n+more], err
}

// fit has what is ahead at the beginning of a buffer with room for more, which is long
// only as long as a line is.
func (r *Reader) fit() {
	size := textBytes
	for size <= len(r.ahead) {
		size *= 2
	}
	text := r.text
	if size != len(text) {
		text = make([]byte, size)
	}
	r.ahead = text[:copy(text, r.ahead)]
	r.text = text
}

// Lines is how many lines Next has returned.
func (r *Reader) Lines() int64 { return r.lines }

// Next returns the next line, which is valid until the next call, or checks the trailer
// and returns io.EOF. rows is what the lines add up to so far, to be compared with the
// trailer.
func (r *Reader) Next(rows int64) ([]byte, error) {
	line, last, err := r.take()
	if err != nil {
		return nil, err
	}
	if !last {
		r.lines++
		return line, nil
	}
	var t trailerLine
	if err := json.Unmarshal(line, &t); err != nil || t.Trailer == nil {
		return nil, fmt.Errorf("%w: no trailer", ErrDamaged)
	}
	if t.Trailer.Lines != r.lines || t.Trailer.Rows != rows {
		return nil, fmt.Errorf("%w: the trailer says %d lines of %d rows, the file has %d of %d",
			ErrDamaged, t.Trailer.Lines, t.Trailer.Rows, r.lines, rows)
	}
	return nil, io.EOF
}

// Decode decodes the line that Next returned last.
func (r *Reader) Decode(line []byte, v any) error {
	if err := json.Unmarshal(line, v); err != nil {
		return fmt.Errorf("%w: line %d: %w", ErrDamaged, r.lines, err)
	}
	return nil
}
