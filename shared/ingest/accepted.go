package ingest

import (
	"context"
	"fmt"
	"io"
	"iter"

	"stackusage/shared/content"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

// Hours reads hour blobs that are or were accepted, as they were ingested: what was
// rejected then stays rejected, whatever the rules are today.
type Hours struct {
	Tables table.Store
	Blobs  content.Opener // hour blobs: landing.Files
}

// AcceptedHour is such an hour blob, open for reading.
type AcceptedHour struct {
	id     hourlog.ID
	row    hourlog.Hour
	blob   *landing.Stored
	tables table.Store
}

// Row is a row of the hour blob.
type Row struct {
	landing.Line
	Rejected *hourlog.Quarantined // why it was rejected; nil: it was accepted
}

// Open opens the hour blob of a row of UsageHours. Whoever opens it closes it.
func (o Hours) Open(ctx context.Context, id hourlog.ID, h hourlog.Hour) (*AcceptedHour, error) {
	blob, err := landing.OpenStored(ctx, o.Blobs, h.Blob)
	if err != nil {
		return nil, fmt.Errorf("read hour blob %s: %w", h.Blob, err)
	}
	return &AcceptedHour{id: id, row: h, blob: blob, tables: o.Tables}, nil
}

// Header is that of the hour blob.
func (a *AcceptedHour) Header() landing.Header { return a.blob.Header() }

// Close closes the blob.
func (a *AcceptedHour) Close() error { return a.blob.Close() }

// Rows goes through all rows once, in order of line. After the last one, the blob's
// hash, the number of accepted rows and the lines of the rejected ones must be those
// that were recorded.
func (a *AcceptedHour) Rows(ctx context.Context) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		next, stop := iter.Pull2(hourlog.RejectedLines(ctx, a.tables, a.id, a.row.RejectedFile))
		defer stop()
		rejected, err, more := next()
		var accepted int64
		for err == nil {
			var line landing.Line
			if line, err = a.blob.Next(); err != nil {
				break
			}
			row := Row{Line: line}
			if more && rejected.Line == line.Number {
				q := rejected
				row.Rejected = &q
				rejected, err, more = next()
			} else {
				accepted++
			}
			if err == nil && !yield(row, nil) {
				return
			}
		}
		switch {
		case err != io.EOF: // bare: a connection that broke may wrap it
		case more:
			err = fmt.Errorf("row %d was rejected, and the blob has no such row", rejected.Line)
		case a.blob.SHA256() != a.row.SHA256 || accepted != a.row.Accepted:
			err = fmt.Errorf("it has SHA-256 %s and %d accepted rows, UsageHours says %s and %d", a.blob.SHA256(), accepted, a.row.SHA256, a.row.Accepted)
		default:
			return
		}
		yield(Row{}, fmt.Errorf("read hour blob %s: %w", a.row.Blob, err))
	}
}
