// Package closeddays makes closed usage days for tests of what reads them: rows in
// tables, daily files, settlements, batches and receipts as CloseDay and ForwardBatch
// leave them, from rows of usage and outcomes that the test gives.
package closeddays

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/meter"
	"stackusage/shared/outbox"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Stack is one registration with its usage and its closed days.
type Stack struct {
	CloudID string
	Tables  table.Store
	Blobs   content.Store
	Meters  *meter.Catalogue

	Billing        string // Azure subscription that is charged
	Model          registration.BillingModel
	Infrastructure []string
	Tenants        map[string]string // stack subscription -> directory tenant, both with dashes
	TempDir        string

	rows  map[usage.Day][]usage.Record
	files map[usage.Day][]closed
	into  map[usage.Day][]closed
}

// closed is a daily file and what stands of its records.
type closed struct {
	text    []byte
	answers []daily.Outcome
}

// Use adds a row of the usage API.
func (s *Stack) Use(r usage.Record) {
	s.begin()
	s.rows[r.Hour.Day()] = append(s.rows[r.Hour.Day()], r)
}

func (s *Stack) begin() {
	if s.rows == nil {
		s.rows, s.files, s.into = map[usage.Day][]usage.Record{}, map[usage.Day][]closed{}, map[usage.Day][]closed{}
	}
}

// TakeBack removes the rows of a day for which drop is true, as a superseded hour does.
func (s *Stack) TakeBack(day usage.Day, drop func(usage.Record) bool) {
	var kept []usage.Record
	for _, r := range s.rows[day] {
		if !drop(r) {
			kept = append(kept, r)
		}
	}
	s.rows[day] = kept
}

// Revision says how a day is closed.
type Revision struct {
	CarryTo      usage.Day // the day that bills the differences
	Waive        bool      // the differences are not billed
	ReportingOff bool
	Missing      []usage.Hour

	Sums    iter.Seq2[daily.Sum, error] // of the day, in order, in place of the sums of its rows
	FewRows bool                        // DailyUsage stays without the outcomes, which the receipts have

	// Outcome is commerce's of the n-th record. Nil: all are accepted. An empty status:
	// there is none yet; the day must not be closed again before.
	Outcome func(n int, r daily.Record) outcome.Result
}

// Close makes the next revision of a day.
func (s *Stack) Close(ctx context.Context, day usage.Day, how Revision) error {
	if err := s.close(ctx, day, how); err != nil {
		return fmt.Errorf("close day %s: %w", day, err)
	}
	return nil
}

func (s *Stack) close(ctx context.Context, day usage.Day, how Revision) error {
	s.begin()
	from, free, err := s.sources(day)
	defer free()
	if err != nil {
		return err
	}
	if how.Sums != nil {
		from.Sums = how.Sums
	}
	number := len(s.files[day]) + 1
	header := daily.DayHeader{CloudID: s.CloudID, UsageDay: day, Revision: number, BillingModel: s.Model, BillingSubscriptionID: s.Billing, CarriedTo: how.CarryTo, MissingHours: how.Missing}
	if how.CarryTo != 0 {
		header.Reason = "carried by the test"
	}
	if how.Waive {
		header.Waived = daily.WaivedAll
	}
	if how.ReportingOff {
		header.Reporting = daily.ReportingOff
	}
	rules := daily.Rules{CloudID: s.CloudID, Day: day, Revision: number, Region: "northwest", Meters: s.Meters,
		Terms: daily.Terms{BillingModel: s.Model, BillingSubscriptionID: s.Billing, Infrastructure: daily.Infrastructure(s.Infrastructure)}}
	var text bytes.Buffer
	var batches []daily.Batch
	file, err := daily.WriteDay(&text, header, rules, from, func(b daily.Batch) error { batches = append(batches, b); return nil })
	if err != nil {
		return err
	}
	blob := fmt.Sprintf("%s/%s/%04d-%s.ndjson.gz", s.CloudID, day.Path(), number, file.SHA256[:16])
	if err := content.PutBytes(ctx, s.Blobs, table.ContainerDaily, blob, text.Bytes()); err != nil {
		return err
	}
	row := daybook.Revision{Number: int64(number), ClosedAt: day.End().Add(6 * time.Hour), Complete: len(how.Missing) == 0, Rows: file.Rows, Records: file.Records, Batches: int64(len(batches)),
		File: table.ContainerDaily + "/" + blob, SHA256: file.SHA256, BillingModel: string(s.Model), BillingSubscriptionID: s.Billing,
		Reporting: header.Reporting, Carried: file.Carried, Waived: file.Waived}
	var missing []string
	for _, hour := range how.Missing {
		missing = append(missing, hour.Compact())
	}
	row.MissingHours = strings.Join(missing, ",")
	if how.CarryTo != 0 {
		row.CarriedTo = how.CarryTo.Compact()
	}
	if !how.ReportingOff {
		if row.Settlement, row.SettlementSHA256, err = s.settle(ctx, day); err != nil {
			return err
		}
		row.Catalogue = s.Meters.SHA256()
	}
	key := fmt.Sprintf("%s_%04d", day.Compact(), number)
	if err := s.Tables.Apply(ctx, table.UsageDays, s.CloudID, table.Op{Verb: table.Insert, Row: table.Row{Partition: s.CloudID, Key: key, Props: table.Encode(row)}}); err != nil {
		return err
	}
	answers, err := s.send(ctx, day, number, batches, how)
	this := closed{text.Bytes(), answers}
	s.files[day] = append(s.files[day], this)
	if file.Carried > 0 {
		s.into[how.CarryTo] = append(s.into[how.CarryTo], this)
	}
	return err
}

