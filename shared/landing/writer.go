package landing

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"stackusage/shared/gz"
	"stackusage/shared/usage"
)

// Writer writes one hour blob as a stream.
type Writer struct {
	gz      *gz.Writer
	file    hash.Hash // of the compressed bytes
	name    Name
	rows    RowSet
	records int64
}

// NewWriter starts an hour blob for header's hour on w.
func NewWriter(w io.Writer, header Header) (*Writer, error) {
	hour := usage.HourOf(header.ReportedStart)
	header.Format = Format
	header.CloudID = usage.DashedGUID(header.CloudID)
	header.ReportedStart, header.ReportedEnd = hour.Start(), hour.End()
	header.CollectedAt, header.TenantsAt = header.CollectedAt.UTC(), header.TenantsAt.UTC()
	line, err := json.Marshal(header)
	if err != nil {
		return nil, fmt.Errorf("write header of hour %s: %w", hour, err)
	}
	sum := sha256.New()
	out := &Writer{gz: gz.NewWriter(io.MultiWriter(w, sum)), file: sum, name: Name{CloudID: header.CloudID, Hour: hour}}
	if err := out.line(line); err != nil {
		return nil, fmt.Errorf("write header of hour %s: %w", hour, err)
	}
	return out, nil
}

// errLineBreak: the format is one row a line, and the agent may not rewrite rows.
var errLineBreak = errors.New("the row holds a line break")

// Row appends one row, as the API sent it. The row must not hold a line break.
func (w *Writer) Row(raw []byte) error {
	if bytes.IndexByte(raw, '\n') >= 0 {
		return fmt.Errorf("write row %d of hour %s: %w", w.records+1, w.name.Hour, errLineBreak)
	}
	w.rows.Add(sha256.Sum256(raw))
	w.records++
	if err := w.line(raw); err != nil {
		return fmt.Errorf("write row %d of hour %s: %w", w.records, w.name.Hour, err)
	}
	return nil
}

// rowFrom appends the next line of in.
func (w *Writer) rowFrom(in *bufio.Reader) error {
	sum := sha256.New()
	err := copyLine(in, func(part []byte) error {
		sum.Write(part)
		_, err := w.gz.Write(part)
		return err
	})
	if err == nil {
		_, err = w.gz.Write([]byte{'\n'})
	}
	w.rows.Add([sha256.Size]byte(sum.Sum(nil)))
	w.records++
	return err
}

// Close writes the trailer and returns the name that the file's bytes ask for.
// It does not close the underlying writer.
func (w *Writer) Close(pages int) (Name, Trailer, error) {
	trailer := Trailer{Records: w.records, Pages: pages, RowSetHash: w.rows.String()}
	line, err := json.Marshal(trailerLine{&trailer})
	if err == nil {
		err = w.line(line)
	}
	if err == nil {
		err = w.gz.Close()
	}
	if err != nil {
		return Name{}, Trailer{}, fmt.Errorf("write trailer of hour %s: %w", w.name.Hour, err)
	}
	return NameOf(w.name.CloudID, w.name.Hour, [sha256.Size]byte(w.file.Sum(nil))), trailer, nil
}

func (w *Writer) line(b []byte) error {
	if _, err := w.gz.Write(b); err != nil {
		return err
	}
	_, err := w.gz.Write([]byte{'\n'})
	return err
}
