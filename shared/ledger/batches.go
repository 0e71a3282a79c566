package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/usage"
)

// BatchState says where a batch stands.
type BatchState string

// States of a batch.
const (
	BatchReady    BatchState = "ready"    // not sent, or sent without an answer
	BatchWaiting  BatchState = "waiting"  // commerce could not take it: sent again after NotBefore
	BatchAnswered BatchState = "answered" // every record has a final answer
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
	State      BatchState `col:"state"`
	Blob       string     `col:"blob"`   // the request's body: container and name
	SHA256     string     `col:"sha256"` // of the body
	Records    int64      `col:"records"`
	Tries      int64      `col:"tries"`
	LastAnswer string     `col:"lastAnswer,omitempty"` // what the last try met, for people
	NotBefore  time.Time  `col:"notBefore"`
	Accepted   int64      `col:"accepted"`
	Duplicate  int64      `col:"duplicate"`
	Conflict   int64      `col:"conflict"`
	Rejected   int64      `col:"rejected"`
	Expired    int64      `col:"expired"`

	Receipt       string `col:"receipt,omitempty"`       // the answers, in the order of the records: container and name
	ReceiptSHA256 string `col:"receiptSha256,omitempty"` // of the receipt

	// Of a batch that is not answered yet.
	Unknowns     int64     `col:"unknowns,omitempty"` // tries with an unknown outcome since the last read-back
	Partial      bool      `col:"partial,omitempty"`  // some of its records may be answered in DailyUsage
	RefusedSince time.Time `col:"refusedSince"`       // commerce refuses each request of it; absent if it does not

	tag Tag
}

// OpenBatches lists the batches of a committed revision in UsageBatches, ready
// to be sent, and marks the revision as one with answers outstanding. It may
// be repeated; batches that are there stay as they are.
func (l *Ledger) OpenBatches(ctx context.Context, m Manifest, since time.Time) error {
	mark := Row{Partition: m.CloudID, Key: revisionKey(m.UsageDay, m.Revision), Props: toProps(OpenDay{Since: since, LastLanding: since})}
	rows := make([]Row, len(m.Batches))
	for i, b := range m.Batches {
		id := BatchID{m.CloudID, m.UsageDay, m.Revision, b.Number}
		rows[i] = Row{Partition: id.partition(), Key: id.key(), Props: toProps(Batch{
			State: BatchReady, Blob: b.Blob, SHA256: b.SHA256, Records: int64(b.Records),
		})}
	}
	// The mark first: a batch without one would be sent once and, if its
	// message got lost, never again.
	err := l.insertAll(ctx, TableOpenDays, m.CloudID, []Row{mark})
	if err == nil {
		err = l.insertAll(ctx, TableUsageBatches, dayPartition(m.CloudID, m.UsageDay), rows)
	}
	if err != nil {
		return fmt.Errorf("list batches of revision %d of day %s of %s: %w", m.Revision, m.UsageDay, m.CloudID, err)
	}
	return nil
}

// Batch reads one batch; ErrNotFound if there is none.
func (l *Ledger) Batch(ctx context.Context, id BatchID) (Batch, error) {
	row, err := l.Store.Get(ctx, TableUsageBatches, id.partition(), id.key())
	if err != nil {
		return Batch{}, fmt.Errorf("read batch %s: %w", id, err)
	}
	b := Batch{tag: row.Tag}
	if err := fromProps(row.Props, &b); err != nil {
		return Batch{}, fmt.Errorf("read batch %s: %w", id, err)
	}
	return b, nil
}

// UpdateBatch replaces the row that Batch read; ErrChanged if another sender
// was faster, whose note then stands.
func (l *Ledger) UpdateBatch(ctx context.Context, id BatchID, b Batch) error {
	row := Row{Partition: id.partition(), Key: id.key(), Props: toProps(b), Tag: b.tag}
	if err := l.Store.Apply(ctx, TableUsageBatches, row.Partition, Op{Update, row}); err != nil {
		return fmt.Errorf("update batch %s: %w", id, err)
	}
	return nil
}