// sources are what the next revision of a day is made of; free removes what they need.
func (s *Stack) sources(day usage.Day) (from daily.Sources, free func(), err error) {
	sums, err := daily.NewAggregator(s.TempDir, 0, nil)
	if err != nil {
		return from, func() {}, err
	}
	free = func() { _ = sums.Close() }
	for _, r := range s.rows[day] {
		if err := sums.Add(r); err != nil {
			return from, free, err
		}
	}
	from.Sums = sums.Sums()
	var carried []iter.Seq2[daily.Carried, error]
	for _, in := range s.into[day] {
		file, err := daily.OpenDay(bytes.NewReader(in.text))
		if err != nil {
			return from, free, err
		}
		carried = append(carried, file.Carried())
	}
	from.Carried = daily.MergeCarried(carried...)
	if before := s.files[day]; len(before) > 0 {
		last := before[len(before)-1]
		file, err := daily.OpenDay(bytes.NewReader(last.text))
		if err != nil {
			return from, free, err
		}
		from.Standings = file.Standings(func(yield func(daily.Outcome, error) bool) {
			for _, a := range last.answers {
				if !yield(a, nil) {
					return
				}
			}
		})
	}
	return from, free, nil
}

// settle stores a settlement of all subscriptions.
func (s *Stack) settle(ctx context.Context, day usage.Day) (path, sum string, err error) {
	all := settlement.Settlement{CloudID: s.CloudID, UsageDay: day, Catalogue: s.Meters.SHA256(), Subscriptions: map[string]settlement.SettledSubscription{},
		Parts: []settlement.SettledPart{{Registration: "test", BillingSubscriptionID: s.Billing, BillingModel: s.Model, Region: "northwest", Infrastructure: s.Infrastructure}}}
	for subscription, tenant := range s.Tenants {
		all.Subscriptions[subscription] = settlement.SettledSubscription{Tenant: tenant, Revision: 1}
	}
	text, err := all.Encode()
	if err != nil {
		return "", "", err
	}
	hash := sha256.Sum256(text)
	blob := fmt.Sprintf("%s/%s/settlement-%x.json", s.CloudID, day.Path(), hash[:8])
	return table.ContainerDaily + "/" + blob, hex.EncodeToString(hash[:]), content.PutBytes(ctx, s.Blobs, table.ContainerDaily, blob, text)
}

// send writes the batches of a revision and what commerce made of them.
func (s *Stack) send(ctx context.Context, day usage.Day, revision int, batches []daily.Batch, how Revision) (all []daily.Outcome, err error) {
	books := s.Tables
	n := 0
	for _, b := range batches {
		id := outbox.ID{CloudID: s.CloudID, Day: day, Revision: revision, Number: b.Number}
		name := fmt.Sprintf("%s/%s/%04d_%05d", s.CloudID, day.Path(), revision, b.Number)
		row := outbox.Batch{State: outbox.BatchDone, Blob: table.ContainerOutbox + "/" + name + ".json", SHA256: b.SHA256, Records: int64(b.Records), Tries: 1}
		if err := content.PutBytes(ctx, s.Blobs, table.ContainerOutbox, name+".json", b.Body); err != nil {
			return nil, err
		}
		records, err := daily.DecodeBatch(b.Body)
		if err != nil {
			return nil, err
		}
		receipt := outbox.Receipt{Batch: id.String()}
		answers := map[string]outbox.Answer{}
		for _, r := range records {
			result := outcome.Result{Status: outcome.Accepted}
			if how.Outcome != nil {
				result = how.Outcome(n, r)
			}
			n++
			if result.Status == "" {
				row.State = outbox.Waiting
				continue
			}
			one := outbox.ReceiptOutcome{RecordID: r.RecordID, Status: result.Status, Code: result.Code, Stands: outcome.InBill(result.Status)}
			if one.Quantity, err = outcome.Billed(result.Status, r.Quantity, cmp.Or(result.Quantity, "0")); err != nil {
				return nil, err
			}
			if result.Code == outbox.CodeDecided {
				one.Waived = r.Quantity.Sub(one.Quantity)
			}
			receipt.Outcomes = append(receipt.Outcomes, one)
			answers[r.RecordID] = outbox.Answer{Status: result.Status, Code: result.Code, Quantity: result.Quantity}
			all = append(all, daily.Outcome{RecordID: one.RecordID, Stands: one.Stands, Quantity: one.Quantity, Waived: one.Waived})
		}
		if !how.FewRows {
			if err := outbox.PutOutcomes(ctx, books, id, records, answers); err != nil {
				return nil, err
			}
		}
		if row.State == outbox.BatchDone {
			text, err := json.Marshal(receipt)
			if err == nil {
				err = content.PutBytes(ctx, s.Blobs, table.ContainerReceipts, name+".json", text)
			}
			if err != nil {
				return nil, err
			}
			hash := sha256.Sum256(text)
			row.Receipt, row.ReceiptSHA256 = table.ContainerReceipts+"/"+name+".json", hex.EncodeToString(hash[:])
		}
		partition := s.CloudID + "_" + day.Compact()
		key := fmt.Sprintf("%04d_%05d", revision, b.Number)
		if err := s.Tables.Apply(ctx, table.UsageBatches, partition, table.Op{Verb: table.Insert, Row: table.Row{Partition: partition, Key: key, Props: table.Encode(row)}}); err != nil {
			return nil, err
		}
	}
	return all, nil
}
