package landing

import (
	"bufio"
	"errors"
	"fmt"
	"io"

	"stackusage/shared/gz"
)

// CorrectedContainer is where corrected blobs lie, in the app's storage: nobody
// but agents writes into landing.
const CorrectedContainer = "corrected"

// Corrects is what the header of a corrected blob says of what it corrects. A
// corrected blob is an hour blob of the same form; it has the rows of the original,
// some of them fixed, in their order and with their line numbers.
type Corrects struct {
	Original string     `json:"original"` // SHA-256 of the landed blob
	Blob     string     `json:"blob"`     // the landed blob: container and name
	Decision string     `json:"decision"` // 16 hex digits made of what it replaces, the rows that are fixed and those that do not count
	Rejected [][2]int64 `json:"rejected"` // first and last of each range of lines that do not count, whatever the rules say
}

// checkCorrects says whether the header may name what it corrects: an agent's file
// corrects nothing, or whoever can drop one could leave rows out of the bill.
func (r *Reader) checkCorrects() error {
	c := r.header.Corrects
	if (c != nil) != r.name.Corrected {
		return reject(RejectedHeader, "corrects: only a corrected blob has it, and has to")
	}
	if c == nil {
		return nil
	}
	last := int64(0)
	for _, lines := range c.Rejected {
		if lines[0] <= last || lines[1] < lines[0] {
			return reject(RejectedHeader, "corrects: the lines %d to %d come after %d", lines[0], lines[1], last)
		}
		last = lines[1]
	}
	r.leftOut = c.Rejected
	return nil
}

// maxRejected keeps the header of a corrected blob within its bound.
const maxRejected = 200_000 // ranges

// ErrTooManyRanges means that the lines that do not count are too scattered for a
// header.
var ErrTooManyRanges = errors.New("the lines that do not count are in too many places")

// AddLine extends ranges of lines by one that comes after them.
func AddLine(ranges [][2]int64, line int64) ([][2]int64, error) {
	if n := len(ranges); n > 0 && ranges[n-1][1] == line-1 {
		ranges[n-1][1] = line
		return ranges, nil
	}
	if len(ranges) == maxRejected {
		return nil, ErrTooManyRanges
	}
	return append(ranges, [2]int64{line, line}), nil
}

// WriteCorrected writes a corrected blob to w: the rows of source, an hour blob that
// was read to its end before, with fixed rows in the place of their lines. Rows are
// copied as they are, however long.
func WriteCorrected(w io.Writer, header Header, source io.Reader, had Trailer, fixed map[int64][]byte) (Name, Trailer, error) {
	unzip, err := gz.NewReader(bufio.NewReader(source))
	if err != nil {
		return Name{}, Trailer{}, fmt.Errorf("write corrected blob: %w", err)
	}
	in := bufio.NewReaderSize(unzip, 64<<10)
	out, err := NewWriter(w, header)
	if err == nil {
		err = copyLine(in, func([]byte) error { return nil }) // the header
	}
	for n := int64(1); err == nil && n <= had.Records; n++ {
		if row, is := fixed[n]; is {
			err = errors.Join(copyLine(in, func([]byte) error { return nil }), out.Row(row))
		} else {
			err = out.rowFrom(in)
		}
	}
	if err != nil {
		return Name{}, Trailer{}, fmt.Errorf("write corrected blob: %w", err)
	}
	name, trailer, err := out.Close(had.Pages)
	name.Corrected = true
	return name, trailer, err
}

// copyLine hands over a line in pieces, without its line feed.
func copyLine(in *bufio.Reader, take func(part []byte) error) error {
	for {
		part, err := in.ReadSlice('\n')
		ended := err == nil
		if ended {
			part = part[:len(part)-1]
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
		if err := take(part); err != nil || ended {
			return err
		}
	}
}
