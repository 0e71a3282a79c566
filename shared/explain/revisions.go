package explain

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// maxReceipt bounds a receipt, as closing a day does.
const maxReceipt = 64 << 20

// revisions finds the lines, and reads what each revision of the day did to them.
func (r *run) revisions(ctx context.Context) error {
	for s, err := range daybook.Revisions(ctx, r.Tables, r.q.CloudID, r.q.Day) {
		if err != nil {
			return err
		}
		r.made = append(r.made, made{Revision: s})
	}
	if len(r.made) == 0 {
		return fmt.Errorf("%w: the day was never closed", ErrNothing)
	}
	if err := r.choose(ctx); err != nil {
		return err
	}
	for i := range r.made {
		if err := r.follow(ctx, &r.made[i]); err != nil {
			return err
		}
	}
	return r.continues()
}

// choose finds the lines that the question is about. A daily file has every line that
// was ever billed on the day, so the last one has all; a record is in the file of its
// own revision.
func (r *run) choose(ctx context.Context) error {
	in := r.made[len(r.made)-1:]
	if r.q.RecordID != "" {
		in = slices.Clone(r.made)
		slices.Reverse(in)
	}
	var there near
	for _, m := range in {
		_, err := r.scan(ctx, m.Revision, func(l daily.DayLine) error {
			if there.add(r.q, l); !r.q.selects(l) {
				return nil
			}
			if len(r.lines) == MaxLines {
				return fmt.Errorf("more than %d lines: choose a resource, and a meter", MaxLines)
			}
			r.lines[l.LineKey()] = &Line{Line: l.Line, Revisions: []Revision{}}
			return nil
		})
		if err != nil || len(r.lines) > 0 {
			return err
		}
	}
	return fmt.Errorf("%w: %s", ErrNothing, there)
}

// near is what there is where a line is not.
type near struct {
	lines, meter int      // of the day, and of the meter
	meters       []string // of the resource
}

func (n *near) add(q Question, l daily.DayLine) {
	n.lines++
	if q.Meter != nil && q.Meter(l.Line) {
		n.meter++
	}
	if q.Resource != "" && named(l.ResourceURI, q.Resource) {
		if id := usage.DashedGUID(l.MeterID); !slices.Contains(n.meters, id) && len(n.meters) < 10 {
			n.meters = append(n.meters, id)
		}
	}
}

// String says what was searched, and what is there.
func (n near) String() string {
	text := fmt.Sprintf("the day has %d lines", n.lines)
	if n.meter > 0 {
		text += fmt.Sprintf(", %d of the meter, none of them of the resource", n.meter)
	}
	if len(n.meters) > 0 {
		text += ", of the resource those of the meters " + strings.Join(n.meters, ", ")
	}
	return text
}

// scan reads a daily file.
func (r *run) scan(ctx context.Context, rev daybook.Revision, take func(daily.DayLine) error) (daily.DayHeader, error) {
	r.tell("revision %d of %s", rev.Number, r.q.Day)
	body, err := content.At(rev.File).With(rev.SHA256, table.UsageDays).Open(ctx, r.App)
	if err != nil {
		return daily.DayHeader{}, err
	}
	defer body.Close()
	file, err := daily.OpenDay(body)
	if err != nil {
		return daily.DayHeader{}, fmt.Errorf("open daily file %s: %w", rev.File, err)
	}
	for l, err := range file.Lines() {
		if err == nil {
			err = take(l)
		}
		if err != nil {
			return daily.DayHeader{}, err
		}
	}
	return file.Header(), body.Check()
}

