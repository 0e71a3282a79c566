package redrive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"maps"
	"math"
	"slices"

	"stackusage/shared/content"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// draft is a corrected blob before it is stored.
type draft struct {
	Redriver
	req      Request
	id       hourlog.ID // of the file that counts, which it replaces
	standing hourlog.Hour
	out      Outcome

	header   landing.Header // of the file that counts
	trailer  landing.Trailer
	fixed    map[int64][]byte // rows that come in the place of theirs
	rejected [][2]int64       // lines that do not count
	known    int              // of the rows given, those of lines that were ever rejected
	same     int64            // rows asked for that count already, as they are asked for
	line     int64            // the last of them, or of those that count already in another way
	other    bool             // there are such
}

// read goes through the file that counts, and through its rejected rows, which are in
// the same order: it decides for each line whether it counts in the corrected blob.
func (d *draft) read(ctx context.Context) error {
	name, body, err := d.open(ctx, d.standing.Blob)
	if err != nil {
		return err
	}
	defer body.Close()
	reader, err := landing.NewReader(body, name, landing.Limits{Bytes: math.MaxInt64, Rows: math.MaxInt64})
	if err != nil {
		return err
	}
	defer reader.Close()
	d.header, d.fixed = reader.Header(), map[int64][]byte{}
	if d.Region != nil {
		region, err := d.Region(ctx, d.id.CloudID)
		if err != nil {
			return err
		}
		d.Settings.Region = region.Or(d.header)
	}
	next, stop := iter.Pull2(d.RejectedRows(ctx, d.id))
	defer stop()
	row, err, more := next()
	for {
		line, lineErr := reader.Next()
		if errors.Is(lineErr, io.EOF) {
			break
		}
		if err = errors.Join(err, lineErr); err != nil {
			return err
		}
		var counts bool
		if more && row.Line == line.Number {
			counts = d.refused(row, line)
			row, err, more = next()
		} else {
			counts = d.accepted(line)
		}
		if !counts {
			if d.rejected, err = landing.AddLine(d.rejected, line.Number); err != nil {
				return err
			}
		}
		if d.req.Progress != nil && line.Number%1000 == 0 {
			d.req.Progress(line.Number)
		}
	}
	d.trailer = reader.Trailer()
	return err
}

// refused decides about a row that was rejected, or redriven since.
func (d *draft) refused(row RejectedRow, line landing.Line) (counts bool) {
	fixed, is := d.req.Fixed[line.Number]
	if is {
		d.known++
	}
	text := fixed
	if !is {
		if text = line.Bytes; !d.req.wants(row.RejectedRow) {
			return row.State == hourlog.Redriven && d.accepted(line)
		}
	}
	if row.State == hourlog.Redriven {
		d.line = line.Number
		if is && !bytes.Equal(fixed, line.Bytes) {
			d.other = true
		} else if is || bytes.Equal(row.Row, line.Bytes) { // as they came
			d.same++
		}
		return d.accepted(line)
	}
	_, rejection := d.Settings.Parse(landing.Line{Bytes: text, TooLong: line.TooLong && !is}, d.id.Hour)
	if rejection != nil {
		d.still(line.Number, rejection, text)
		return false
	}
	if is {
		d.fixed[line.Number] = fixed
	}
	d.out.Rows++
	return true
}

// accepted decides about a row that counts: it goes on, unless the rules of today
// reject it.
func (d *draft) accepted(line landing.Line) bool {
	_, rejection := d.Settings.Parse(line, d.id.Hour)
	if rejection != nil {
		d.still(line.Number, rejection, line.Bytes)
	}
	return rejection == nil
}

func (d *draft) still(line int64, rejection *usage.Rejection, text []byte) {
	d.out.Still++
	if d.req.Still != nil {
		d.req.Still(ingest.RejectedRow{Line: line, Code: rejection.Code, Reason: rejection.Reason, Row: bytes.Clone(text)})
	}
}

// counted says what becomes of a request for rows that count already: as they are
// asked for, which is its outcome, or in another way.
func (d *draft) counted() error {
	switch asked := len(d.req.Fixed); {
	case d.known < asked:
		return fmt.Errorf("%d of the %d rows given are not in quarantine: %w", asked-d.known, asked, table.ErrNotFound)
	case d.other, asked > 0 && d.same > 0 && d.same < int64(asked):
		return fmt.Errorf("row %d is accepted already, by corrected blob %s: %w", d.line, d.id.SHA16, reasoned.ErrDecided)
	case d.out.Rows == 0 && d.same > 0:
		d.out.Already, d.out.Rows = true, d.same
		d.out.Corrected, d.out.UsageDays, d.out.Why = d.id.SHA16, d.standing.UsageDays, whyOf(d.standing)
	}
	return nil
}

// store writes the corrected blob and says what its row is. The same rows in the
// place of the same file always make the same blob: who, when and why are in the row.
func (d *draft) store(ctx context.Context) (name landing.Name, h hourlog.Hour, err error) {
	file, err := content.New(d.Settings.TempDir, "corrected-")
	if err != nil {
		return name, h, err
	}
	defer file.Discard()
	header := d.header
	corrects := landing.Corrects{Original: d.standing.SHA256, Blob: d.standing.Blob}
	if before := header.Corrects; before != nil {
		corrects = *before
	}
	corrects.Decision, corrects.Rejected = d.decision(), d.rejected
	header.Corrects = &corrects
	_, source, err := d.open(ctx, d.standing.Blob)
	if err != nil {
		return name, h, err
	}
	defer source.Close()
	name, trailer, err := landing.WriteCorrected(file, header, source, d.trailer, d.fixed)
	if err == nil {
		err = file.Put(ctx, d.App, name.Container(), name.Blob())
	}
	h = hourlog.Hour{
		Blob: name.String(), SHA256: file.SHA256(), RowSetHash: trailer.RowSetHash, Bytes: file.Size(), Records: trailer.Records, Pages: int64(trailer.Pages),
		Region: d.standing.Region, AgentVersion: d.standing.AgentVersion, CollectedAt: d.standing.CollectedAt, LandedAt: d.standing.LandedAt,
		Reporting: d.standing.Reporting, Original: d.standing.Root(), OriginalRowSetHash: d.standing.OriginalRowSetHash,
		UnlessDismissed: d.req.Fixed == nil && d.req.Want == nil,
	}
	if d.standing.Original == "" {
		h.OriginalRowSetHash = d.standing.RowSetHash
	}
	return name, h, err
}

// decision names a redrive by what it makes: the file that it replaces, the rows that
// it fixes, and the lines that do not count.
func (d *draft) decision() string {
	sum := sha256.New()
	fmt.Fprintf(sum, "%s\n", d.standing.SHA256)
	for _, line := range slices.Sorted(maps.Keys(d.fixed)) {
		fmt.Fprintf(sum, "%d %x\n", line, sha256.Sum256(d.fixed[line]))
	}
	for _, lines := range d.rejected {
		fmt.Fprintf(sum, "%d-%d\n", lines[0], lines[1])
	}
	return hex.EncodeToString(sum.Sum(nil)[:8])
}
