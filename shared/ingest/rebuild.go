package ingest

import (
	"context"
	"fmt"

	"stackusage/shared/content"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/linefile"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Rebuilder makes partials again that are not kept any more. What they are made of
// is kept: the hour blob that counts.
type Rebuilder struct {
	Tables   table.Store
	Hours    content.Opener // hour blobs
	Settings Settings
}

// Partial makes the partial of an input again, as a file that the caller discards.
// The rows that were rejected when the hour was ingested stay out, whatever the
// rules say today, and the others are in it. It is the same partial if the blob, the
// number of rows that counted and the lines of the day are the same; the bytes of
// the file are another compressor's affair.
func (r Rebuilder) Partial(ctx context.Context, in openday.Input) (*content.File, linefile.File, error) {
	f, file, err := r.partial(ctx, in)
	if err != nil {
		return nil, file, fmt.Errorf("rebuild partial %s: %w", in.Partial, err)
	}
	return f, file, nil
}

func (r Rebuilder) partial(ctx context.Context, in openday.Input) (*content.File, linefile.File, error) {
	id := hourlog.ID{CloudID: in.CloudID, Hour: in.Hour, SHA16: in.SHA16}
	h, err := hourlog.Read(ctx, r.Tables, id)
	if err != nil {
		return nil, linefile.File{}, err
	}
	sums, err := New(Settings{TempDir: r.Settings.TempDir, SpillSums: r.Settings.SpillSums}, id)
	if err != nil {
		return nil, linefile.File{}, err
	}
	defer sums.Close()
	header, err := r.add(ctx, id, h, in.Day, sums)
	if err != nil {
		return nil, linefile.File{}, err
	}
	f, file, err := sums.writePartial(h, header, in.Day, sums.sums.Sums())
	if err != nil {
		return nil, file, err
	}
	if file.Lines != in.Lines || file.Rows != in.Rows || in.Content != "" && file.Content != in.Content {
		f.Discard()
		return nil, file, fmt.Errorf("it has %d lines of %d rows with SHA-256 %s, DayInputs says %d of %d with %s",
			file.Lines, file.Rows, file.Content, in.Lines, in.Rows, in.Content)
	}
	return f, file, nil
}

// add reads the hour blob and adds up the rows of one usage day.
func (r Rebuilder) add(ctx context.Context, id hourlog.ID, h hourlog.Hour, day usage.Day, sums *Ingestion) (landing.Header, error) {
	hour, err := Hours{r.Tables, r.Hours}.Open(ctx, id, h)
	if err != nil {
		return landing.Header{}, err
	}
	defer hour.Close()
	for row, err := range hour.Rows(ctx) {
		if err != nil {
			return landing.Header{}, err
		}
		if row.Rejected != nil {
			continue
		}
		record, rejection := usage.ParseRecord(row.Bytes, id.Hour)
		if rejection != nil {
			return landing.Header{}, fmt.Errorf("row %d of %s counts, and cannot be read any more: %s", row.Number, h.Blob, rejection.Reason)
		}
		if record.Hour.Day() == day {
			if err := sums.add(record); err != nil {
				return landing.Header{}, err
			}
		}
	}
	return hour.Header(), nil
}