// follow enters what a revision did to the lines.
func (r *run) follow(ctx context.Context, m *made) error {
	sent := map[string]*Revision{} // by record, those with one
	var records []daily.Record
	header, err := r.scan(ctx, m.Revision, func(l daily.DayLine) error {
		line := r.lines[l.LineKey()]
		if line == nil {
			return nil
		}
		rev := Revision{Number: int(m.Number), ClosedAt: m.ClosedAt.UTC(), Reason: m.Reason, By: m.By, Total: l.Total, Before: l.Before,
			Waived: l.Waived, Carried: l.Carried, Reporting: m.Reporting, Corrects: l.Corrects, Changes: []Change{}}
		if l.Rows > 0 { // a line that was only billed before keeps its hours
			rev.hours = l.Hours
		}
		if l.Reporting != "" {
			rev.Reporting = l.Reporting
		}
		if l.Record != nil {
			var record daily.Record
			if err := json.Unmarshal(l.Record, &record); err != nil {
				return fmt.Errorf("record of %s in %s: %w", l.ResourceURI, m.File, err)
			}
			rev.RecordID, rev.Kind, rev.Sent = record.RecordID, string(record.Kind), record.Quantity
			records = append(records, record)
		}
		line.Revisions = append(line.Revisions, rev)
		if rev.RecordID != "" {
			sent[rev.RecordID] = &line.Revisions[len(line.Revisions)-1]
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.report.Checked.DailyFiles++
	m.header = header
	for _, line := range r.lines {
		if n := len(line.Revisions); n > 0 && line.Revisions[n-1].Number == int(m.Number) {
			line.Revisions[n-1].Hours, line.Revisions[n-1].Missing = len(header.Inputs), header.MissingHours
			line.Revisions[n-1].CarriedTo = header.CarriedTo
		}
	}
	return r.outcomes(ctx, m, records, sent)
}

// outcomes reads what commerce answered to the records of a revision: from the receipt
// of their batch, and from DailyUsage while there is none.
func (r *run) outcomes(ctx context.Context, m *made, records []daily.Record, sent map[string]*Revision) error {
	if len(records) == 0 {
		return nil
	}
	_, batches, err := outbox.OfRevision(ctx, r.Tables, r.q.CloudID, r.q.Day, int(m.Number))
	if err != nil {
		return err
	}
	left := len(sent)
	for _, b := range batches {
		if b.Receipt == "" || left == 0 {
			continue
		}
		text, err := content.At(b.Receipt).With(b.ReceiptSHA256, table.UsageBatches).Bytes(ctx, r.App, maxReceipt)
		if err != nil {
			return err
		}
		var receipt outbox.Receipt
		if err := json.Unmarshal(text, &receipt); err != nil {
			return fmt.Errorf("read receipt %s: %w", b.Receipt, err)
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
	return r.rows(ctx, m, records, sent)
}

// rows compares the outcomes with DailyUsage.
func (r *run) rows(ctx context.Context, m *made, records []daily.Record, sent map[string]*Revision) error {
	answers, err := outbox.Answers(ctx, r.Tables, outbox.ID{CloudID: r.q.CloudID, Day: r.q.Day, Revision: int(m.Number)}, records)
	if err != nil {
		return err
	}
	for id, rev := range sent {
		a, is := answers[id]
		switch {
		case rev.Outcome == "" && is:
			rev.Outcome, rev.Code, rev.Message = a.Status, a.Code, a.Message
			if rev.Added, err = billed(a, rev.Sent); err != nil {
				r.contradiction("DailyUsage has record %s: %v", id, err)
			}
		case rev.Outcome != "" && !is:
			r.contradiction("the receipt of record %s says %s, and DailyUsage has no such record", id, rev.Outcome)
		case is && a.Status != rev.Outcome:
			r.contradiction("the receipt of record %s says %s, DailyUsage %s", id, rev.Outcome, a.Status)
		case is:
			if stands, err := billed(a, rev.Sent); err != nil || !stands.Equal(rev.Added) {
				r.contradiction("the receipt of record %s has %s in the bill, DailyUsage %s", id, rev.Added, stands)
			}
		}
	}
	return nil
}

// continues compares what each revision began with, with what the one before left.
func (r *run) continues() error {
	for _, line := range r.lines {
		if len(line.Revisions) == 0 {
			return errors.New("a line of the last revision is in no daily file")
		}
		var bill usage.Quantity
		for _, rev := range line.Revisions {
			if !rev.Before.Equal(bill) {
				r.contradiction("revision %d of %s begins with %s, and the revisions before left %s", rev.Number, line.ResourceURI, rev.Before, bill)
			}
			bill = rev.Before.Add(rev.Added).Add(rev.Carried)
		}
	}
	return nil
}

// DayOf finds the usage day of a record in DailyUsage, the newest day first. A question
// that names the day needs no search.
func (b Books) DayOf(ctx context.Context, q Question) (usage.Day, error) {
	if q.Day != 0 {
		return q.Day, nil
	}
	last, err := daybook.LastRevisions(ctx, b.Tables, q.CloudID)
	if err != nil {
		return 0, err
	}
	days := slices.Sorted(maps.Keys(last))
	for _, day := range slices.Backward(days) {
		if b.Progress != nil {
			b.Progress("DailyUsage of " + day.String())
		}
		for line, err := range outbox.BilledLines(ctx, b.Tables, q.CloudID, day) {
			if err != nil {
				return 0, err
			}
			if line.RecordID == q.RecordID {
				return day, nil
			}
		}
	}
	return 0, fmt.Errorf("%w: no record %s in DailyUsage of the %d closed days of %s; name the day with --day if it has no outcome yet", ErrNothing, q.RecordID, len(days), q.CloudID)
}
