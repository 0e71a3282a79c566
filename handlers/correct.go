package handlers

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

// dueAgain is errNotDue if a day that was stated should rather wait: it closes
// again when the last missing hour has come, else at most once in ReopenDelay,
// so that a backfill of old hours makes one revision and not thirty.
func (a *App) dueAgain(cloudID string, day usage.Day, last ledger.Revision, missing []usage.Hour) error {
	if len(missing) == 0 && !last.Complete {
		return nil
	}
	if rest := last.StatedAt.Add(a.Settings.ReopenDelay).Sub(a.Now()); rest > 0 {
		return fmt.Errorf("close day %s of %s again: %s to go: %w", day, cloudID, rest, errNotDue)
	}
	return nil
}

// standing is what commerce accepted of a day before its next revision: the
// last daily file and the receipts of its batches, read as streams.
type standing struct {
	revision int // the last one; 0 if there is none
	lines    iter.Seq2[daily.Standing, error]
	sources  []ledger.Source

	file *hashed
}

// standing opens what stands of a day. A next revision waits until every record
// of the last one has its final answer: the difference is against what was
// accepted, not against what was sent.
func (a *App) standing(ctx context.Context, c *ledger.Closing) (*standing, error) {
	if c.Last == nil {
		return &standing{}, nil
	}
	_, batches, err := a.Ledger.Batches(ctx, c.CloudID, c.Day, int(c.Last.Number))
	if err != nil {
		return nil, err
	}
	s := &standing{revision: int(c.Last.Number), sources: []ledger.Source{{Blob: c.Last.File, SHA256: c.Last.SHA256}}}
	for _, b := range batches {
		if b.State != ledger.BatchAnswered {
			return nil, fmt.Errorf("close day %s of %s again: %w", c.Day, c.CloudID, errUnanswered)
		}
		s.sources = append(s.sources, ledger.Source{Blob: b.Receipt, SHA256: b.ReceiptSHA256})
	}
	if int64(len(batches)) < c.Last.Batches {
		return nil, fmt.Errorf("close day %s of %s again: %w", c.Day, c.CloudID, errUnanswered)
	}
	container, name := splitPath(c.Last.File)
	body, _, err := a.Blobs.Open(ctx, container, name)
	if err != nil {
		return nil, err
	}
	s.file = &hashed{ReadCloser: body, sum: sha256.New()}
	day, err := daily.OpenDay(s.file)
	if err != nil {
		s.close()
		return nil, fmt.Errorf("open daily file %s: %w", c.Last.File, err)
	}
	s.lines = day.Standings(a.answers(ctx, s.sources[1:]))
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
	if _, err := io.Copy(io.Discard, s.file); err != nil {
		return fmt.Errorf("read daily file %s: %w", s.sources[0].Blob, err)
	}
	if sum := hex.EncodeToString(s.file.sum.Sum(nil)); sum != s.sources[0].SHA256 {
		return fmt.Errorf("read daily file %s: its SHA-256 is %s, UsageDays says %s", s.sources[0].Blob, sum, s.sources[0].SHA256)
	}
	return nil
}

// maxReceipt bounds a receipt: 500 answers whose code and message are clipped to
// some 1,000 bytes each, and which JSON may write six times as long, come to less
// than half of it; those of earlier versions, clipped to 2,000 characters, to less
// than all.
const maxReceipt = 64 << 20

// answers goes through the receipts' answers in the order of the records. It
// holds one receipt at a time.
func (a *App) answers(ctx context.Context, receipts []ledger.Source) iter.Seq2[daily.Answer, error] {
	return func(yield func(daily.Answer, error) bool) {
		for _, source := range receipts {
			receipt, err := a.readReceipt(ctx, source)
			if err != nil {
				yield(daily.Answer{}, err)
				return
			}
			for _, r := range receipt.Answers {
				if !yield(daily.Answer{RecordID: r.RecordID, Stands: r.Stands, Quantity: r.Quantity, Waived: r.Waived}, nil) {
					return
				}
			}
		}
	}
}

func (a *App) readReceipt(ctx context.Context, source ledger.Source) (ledger.Receipt, error) {
	var receipt ledger.Receipt
	text, err := a.readBytes(ctx, source.Blob, maxReceipt)
	if err != nil {
		return receipt, err
	}
	if sum := sha256.Sum256(text); hex.EncodeToString(sum[:]) != source.SHA256 {
		return receipt, fmt.Errorf("read receipt %s: other bytes than UsageBatches says", source.Blob)
	}
	if err := json.Unmarshal(text, &receipt); err != nil {
		return receipt, fmt.Errorf("read receipt %s: %w", source.Blob, err)
	}
	return receipt, nil
}
