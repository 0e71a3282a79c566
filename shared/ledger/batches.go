package ledger

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// BatchState says where a batch stands.
type BatchState string

// States of a batch.
const (
	BatchReady   BatchState = "ready"   // not sent, or sent without an answer
	BatchWaiting BatchState = "waiting" // commerce could not take it: sent again after NotBefore
	BatchDone    BatchState = "done"    // every record has its final outcome
)

// BatchID names one batch.
type BatchID struct {
	CloudID  string
	Day      usage.Day
	Revision int
	Number   int
}

func (id BatchID) partition() string { return dayPartition(id.CloudID, id.Day) }
func (id BatchID) key() string       { return fmt.Sprintf("%04d_%05d", id.Revision, id.Number) }

// String is how logs, errors and requests name the batch.
func (id BatchID) String() string { return id.partition() + "_" + id.key() }

// Batch is a row of UsageBatches.
type Batch struct {
	State        BatchState `col:"state"`
	Blob         string     `col:"blob"`   // the request's body: container and name
	SHA256       string     `col:"sha256"` // of the body
	Records      int64      `col:"records"`
	Tries        int64      `col:"tries"`
	LastResponse string     `col:"lastResponse,omitempty"` // what the last try met, for people
	NotBefore    time.Time  `col:"notBefore"`
	Accepted     int64      `col:"accepted"`
	Duplicate    int64      `col:"duplicate"`
	Conflict     int64      `col:"conflict"`
	Rejected     int64      `col:"rejected"`
	Expired      int64      `col:"expired"`
	Declined     int64      `col:"declined"` // of which something else stands than was sent, and is not waived

	Receipt       string `col:"receipt,omitempty"`       // the answers, in the order of the records: container and name
	ReceiptSHA256 string `col:"receiptSha256,omitempty"` // of the receipt

	// Of a batch that is not answered yet.
	Unknowns      int64     `col:"unknowns,omitempty"` // tries with an unknown outcome since the last read-back
	Unread        int64     `col:"unread,omitempty"`   // tries in which an answer had no result that could be read, of some record
	NoResponseAt  time.Time `col:"noResponseAt"`       // when a request of it last ended without an answer
	SettleFrom    time.Time `col:"settleFrom"`         // an operator has settled it, and no request is sent any more; none is on its way from then on
	Partial       bool      `col:"partial,omitempty"`  // some of its records may be answered in DailyUsage
	DeclinedSince time.Time `col:"declinedSince"`      // commerce refuses each request of it; absent if it does not
	LeasedUntil   time.Time `col:"leasedUntil"`        // one sender alone asks until then
	LeasedBy      string    `col:"leasedBy,omitempty"` // a name that no other try has

	// What an operator decided or asked for.
	Decision       BatchDecision `col:"decision,omitempty"` // Settle, Reject
	SettleAs       Outcome       `col:"settleAs,omitempty"`
	Earlier        string        `col:"earlier,omitempty"` // decisions before this one, a line each, oldest first
	DecisionReason string        `col:"decisionReason,omitempty"`
	DecidedBy      string        `col:"decidedBy,omitempty"`
	DecidedAt      time.Time     `col:"decidedAt"`
	RetryReason    string        `col:"retryReason,omitempty"` // of the last request to try now
	RetriedBy      string        `col:"retriedBy,omitempty"`
	RetriedAt      time.Time     `col:"retriedAt"`

	tag table.Tag
}

// OpenBatches lists the batches of a committed revision in UsageBatches, ready
// to be sent, and marks the revision as one with answers outstanding. It may
// be repeated; batches that are there stay as they are.
func (l *Ledger) OpenBatches(ctx context.Context, m Manifest, since time.Time) error {
	mark := table.Row{Partition: m.CloudID, Key: revisionKey(m.UsageDay, m.Revision), Props: table.Encode(OpenDay{Since: since, LastLanding: since})}
	rows := make([]table.Row, len(m.Batches))
	for i, b := range m.Batches {
		id := BatchID{m.CloudID, m.UsageDay, m.Revision, b.Number}
		rows[i] = table.Row{Partition: id.partition(), Key: id.key(), Props: table.Encode(Batch{
			State: BatchReady, Blob: b.Blob, SHA256: b.SHA256, Records: int64(b.Records),
		})}
	}
	// The mark first: a batch without one would be sent once and, if its
	// message got lost, never again.
	err := table.InsertAll(ctx, l.Store, table.OpenDays, m.CloudID, []table.Row{mark})
	if err == nil {
		err = table.InsertAll(ctx, l.Store, table.UsageBatches, dayPartition(m.CloudID, m.UsageDay), rows)
	}
	if err != nil {
		return fmt.Errorf("list batches of revision %d of day %s of %s: %w", m.Revision, m.UsageDay, m.CloudID, err)
	}
	return nil
}