// Batches lists the batches of one revision, in order.
func (l *Ledger) Batches(ctx context.Context, cloudID string, day usage.Day, revision int) (ids []BatchID, batches []Batch, err error) {
	prefix := fmt.Sprintf("%04d", revision)
	for row, err := range l.Store.List(ctx, TableUsageBatches, dayPartition(cloudID, day), prefix+"_", prefix+"`") {
		if err != nil {
			return nil, nil, fmt.Errorf("list batches of day %s: %w", day, err)
		}
		id := BatchID{CloudID: cloudID, Day: day, Revision: revision}
		b := Batch{tag: row.Tag}
		if _, err = fmt.Sscanf(strings.TrimPrefix(row.Key, prefix+"_"), "%05d", &id.Number); err == nil {
			err = fromProps(row.Props, &b)
		}
		if err != nil {
			return nil, nil, fmt.Errorf("list batches of day %s: row %s: %w", day, row.Key, err)
		}
		ids, batches = append(ids, id), append(batches, b)
	}
	return ids, batches, nil
}

// FinishRevision takes a revision off the list of those with answers
// outstanding. It does nothing while the closer is still listing its batches;
// listed is how many the caller saw, all of them answered.
func (l *Ledger) FinishRevision(ctx context.Context, m OpenMark, listed int) error {
	err := l.finishRevision(ctx, m, listed)
	if err != nil && !errors.Is(err, ErrChanged) {
		return fmt.Errorf("finish revision %d of day %s of %s: %w", m.Revision, m.Day, m.CloudID, err)
	}
	return nil
}

func (l *Ledger) finishRevision(ctx context.Context, m OpenMark, listed int) error {
	row, err := l.Store.Get(ctx, TableUsageDays, m.CloudID, revisionKey(m.Day, m.Revision))
	if err != nil {
		return err
	}
	var r Revision
	if err := fromProps(row.Props, &r); err != nil {
		return err
	}
	if int64(listed) < r.Batches {
		return nil
	}
	return l.Store.Apply(ctx, TableOpenDays, m.CloudID,
		Op{Delete, Row{Partition: m.CloudID, Key: revisionKey(m.Day, m.Revision), Tag: m.tag}})
}

// Answer is commerce's final word on one record.
type Answer struct {
	Status   string // Accepted, Duplicate, Conflict, Rejected, Expired
	Code     string
	Message  string
	Quantity string // what commerce has stored, where it differs
}

// line is a row of DailyUsage.
type line struct {
	RecordID              string    `col:"recordId"`
	Kind                  string    `col:"kind"`
	Corrects              string    `col:"corrects,omitempty"`
	CarriedFrom           string    `col:"carriedFrom,omitempty"` // 2019-12-10
	Reason                string    `col:"reason,omitempty"`
	Revision              int64     `col:"revision"`
	Batch                 int64     `col:"batch"`
	Answer                string    `col:"answer"`
	AnswerCode            string    `col:"answerCode,omitempty"`
	AnswerMessage         string    `col:"answerMessage,omitempty"`
	StoredQuantity        string    `col:"storedQuantity,omitempty"`
	BillingModel          string    `col:"billingModel"`
	BillingSubscriptionID string    `col:"billingSubscriptionId"`
	SubscriptionID        string    `col:"subscriptionId"`
	MeterID               string    `col:"meterId"`
	CommerceMeterID       string    `col:"commerceMeterId,omitempty"`
	MeterName             string    `col:"meterName"`
	Unit                  string    `col:"unit"`
	MeterClass            string    `col:"meterClass"`
	Flags                 string    `col:"flags,omitempty"`
	Quantity              string    `col:"quantity"`
	UsageStart            time.Time `col:"usageStart"`
	UsageEnd              time.Time `col:"usageEnd"`
	Hours                 string    `col:"hours"` // 0,1,2
	Region                string    `col:"region"`
	Location              string    `col:"location"`
	ResourceURI           string    `col:"resourceUri"`
	Tags                  string    `col:"tags,omitempty"`
	AdditionalInfo        string    `col:"additionalInfo,omitempty"` // the stamp's own text
	StampMeterID          string    `col:"azureStackMeterId"`
	StampSubscriptionID   string    `col:"azureStackSubscriptionId"`
	StampLocation         string    `col:"azureStackLocation"`
	StampEventDateTime    string    `col:"azureStackEventDateTime"`
}

