package ingest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"

	"stackusage/shared/content"
	"stackusage/shared/gz"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// rejectedFile sets rejected rows aside: their bytes in one file per hour blob, and
// a table row each that says why. Any number of rows may be refused, so they
// wait on disk, not in memory.
type rejectedFile struct {
	file *content.File
	gz   *gz.Writer
	enc  *json.Encoder
}

// RejectedRow is one line of the file of rejected rows. Base64 keeps bytes that are
// not text.
type RejectedRow struct {
	Line   int64  `json:"line"` // the row's number in the hour blob, from 1
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Cut    bool   `json:"cut,omitempty"` // Row is only the beginning; the hour blob has all of it
	Row    []byte `json:"row"`
}

func newRejectedFile(s Settings) (*rejectedFile, error) {
	file, err := content.NewOn(s.Disk, s.TempDir, "quarantine-")
	if err != nil {
		return nil, err
	}
	q := &rejectedFile{file: file, gz: gz.NewWriter(file)}
	q.enc = json.NewEncoder(q.gz)
	return q, nil
}

func (q *rejectedFile) add(line landing.Line, r usage.Rejection) error {
	err := q.enc.Encode(RejectedRow{Line: line.Number, Code: r.Code, Reason: r.Reason, Cut: line.TooLong, Row: line.Bytes})
	if err != nil {
		return fmt.Errorf("quarantine row %d: %w", line.Number, err)
	}
	return nil
}

// putRows is how many table rows are written at a time.
const putRows = 1000

// PutRejected stores the file of rejected rows and then the table rows that point
// at it. It answers the file's path, empty if no row was refused.
func (in *Ingestion) PutRejected(ctx context.Context, blobs content.Putter, tables table.Store, hourBlob string) (path string, err error) {
	if in.rejected == nil {
		return "", nil
	}
	q := in.rejected
	if err := q.gz.Close(); err != nil {
		return "", fmt.Errorf("quarantine rows of hour %s: %w", in.id, err)
	}
	name := fmt.Sprintf("%s-%s.ndjson.gz", filesOf(in.id), q.file.SHA256()[:16])
	if err := q.file.Put(ctx, blobs, table.ContainerQuarantine, name); err != nil {
		return "", err
	}
	path = table.ContainerQuarantine + "/" + name
	read, err := q.file.Open()
	if err != nil {
		return "", fmt.Errorf("quarantine rows of hour %s: %w", in.id, err)
	}
	defer read.Close()
	rows := make([]hourlog.Quarantined, 0, putRows)
	for line, err := range ReadRejected(read) {
		if err != nil {
			return "", fmt.Errorf("quarantine rows of hour %s: %w", in.id, err)
		}
		rows = append(rows, hourlog.Quarantined{
			Line: line.Line, Code: line.Code, Reason: line.Reason, Blob: hourBlob, Bytes: path, Status: hourlog.RowRejected,
		})
		if len(rows) == putRows {
			if err := hourlog.PutQuarantine(ctx, tables, in.id, rows); err != nil {
				return "", err
			}
			rows = rows[:0]
		}
	}
	return path, hourlog.PutQuarantine(ctx, tables, in.id, rows)
}

// filesOf begins the names of the files in quarantine that belong to an hour
// blob.
func filesOf(id hourlog.ID) string {
	return id.CloudID + "/" + id.Hour.Start().Format("2006/01/02/15") + "-" + id.SHA16
}

// ReadRejected goes through a file of rejected rows, in order of line.
func ReadRejected(r io.Reader) iter.Seq2[RejectedRow, error] {
	return func(yield func(RejectedRow, error) bool) {
		unzip, err := gz.NewReader(bufio.NewReader(r))
		if err != nil {
			yield(RejectedRow{}, fmt.Errorf("read rejected rows: %w", err))
			return
		}
		dec := json.NewDecoder(unzip)
		for {
			var line RejectedRow
			err := dec.Decode(&line)
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				err = fmt.Errorf("read rejected rows: %w", err)
			}
			if !yield(line, err) || err != nil {
				return
			}
		}
	}
}
