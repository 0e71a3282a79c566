package closing

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
)

// ErrUnanswered means that a day has something to close while commerce still owes
// outcomes of its last revision.
var ErrUnanswered = errors.New("the last revision has records without an answer")

// standing is what commerce accepted of a day before its next revision: the
// last daily file and the receipts of its batches, read as streams.
type standing struct {
	revision int // the last one; 0 if there is none
	lines    iter.Seq2[daily.Standing, error]
	sources  []daily.Source

	file *content.Body
}

// standing opens what stands of a day. A next revision waits until every record
// of the last one has its final answer: the difference is against what was
// accepted, not against what was sent.
func (cl *Closer) standing(ctx context.Context, c *daybook.Closing) (*standing, error) {
	if c.Last == nil {
		return &standing{}, nil
	}
	_, batches, err := outbox.OfRevision(ctx, cl.Tables, c.CloudID, c.Day, int(c.Last.Number))
	if err != nil {
		return nil, err
	}
	s := &standing{revision: int(c.Last.Number), sources: []daily.Source{{Blob: c.Last.File, SHA256: c.Last.SHA256}}}
	for _, b := range batches {
		if b.State != outbox.BatchDone {
			return nil, fmt.Errorf("close day %s of %s again: %w", c.Day, c.CloudID, ErrUnanswered)
		}
		s.sources = append(s.sources, daily.Source{Blob: b.Receipt, SHA256: b.ReceiptSHA256})
	}
	if int64(len(batches)) < c.Last.Batches {
		return nil, fmt.Errorf("close day %s of %s again: %w", c.Day, c.CloudID, ErrUnanswered)
	}
	if s.file, err = content.At(c.Last.File).With(c.Last.SHA256, table.UsageDays).Open(ctx, cl.Blobs); err != nil {
		return nil, err
	}
	day, err := daily.OpenDay(s.file)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open daily file %s: %w", c.Last.File, err)
	}
	s.lines = day.Standings(cl.outcomes(ctx, s.sources[1:]))
	return s, nil
}

func (s *standing) close() {
	if s.file != nil {
		s.file.Close()
	}
}

// check compares what was read with what the row in UsageDays says.
func (s *standing) check() error {
	if s.file == nil {
		return nil
	}
	return s.file.Check()
}

// outcomes goes through the receipts' answers in the order of the records. It
// holds one receipt at a time.
func (cl *Closer) outcomes(ctx context.Context, receipts []daily.Source) iter.Seq2[daily.Outcome, error] {
	return func(yield func(daily.Outcome, error) bool) {
		for _, source := range receipts {
			receipt, err := outbox.ReadReceipt(ctx, cl.Blobs, source.Blob, source.SHA256)
			if err != nil {
				yield(daily.Outcome{}, err)
				return
			}
			for _, r := range receipt.Outcomes {
				if !yield(daily.Outcome{RecordID: r.RecordID, Stands: r.Stands, Quantity: r.Quantity, Waived: r.Waived}, nil) {
					return
				}
			}
		}
	}
}
