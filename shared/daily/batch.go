package daily

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"stackusage/shared/spill"
	"stackusage/shared/strictjson"
)

// Bounds of a batch, below what commerce takes (500 records, 1 MiB).
const (
	MaxBatchRecords = 500
	MaxBatchBytes   = 1_000_000
)

// Batch is the body of one request to commerce, fixed before the first send.
type Batch struct {
	Number  int    `json:"number"` // from 1, within the revision
	Records int    `json:"records"`
	SHA256  string `json:"sha256"` // of Body, 64 hex digits
	Bytes   int    `json:"bytes"`
	Blob    string `json:"blob"` // where Body is kept; set by who keeps it
	Body    []byte `json:"-"`
}

const (
	batchOpen  = `{"records":[`
	batchClose = `]}`
)

// batcher cuts a stream of records into batches, which are hashed and kept in their order
// on another goroutine.
type batcher struct {
	keep    func(Batch) error
	last    spill.Behind
	body    bytes.Buffer
	records int
	number  int
}

func (b *batcher) add(record []byte) error {
	if b.records == MaxBatchRecords || b.records > 0 && b.body.Len()+1+len(record)+len(batchClose) > MaxBatchBytes {
		if err := b.flush(); err != nil {
			return err
		}
	}
	if b.records == 0 {
		b.body.WriteString(batchOpen)
	} else {
		b.body.WriteByte(',')
	}
	b.body.Write(record)
	b.records++
	return nil
}

func (b *batcher) flush() error {
	if b.records == 0 {
		return nil
	}
	b.body.WriteString(batchClose)
	b.number++
	batch := Batch{Number: b.number, Records: b.records, Bytes: b.body.Len(), Body: bytes.Clone(b.body.Bytes())}
	b.body.Reset()
	b.records = 0
	return b.last.Do(func() error {
		sum := sha256.Sum256(batch.Body)
		batch.SHA256 = hex.EncodeToString(sum[:])
		return b.keep(batch)
	})
}

// end flushes, and waits until the last batch is kept.
func (b *batcher) end() error { return errors.Join(b.flush(), b.last.Wait()) }

// DecodeBatch reads the records of a batch's body.
func DecodeBatch(body []byte) ([]Record, error) {
	if len(body) <= MaxBatchBytes {
		if records, ok := scanBatch(body); ok {
			return records, nil
		}
	}
	return decodeBatch[Record](body)
}

// SplitBatch cuts the body of a batch into the bytes of its records.
func SplitBatch(body []byte) ([]strictjson.Value, error) {
	return decodeBatch[strictjson.Value](body)
}

func decodeBatch[R Record | strictjson.Value](body []byte) ([]R, error) {
	if len(body) > MaxBatchBytes {
		return nil, fmt.Errorf("read batch of %d bytes: at most %d", len(body), MaxBatchBytes)
	}
	var b struct {
		Records []R `json:"records"`
	}
	if err := strictjson.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("read batch: %w", err)
	}
	return b.Records, nil
}