// Batch reads one batch; ErrNotFound if there is none.
func (l *Ledger) Batch(ctx context.Context, id BatchID) (Batch, error) {
	row, err := l.Store.Get(ctx, table.UsageBatches, id.partition(), id.key())
	if err != nil {
		return Batch{}, fmt.Errorf("read batch %s: %w", id, err)
	}
	b, err := batchOf(row)
	if err != nil {
		return Batch{}, fmt.Errorf("read batch %s: %w", id, err)
	}
	return b, nil
}

// batchOf reads a row. One that was answered before there was a column declined says
// of which records something else stands than was sent by its counts.
func batchOf(row table.Row) (Batch, error) {
	b := Batch{tag: row.Tag}
	err := table.Decode(row.Props, &b)
	if _, is := row.Props["declined"]; !is && b.State == BatchDone {
		if b.Declined = b.Conflict + b.Expired; b.Decision != Reject {
			b.Declined += b.Rejected
		}
	}
	return b, err
}

// UpdateBatch replaces the row that Batch read; ErrChanged if another sender
// was faster, whose note then stands.
func (l *Ledger) UpdateBatch(ctx context.Context, id BatchID, b Batch) error {
	row := table.Row{Partition: id.partition(), Key: id.key(), Props: table.Encode(b), Tag: b.tag}
	if err := l.Store.Apply(ctx, table.UsageBatches, row.Partition, table.Op{Verb: table.Update, Row: row}); err != nil {
		return fmt.Errorf("update batch %s: %w", id, err)
	}
	return nil
}

// Batches lists the batches of one revision, in order.
func (l *Ledger) Batches(ctx context.Context, cloudID string, day usage.Day, revision int) (ids []BatchID, batches []Batch, err error) {
	prefix := fmt.Sprintf("%04d", revision)
	for row, err := range l.Store.List(ctx, table.UsageBatches, dayPartition(cloudID, day), prefix+"_", prefix+afterUnderscore) {
		var b ListedBatch
		if err == nil {
			b, err = listedBatch(row)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("list batches of day %s: %w", day, err)
		}
		ids, batches = append(ids, b.ID), append(batches, b.Batch)
	}
	return ids, batches, nil
}

// ListedBatch is a row of UsageBatches with its name.
type ListedBatch struct {
	ID BatchID
	Batch
}

func listedBatch(row table.Row) (b ListedBatch, err error) {
	registration, day, _ := strings.Cut(row.Partition, "_")
	b.ID.CloudID = registration
	if b.ID.Day, err = usage.ParseDay(day); err == nil {
		_, err = fmt.Sscanf(row.Key, "%04d_%05d", &b.ID.Revision, &b.ID.Number)
	}
	if err == nil {
		b.Batch, err = batchOf(row)
	}
	if err != nil {
		err = fmt.Errorf("row %s/%s: %w", row.Partition, row.Key, err)
	}
	return b, err
}

// AllBatches goes through the batches of a registration, or of all if cloudID
// is empty, in order.
func (l *Ledger) AllBatches(ctx context.Context, cloudID string) iter.Seq2[ListedBatch, error] {
	from, to := "", ""
	if cloudID != "" {
		from, to = cloudID+"_", cloudID+afterUnderscore
	}
	return func(yield func(ListedBatch, error) bool) {
		for row, err := range l.Store.Scan(ctx, table.UsageBatches, from, to) {
			var b ListedBatch
			if err == nil {
				b, err = listedBatch(row)
			}
			if err != nil {
				yield(b, fmt.Errorf("list batches: %w", err))
				return
			}
			if !yield(b, nil) {
				return
			}
		}
	}
}

// PendingBatches is AllBatches of those without a final answer. It reads what
// is open, not the past.
func (l *Ledger) PendingBatches(ctx context.Context, cloudID string) iter.Seq2[ListedBatch, error] {
	return func(yield func(ListedBatch, error) bool) {
		marks, err := l.OpenMarks(ctx)
		if err != nil {
			yield(ListedBatch{}, err)
			return
		}
		for _, m := range marks {
			if m.Revision == 0 || cloudID != "" && m.CloudID != cloudID {
				continue
			}
			ids, batches, err := l.Batches(ctx, m.CloudID, m.Day, m.Revision)
			if err != nil {
				yield(ListedBatch{}, err)
				return
			}
			for i, b := range batches {
				if b.State != BatchDone && !yield(ListedBatch{ids[i], b}, nil) {
					return
				}
			}
		}
	}
}

// On is b as the next version of the row that now was read from. What an
// operator left there meanwhile stays.
func (b Batch) On(now Batch) Batch {
	b.Decision, b.DecisionReason, b.DecidedBy, b.DecidedAt = now.Decision, now.DecisionReason, now.DecidedBy, now.DecidedAt
	b.SettleAs, b.Earlier = now.SettleAs, now.Earlier
	b.RetryReason, b.RetriedBy, b.RetriedAt = now.RetryReason, now.RetriedBy, now.RetriedAt
	b.tag = now.tag
	return b
}
