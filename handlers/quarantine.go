package handlers

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"

	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

// quarantine sets refused rows aside: their bytes in one file per hour blob,
// and a table row each that says why. Any number of rows may be refused, so
// they wait on disk, not in memory.
type quarantine struct {
	file *spool
	sum  hash.Hash
	gz   *gzip.Writer
	enc  *json.Encoder
	rows int64
}

// quarantinedLine is one line of a quarantine file. Base64 keeps bytes that
// are not text.
type quarantinedLine struct {
	Line   int64  `json:"line"`
	Code   string `json:"code"`
	Reason string `json:"reason"`
	Cut    bool   `json:"cut,omitempty"` // Row is only the beginning; the hour blob has all of it
	Row    []byte `json:"row"`
}

func newQuarantine(dir string) (*quarantine, error) {
	file, err := newSpool(dir, "quarantine-")
	if err != nil {
		return nil, err
	}
	q := &quarantine{file: file, sum: sha256.New()}
	q.gz = gzip.NewWriter(io.MultiWriter(file, q.sum))
	q.enc = json.NewEncoder(q.gz)
	return q, nil
}

func (q *quarantine) close() { q.file.discard() }

func (q *quarantine) add(line landing.Line, r usage.Refusal) error {
	q.rows++
	err := q.enc.Encode(quarantinedLine{Line: line.Number, Code: r.Code, Reason: r.Reason, Cut: line.TooLong, Row: line.Bytes})
	if err != nil {
		return fmt.Errorf("quarantine row %d: %w", line.Number, err)
	}
	return nil
}

// putRows is how many table rows are written at a time.
const putRows = 1000

// put stores the file and then the rows that point at it.
func (q *quarantine) put(ctx context.Context, a *App, id ledger.HourID, hourBlob string) error {
	if q.rows == 0 {
		return nil
	}
	if err := q.gz.Close(); err != nil {
		return fmt.Errorf("quarantine rows of hour %s: %w", id, err)
	}
	name := fmt.Sprintf("%s/%s-%s-%s.ndjson.gz", id.CloudID, id.Hour.Start().Format("2006/01/02/15"), id.SHA16, hex.EncodeToString(q.sum.Sum(nil))[:16])
	read, err := openAgain(q.file)
	if err != nil {
		return fmt.Errorf("quarantine rows of hour %s: %w", id, err)
	}
	defer read.Close()
	if err := q.file.put(ctx, a.Blobs, ContainerQuarantine, name); err != nil {
		return err
	}
	gz, err := gzip.NewReader(bufio.NewReader(read))
	if err != nil {
		return fmt.Errorf("quarantine rows of hour %s: %w", id, err)
	}
	dec := json.NewDecoder(gz)
	var rows []ledger.Quarantined
	for {
		var line quarantinedLine
		err := dec.Decode(&line)
		end := errors.Is(err, io.EOF)
		if err != nil && !end {
			return fmt.Errorf("quarantine rows of hour %s: %w", id, err)
		}
		if !end {
			rows = append(rows, ledger.Quarantined{
				Line: line.Line, Code: line.Code, Reason: line.Reason,
				Blob: hourBlob, Bytes: ContainerQuarantine + "/" + name, Status: "refused",
			})
		}
		if end || len(rows) == putRows {
			if err := a.Ledger.PutQuarantine(ctx, id, rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
		if end {
			return nil
		}
	}
}
