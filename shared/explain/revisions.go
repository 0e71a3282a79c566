package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// revisions finds the lines, and reads what each revision of the day did to them.
func (r *run) revisions(ctx context.Context) error {
	for s, err := range daybook.Revisions(ctx, r.Tables, r.q.CloudID, r.q.Day) {
		if err != nil {
			return err
		}
		r.made = append(r.made, made{Revision: s})
	}
	if len(r.made) == 0 {
		return r.neverClosed(ctx)
	}
	for n := int64(1); n <= r.made[len(r.made)-1].Number; n++ {
		if r.revision(n) == nil {
			r.contradiction("UsageDays has no revision %d of the day", n)
		}
	}
	if err := r.choose(ctx); err != nil {
		return err
	}
	for i := range r.made {
		if err := r.follow(ctx, &r.made[i]); err != nil {
			return err
		}
	}
	if err := r.dailyUsage(ctx); err != nil {
		return err
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
	return r.nothing(ctx, there)
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
	of := map[resource]bool{}
	for _, line := range r.lines {
		of[resourceOf(line.SubscriptionID, line.ResourceURI)] = true
	}
	m.records = map[string]bool{}
	header, err := r.scan(ctx, m.Revision, func(l daily.DayLine) error {
		var record daily.Record
		if l.Record != nil && of[resourceOf(l.SubscriptionID, l.ResourceURI)] {
			var err error
			if record, err = recordOf(l, m.File); err != nil {
				return err
			}
			m.records[record.RecordID] = true
		}
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
		rev.RecordID, rev.Kind, rev.Sent = record.RecordID, string(record.Kind), record.Quantity
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
	return r.receipts(ctx, m, sent)
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
