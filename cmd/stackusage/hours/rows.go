package hours

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/content"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/usage"
)

// BlobRow is a row of an hour blob.
type BlobRow struct {
	Line           int64           `json:"line"`
	State          string          `json:"state"`          // accepted, rejected or dismissed; if the file is not accepted, its verdict
	Code           string          `json:"code,omitempty"` // why it was rejected, or would be
	Reason         string          `json:"reason,omitempty"`
	By             string          `json:"decidedBy,omitempty"` // who dismissed it
	Why            string          `json:"decisionReason,omitempty"`
	UsageHour      *usage.Hour     `json:"usageHour,omitempty"` // this and what follows: of a row that the rules can read
	SubscriptionID string          `json:"subscriptionId,omitempty"`
	MeterID        string          `json:"meterId,omitempty"`
	MeterName      string          `json:"meterName,omitempty"`
	ResourceURI    string          `json:"resourceUri,omitempty"`
	Quantity       *usage.Quantity `json:"quantity,omitempty"`
	Unit           string          `json:"unit,omitempty"`
	cli.Sent
}

// rowReader reads a file of a reported hour. Its rows are read once, and come as they
// were ingested if the file is or was accepted.
type rowReader struct {
	Header landing.Header
	Rows   iter.Seq2[BlobRow, error] // after the last one, the file's hash was checked

	io.Closer
}

// openRows opens a file. Whoever opens it closes it.
func openRows(ctx context.Context, storage *cli.Storage, id hourlog.ID, h hourlog.Hour) (*rowReader, error) {
	meters, err := meter.BuiltIn()
	if err != nil {
		return nil, err
	}
	blobs := landing.Files{Landed: storage.Landing.Blobs, Corrected: storage.Usage.Blobs}
	switch h.Verdict {
	case hourlog.Accepted, hourlog.Voided, hourlog.Excluded:
		blob, err := ingest.Hours{Tables: storage.Tables, Blobs: blobs}.Open(ctx, id, h)
		if err != nil {
			return nil, gone(err)
		}
		return &rowReader{Header: blob.Header(), Rows: ingested(blob.Rows(ctx), id, h, meters), Closer: blob}, nil
	}
	blob, err := landing.OpenStored(ctx, blobs, h.Blob)
	if err != nil {
		return nil, gone(fmt.Errorf("read hour blob %s: %w", h.Blob, err))
	}
	return &rowReader{Header: blob.Header(), Rows: landed(blob, id, h, meters), Closer: blob}, nil
}

// gone adds to the error of a file that is not there why that may be.
func gone(err error) error {
	if errors.Is(err, content.ErrNoBlob) {
		return fmt.Errorf("%w: storage has removed it, or somebody has; what was ingested of it stays in the bill", err)
	}
	return err
}

// ingested are the rows of a file that is or was accepted.
func ingested(rows iter.Seq2[ingest.Row, error], id hourlog.ID, h hourlog.Hour, meters *meter.Catalogue) iter.Seq2[BlobRow, error] {
	return func(yield func(BlobRow, error) bool) {
		for row, err := range rows {
			var r BlobRow
			if err == nil {
				r = blobRow(row.Line, id, h, meters)
			}
			if q := row.Rejected; q != nil {
				r.State, r.Code, r.Reason = string(q.Status), q.Code, q.Reason
				r.By, r.Why = q.DecidedBy, q.DecisionReason
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// landed are the rows of a file that was never accepted.
func landed(blob *landing.Stored, id hourlog.ID, h hourlog.Hour, meters *meter.Catalogue) iter.Seq2[BlobRow, error] {
	return func(yield func(BlobRow, error) bool) {
		for {
			line, err := blob.Next()
			if err == io.EOF { // bare: a connection that broke may wrap it
				if h.SHA256 == "" || h.SHA256 == blob.SHA256() {
					return
				}
				err = fmt.Errorf("it has SHA-256 %s, UsageHours says %s", blob.SHA256(), h.SHA256)
			}
			if err != nil {
				yield(BlobRow{}, fmt.Errorf("read hour blob %s: %w", h.Blob, err))
				return
			}
			if !yield(blobRow(line, id, h, meters), nil) {
				return
			}
		}
	}
}

// blobRow is a line by the rules of today.
func blobRow(line landing.Line, id hourlog.ID, h hourlog.Hour, meters *meter.Catalogue) BlobRow {
	row := BlobRow{Line: line.Number, State: string(h.Verdict), Sent: cli.SentRow(bytes.Clone(line.Bytes), line.TooLong)}
	record, rejection := ingest.Settings{}.Parse(line, id.Hour)
	if rejection != nil {
		row.Code, row.Reason = rejection.Code, rejection.Reason
		return row
	}
	row.UsageHour, row.Quantity = &record.Hour, &record.Quantity
	row.SubscriptionID, row.MeterID, row.ResourceURI = record.SubscriptionID, record.MeterID, record.ResourceURI
	if m, known := meters.Find(record.MeterID); known {
		row.MeterName, row.Unit = m.Name, m.Unit
	}
	return row
}
