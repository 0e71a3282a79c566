package daily

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
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

// batcher cuts a stream of records into batches.
type batcher struct {
	keep    func(Batch) error
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
	body := bytes.Clone(b.body.Bytes())
	sum := sha256.Sum256(body)
	err := b.keep(Batch{Number: b.number, Records: b.records, SHA256: hex.EncodeToString(sum[:]), Bytes: len(body), Body: body})
	b.body.Reset()
	b.records = 0
	return err
}

// DecodeBatch reads the records of a batch's body.
func DecodeBatch(body []byte) ([]Record, error) {
	if len(body) > MaxBatchBytes {
		return nil, fmt.Errorf("read batch of %d bytes: at most %d", len(body), MaxBatchBytes)
	}
	var b struct {
		Records []Record `json:"records"`
	}
	if err := json.Unmarshal(body, &b); err != nil {
		return nil, fmt.Errorf("read batch: %w", err)
	}
	return b.Records, nil
}
