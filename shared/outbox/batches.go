package outbox

import (
	"context"
	"fmt"
	"iter"
	"strings"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// State says where a batch stands.
type State string

// States of a batch.
const (
	Ready     State = "ready"   // not sent, or sent without an answer
	Waiting   State = "waiting" // commerce could not take it: sent again after NotBefore
	BatchDone State = "done"    // every record has its final outcome
)

// ID names one batch.
type ID struct {
	CloudID  string
	Day      usage.Day
	Revision int
	Number   int
}

func (id ID) partition() string { return openday.Partition(id.CloudID, id.Day) }

func (id ID) key() string { return fmt.Sprintf("%04d_%05d", id.Revision, id.Number) }

// String is how logs, errors and requests name the batch.
func (id ID) String() string { return id.partition() + "_" + id.key() }

// Batch is a row of UsageBatches.
type Batch struct {
	State        State     `col:"state"`
	Blob         string    `col:"blob"`   // the request's body: container and name
	SHA256       string    `col:"sha256"` // of the body
	Records      int64     `col:"records"`
	Tries        int64     `col:"tries"`
	LastResponse string    `col:"lastResponse,omitempty"` // what the last try met, for people
	NotBefore    time.Time `col:"notBefore"`
	Accepted     int64     `col:"accepted"`
	Duplicate    int64     `col:"duplicate"`
	Conflict     int64     `col:"conflict"`
	Rejected     int64     `col:"rejected"`
	Expired      int64     `col:"expired"`
	Declined     int64     `col:"declined"` // of which something else stands than was sent, and is not waived

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
	Decision       Decision  `col:"decision,omitempty"` // Settle, Reject
	SettleAs       Outcome   `col:"settleAs,omitempty"`
	Earlier        string    `col:"earlier,omitempty"` // decisions before this one, a line each, oldest first
	DecisionReason string    `col:"decisionReason,omitempty"`
	DecidedBy      string    `col:"decidedBy,omitempty"`
	DecidedAt      time.Time `col:"decidedAt"`
	RetryReason    string    `col:"retryReason,omitempty"` // of the last request to try now
	RetriedBy      string    `col:"retriedBy,omitempty"`
	RetriedAt      time.Time `col:"retriedAt"`

	tag table.Tag
}

// Open lists the batches of a committed revision in UsageBatches, ready
// to be sent, and marks the revision as one with answers outstanding. It may
// be repeated; batches that are there stay as they are.
func Open(ctx context.Context, store table.Store, m daily.Manifest, since time.Time) error {
	mark := table.Row{Partition: m.CloudID, Key: openday.RevisionKey(m.UsageDay, m.Revision), Props: table.Encode(openday.Mark{Since: since, LastLanding: since})}
	rows := make([]table.Row, len(m.Batches))
	for i, b := range m.Batches {
		id := ID{m.CloudID, m.UsageDay, m.Revision, b.Number}
		rows[i] = table.Row{Partition: id.partition(), Key: id.key(), Props: table.Encode(Batch{
			State: Ready, Blob: b.Blob, SHA256: b.SHA256, Records: int64(b.Records),
		})}
	}
	// The mark first: a batch without one would be sent once and, if its
	// message got lost, never again.
	err := table.InsertAll(ctx, store, table.OpenDays, m.CloudID, []table.Row{mark})
	if err == nil {
		err = table.InsertAll(ctx, store, table.UsageBatches, openday.Partition(m.CloudID, m.UsageDay), rows)
	}
	if err != nil {
		return fmt.Errorf("list batches of revision %d of day %s of %s: %w", m.Revision, m.UsageDay, m.CloudID, err)
	}
	return nil
}

// Read reads one batch; ErrNotFound if there is none.
func Read(ctx context.Context, store table.Store, id ID) (Batch, error) {
	row, err := store.Get(ctx, table.UsageBatches, id.partition(), id.key())
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
		if b.Declined = b.Conflict + b.Expired; b.Decision != DecisionReject {
			b.Declined += b.Rejected
		}
	}
	return b, err
}

// Update replaces the row that Batch read; ErrChanged if another sender
// was faster, whose note then stands.
func Update(ctx context.Context, store table.Store, id ID, b Batch) error {
	row := table.Row{Partition: id.partition(), Key: id.key(), Props: table.Encode(b), Tag: b.tag}
	if err := store.Apply(ctx, table.UsageBatches, row.Partition, table.Op{Verb: table.Update, Row: row}); err != nil {
		return fmt.Errorf("update batch %s: %w", id, err)
	}
	return nil
}

// OfRevision lists the batches of one revision, in order.
func OfRevision(ctx context.Context, store table.Store, cloudID string, day usage.Day, revision int) (ids []ID, batches []Batch, err error) {
	prefix := fmt.Sprintf("%04d", revision)
	for row, err := range store.List(ctx, table.UsageBatches, openday.Partition(cloudID, day), prefix+"_", prefix+table.AfterUnderscore) {
		var b Listed
		if err == nil {
			b, err = listed(row)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("list batches of day %s: %w", day, err)
		}
		ids, batches = append(ids, b.ID), append(batches, b.Batch)
	}
	return ids, batches, nil
}

// Listed is a row of UsageBatches with its name.
type Listed struct {
	ID ID
	Batch
}

func listed(row table.Row) (b Listed, err error) {
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

// All goes through the batches of a registration, or of all if cloudID
// is empty, in order.
func All(ctx context.Context, store table.Store, cloudID string) iter.Seq2[Listed, error] {
	return scan(ctx, store, cloudID)
}

// Decided is All of those that an operator settled, or had tried at once, since then.
func Decided(ctx context.Context, store table.Store, cloudID string, since time.Time) iter.Seq2[Listed, error] {
	return scan(ctx, store, cloudID, table.NotBefore("decidedAt", since), table.NotBefore("retriedAt", since))
}

// OfDay is All of one day of one registration.
func OfDay(ctx context.Context, store table.Store, cloudID string, day usage.Day) iter.Seq2[Listed, error] {
	return named(store.List(ctx, table.UsageBatches, openday.Partition(cloudID, day), "", ""))
}

func scan(ctx context.Context, store table.Store, cloudID string, any ...table.Condition) iter.Seq2[Listed, error] {
	from, to := "", ""
	if cloudID != "" {
		from, to = cloudID+"_", cloudID+table.AfterUnderscore
	}
	return named(store.Scan(ctx, table.UsageBatches, from, to, any...))
}

// named reads rows of UsageBatches.
func named(rows iter.Seq2[table.Row, error]) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		for row, err := range rows {
			var b Listed
			if err == nil {
				b, err = listed(row)
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

// PendingBatches is All of those without a final answer. It reads what
// is open, not the past.
func PendingBatches(ctx context.Context, store table.Store, cloudID string) iter.Seq2[Listed, error] {
	return func(yield func(Listed, error) bool) {
		marks, err := openday.List(ctx, store)
		if err != nil {
			yield(Listed{}, err)
			return
		}
		for _, m := range marks {
			if m.Revision == 0 || cloudID != "" && m.CloudID != cloudID {
				continue
			}
			ids, batches, err := OfRevision(ctx, store, m.CloudID, m.Day, m.Revision)
			if err != nil {
				yield(Listed{}, err)
				return
			}
			for i, b := range batches {
				if b.State != BatchDone && !yield(Listed{ids[i], b}, nil) {
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