// PutAnswers writes a row of DailyUsage for each record that has a final
// answer. A record's first final answer stands: a repeat of the batch, which
// commerce answers with Duplicate, changes nothing.
func (l *Ledger) PutAnswers(ctx context.Context, id BatchID, records []daily.Record, answers map[string]Answer) error {
	rows := make([]Row, 0, len(records))
	for _, r := range records {
		a, ok := answers[r.RecordID]
		if !ok {
			continue
		}
		hours := strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Hours.Hours()), " ", ","), "[]")
		rows = append(rows, Row{Partition: id.partition(), Key: r.Row(), Props: toProps(line{
			RecordID: r.RecordID, Kind: string(r.Kind), Corrects: r.Corrects, CarriedFrom: dayText(r.CarriedFrom), Reason: r.Reason, Revision: int64(r.Revision), Batch: int64(id.Number),
			Answer: a.Status, AnswerCode: clip(a.Code), AnswerMessage: clip(a.Message), StoredQuantity: clip(a.Quantity),
			BillingModel: string(r.BillingModel), BillingSubscriptionID: r.BillingSubscriptionID,
			SubscriptionID: r.SubscriptionID, MeterID: r.MeterID, CommerceMeterID: r.CommerceMeterID,
			MeterName: r.MeterName, Unit: r.Unit, MeterClass: string(r.MeterClass), Flags: strings.Join(r.Flags, ","),
			Quantity: r.Quantity.String(), UsageStart: r.UsageStart, UsageEnd: r.UsageEnd, Hours: hours,
			Region: r.Region, Location: r.Location, ResourceURI: r.ResourceURI, Tags: r.Tags,
			AdditionalInfo: r.AdditionalInfo.Stamp, StampMeterID: r.AdditionalInfo.MeterID,
			StampSubscriptionID: r.AdditionalInfo.SubscriptionID, StampLocation: r.AdditionalInfo.Location,
			StampEventDateTime: r.AdditionalInfo.EventDateTime,
		})})
	}
	if err := l.insertAll(ctx, TableDailyUsage, id.partition(), rows); err != nil {
		return fmt.Errorf("write answers of batch %s: %w", id, err)
	}
	return nil
}

// Answers reads the final answers to records of a batch that are in DailyUsage
// already: one read for each record, because a batch is spread over its day.
func (l *Ledger) Answers(ctx context.Context, id BatchID, records []daily.Record) (map[string]Answer, error) {
	answers := map[string]Answer{}
	for _, r := range records {
		row, err := l.Store.Get(ctx, TableDailyUsage, id.partition(), r.Row())
		if errors.Is(err, ErrNotFound) {
			continue
		}
		var have line
		if err == nil {
			err = fromProps(row.Props, &have)
		}
		if err != nil {
			return nil, fmt.Errorf("read answer to record %s of batch %s: %w", r.RecordID, id, err)
		}
		answers[r.RecordID] = Answer{have.Answer, have.AnswerCode, have.AnswerMessage, have.StoredQuantity}
	}
	return answers, nil
}

// clip bounds a foreign text that is kept for people.
func clip(s string) string {
	if len(s) > 1000 {
		return strings.ToValidUTF8(s[:1000], "") + "..."
	}
	return s
}

// Receipt is the file that keeps commerce's final answers to one batch, in the
// order of its records.
type Receipt struct {
	Batch   string          `json:"batch"`
	Answers []ReceiptAnswer `json:"answers"`
}

// ReceiptAnswer is the answer to one record, and what stands of it.
type ReceiptAnswer struct {
	RecordID string         `json:"recordId"`
	Status   string         `json:"status"`
	Code     string         `json:"code,omitempty"`
	Message  string         `json:"message,omitempty"`
	Stands   bool           `json:"stands"`
	Quantity usage.Quantity `json:"quantity"` // as commerce has it; 0 if the record does not stand
}

func hexSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// On is b as the next version of the row that now was read from.
func (b Batch) On(now Batch) Batch {
	b.tag = now.tag
	return b
}
