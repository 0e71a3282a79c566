package explain

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/usage"
)

// resource is what the rows of DailyUsage are in order of.
type resource struct{ subscription, uri string }

func resourceOf(subscriptionID, uri string) resource {
	return resource{usage.NormalGUID(subscriptionID), strings.ToLower(uri)}
}

// receipts reads what commerce answered to the records of a revision, as far as its
// batches have receipts.
func (r *run) receipts(ctx context.Context, m *made, sent map[string]*Revision) error {
	if len(sent) == 0 {
		return nil
	}
	_, batches, err := outbox.OfRevision(ctx, r.Tables, r.q.CloudID, r.q.Day, int(m.Number))
	if err != nil {
		return err
	}
	left := len(sent)
	for _, b := range batches {
		if b.Receipt == "" {
			m.waits = m.waits || b.State != outbox.BatchDone
			continue
		}
		if left == 0 {
			continue
		}
		receipt, err := outbox.ReadReceipt(ctx, r.App, b.Receipt, b.ReceiptSHA256)
		if err != nil {
			return err
		}
		r.report.Checked.Receipts++
		for _, a := range receipt.Outcomes {
			if rev := sent[a.RecordID]; rev != nil {
				rev.Outcome, rev.Code, rev.Message, rev.Added = a.Status, a.Code, a.Message, a.Quantity
				rev.Waived = rev.Waived.Add(a.Waived)
				left--
			}
		}
	}
	return nil
}

// dailyUsage compares the records of the lines and their outcomes with DailyUsage, and
// takes outcomes from there while there is no receipt.
func (r *run) dailyUsage(ctx context.Context) error {
	type record struct {
		line *Line
		*Revision
	}
	sent := map[string]record{}
	of := map[resource]*Line{}
	for _, line := range r.lines {
		of[resourceOf(line.SubscriptionID, line.ResourceURI)] = line
		for i := range line.Revisions {
			if rev := &line.Revisions[i]; rev.RecordID != "" {
				sent[rev.RecordID] = record{line, rev}
			}
		}
	}
	receipted := map[string]bool{}
	for id, s := range sent {
		receipted[id] = s.Outcome != ""
	}
	found := map[string]bool{}
	for _, line := range of {
		r.tell("DailyUsage of %s", line.ResourceURI)
		for row, err := range outbox.BilledOf(ctx, r.Tables, r.q.CloudID, r.q.Day, line.SubscriptionID, line.ResourceURI) {
			if err != nil {
				return err
			}
			if s, is := sent[row.RecordID]; is {
				found[row.RecordID] = true
				r.compare(s.line, s.Revision, row, receipted[row.RecordID])
				continue
			}
			m := r.revision(row.Revision)
			switch {
			case m == nil:
				r.contradiction("DailyUsage has record %s of revision %d of the day, which UsageDays does not have", row.RecordID, row.Revision)
			case !m.records[row.RecordID]:
				r.contradiction("DailyUsage has record %s of revision %d, which no daily file has", row.RecordID, row.Revision)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(sent)) {
		switch s := sent[id]; {
		case found[id]:
		case receipted[id]:
			r.contradiction("the receipt of record %s has outcome %s, and DailyUsage has no such record", id, s.Outcome)
		case !r.revision(int64(s.Number)).waits && s.Number < int(r.made[len(r.made)-1].Number):
			r.contradiction("record %s of revision %d has no outcome, and the day was closed again", id, s.Number)
		}
	}
	return nil
}

// compare compares a record with its row in DailyUsage.
func (r *run) compare(line *Line, rev *Revision, row outbox.BilledLine, receipted bool) {
	id := row.RecordID
	if !receipted {
		rev.Outcome, rev.Code, rev.Message, rev.Added = row.Answer, row.OutcomeCode, row.OutcomeMessage, row.Stands
		if !r.revision(int64(rev.Number)).waits {
			r.contradiction("DailyUsage has outcome %s of record %s, and no receipt in UsageBatches has one", row.Answer, id)
		}
	}
	if row.Revision != int64(rev.Number) {
		r.contradiction("record %s is of revision %d, DailyUsage has revision %d", id, rev.Number, row.Revision)
	}
	if !row.Quantity.Equal(rev.Sent) {
		r.contradiction("revision %d sent %s, DailyUsage has %s of record %s", rev.Number, rev.Sent, row.Quantity, id)
	}
	if row.Answer != rev.Outcome {
		r.contradiction("the receipt of record %s has outcome %s, DailyUsage %s", id, rev.Outcome, row.Answer)
	}
	if !row.Stands.Equal(rev.Added) {
		r.contradiction("the receipt of record %s has %s in the bill, DailyUsage %s", id, rev.Added, row.Stands)
	}
	if usage.NormalGUID(row.MeterID) != usage.NormalGUID(line.MeterID) {
		r.contradiction("record %s is of meter %s, DailyUsage has meter %s", id, usage.DashedGUID(line.MeterID), usage.DashedGUID(row.MeterID))
	}
	if usage.NormalGUID(row.Payer) != usage.NormalGUID(line.BillingSubscriptionID) {
		r.contradiction("record %s is charged to subscription %s, DailyUsage has subscription %s", id, line.BillingSubscriptionID, row.Payer)
	}
}

// revision is that of a number; nil if there is none.
func (r *run) revision(number int64) *made {
	for i := range r.made {
		if r.made[i].Number == number {
			return &r.made[i]
		}
	}
	return nil
}

// recordOf reads the record of a line in a daily file.
func recordOf(l daily.DayLine, file string) (record daily.Record, err error) {
	if err = json.Unmarshal(l.Record, &record); err != nil {
		err = fmt.Errorf("record of %s in %s: %w", l.ResourceURI, file, err)
	}
	return record, err
}
