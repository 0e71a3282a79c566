package landing

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"stackusage/shared/usage"
)

// SupplementFormat names the layout of a supplement in its header.
const SupplementFormat = "azurestack-usage-supplement/1"

// SupplementHeader is the first line of a supplement: rows of an hour blob that
// were refused and are sent again.
type SupplementHeader struct {
	Format        string    `json:"format"`
	CloudID       string    `json:"cloudId"`
	ReportedStart time.Time `json:"reportedStart"` // UTC, on the hour
	HourBlob      string    `json:"hourBlobSha256"`
}

// SupplementRow is one row of a supplement.
type SupplementRow struct {
	Line int64  `json:"line"` // the row's number in the hour blob
	Row  []byte `json:"row"`  // as it counts; base64, for the original may not be text
}

// supplementLine is a row or the trailer.
type supplementLine struct {
	SupplementRow
	Trailer *Trailer `json:"trailer"`
}

// SupplementWriter writes a supplement as a stream: gzip of a header, rows in
// order of line, and the trailer of an hour blob.
type SupplementWriter struct {
	gz      *gzip.Writer
	enc     *json.Encoder
	rows    RowSet
	trailer Trailer
}

// NewSupplementWriter starts a supplement on w.
func NewSupplementWriter(w io.Writer, header SupplementHeader) (*SupplementWriter, error) {
	header.Format = SupplementFormat
	out := &SupplementWriter{gz: gzip.NewWriter(w)}
	out.enc = json.NewEncoder(out.gz)
	if err := out.enc.Encode(header); err != nil {
		return nil, fmt.Errorf("write supplement: %w", err)
	}
	return out, nil
}

// Row appends a row.
func (w *SupplementWriter) Row(r SupplementRow) error {
	w.trailer.Records++
	w.rows.AddRow(r.Row)
	if err := w.enc.Encode(r); err != nil {
		return fmt.Errorf("write supplement: row %d: %w", r.Line, err)
	}
	return nil
}

// Close writes the trailer. It does not close the underlying writer.
func (w *SupplementWriter) Close() (Trailer, error) {
	w.trailer.RowSetHash = w.rows.String()
	err := w.enc.Encode(struct {
		Trailer *Trailer `json:"trailer"`
	}{&w.trailer})
	if err == nil {
		err = w.gz.Close()
	}
	if err != nil {
		return Trailer{}, fmt.Errorf("write supplement: %w", err)
	}
	return w.trailer, nil
}

// maxSupplementLine holds the longest row in base64, and what is round it.
const maxSupplementLine = usage.MaxLine*4/3 + 1024

// ReadSupplement reads the header of a supplement. The rows can be gone through
// once; they end with an error unless the trailer agrees with them.
func ReadSupplement(r io.Reader) (SupplementHeader, iter.Seq2[SupplementRow, error], error) {
	var header SupplementHeader
	gz, err := gzip.NewReader(r)
	if err != nil {
		return header, nil, fmt.Errorf("read supplement: %w", err)
	}
	scan := bufio.NewScanner(gz)
	scan.Buffer(nil, maxSupplementLine)
	if !scan.Scan() {
		return header, nil, fmt.Errorf("read supplement: %w", errors.Join(errNoSupplement, scan.Err()))
	}
	if err := json.Unmarshal(scan.Bytes(), &header); err != nil || header.Format != SupplementFormat {
		return header, nil, fmt.Errorf("read supplement: %w", errors.Join(errNoSupplement, err))
	}
	return header, func(yield func(SupplementRow, error) bool) {
		if err := supplementRows(scan, yield); err != nil {
			yield(SupplementRow{}, fmt.Errorf("read supplement: %w", err))
		}
	}, nil
}

// errNoSupplement: the file is not what a SupplementWriter wrote.
var errNoSupplement = errors.New("the file is not a supplement, or is damaged")

func supplementRows(scan *bufio.Scanner, yield func(SupplementRow, error) bool) error {
	var got Trailer
	var rows RowSet
	for last := int64(0); scan.Scan(); {
		var l supplementLine
		if err := json.Unmarshal(scan.Bytes(), &l); err != nil {
			return errors.Join(errNoSupplement, err)
		}
		if l.Trailer != nil {
			got.RowSetHash = rows.String()
			if *l.Trailer != got || scan.Scan() {
				return fmt.Errorf("%w: the trailer does not fit the rows", errNoSupplement)
			}
			return scan.Err()
		}
		if l.Line <= last {
			return fmt.Errorf("%w: line %d after %d", errNoSupplement, l.Line, last)
		}
		last = l.Line
		got.Records++
		rows.AddRow(l.Row)
		if !yield(l.SupplementRow, nil) {
			return nil
		}
	}
	return errors.Join(fmt.Errorf("%w: no trailer", errNoSupplement), scan.Err())
}
