package explain

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/ingest"
	"stackusage/shared/outbox"
	"stackusage/shared/usage"
)

// around is how many days before and after a day are searched for what it does not have.
const around = 31

// Elsewhere is the error that there is no such line, an ErrNothing, with where there are
// lines.
type Elsewhere struct {
	Text   string      // what was searched, and what there is
	Days   []usage.Day // closed days around that one; with such a line, if the day is closed
	Meters []string    // of the resource on the day
}

func (e *Elsewhere) Error() string { return ErrNothing.Error() + ": " + e.Text }

// Unwrap makes it an ErrNothing.
func (e *Elsewhere) Unwrap() error { return ErrNothing }

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

// neverClosed is the error of a day without revisions.
func (r *run) neverClosed(ctx context.Context) error {
	last, err := daybook.LastRevisions(ctx, r.Tables, r.q.CloudID)
	if err != nil {
		return err
	}
	days := slices.Sorted(maps.Keys(last))
	text := "no day is closed"
	if len(days) > 0 {
		days = slices.DeleteFunc(days, func(d usage.Day) bool { return d < r.q.Day-around || d > r.q.Day+around })
		if text = fmt.Sprintf("no closed days from %s to %s", r.q.Day-around, r.q.Day+around); len(days) > 0 {
			text = "closed days: " + list(days)
		}
	}
	return &Elsewhere{Text: "the day was never closed; " + text, Days: days}
}

// nothing is the error of a question that no line answers: it says what was searched,
// and what is there.
func (r *run) nothing(ctx context.Context, there near) error {
	if r.q.RecordID != "" {
		return fmt.Errorf("%w: none of the %d revisions has a record %s", ErrNothing, len(r.made), r.q.RecordID)
	}
	text := "the day has " + usage.Count(there.lines, "line")
	if there.meter > 0 {
		text += fmt.Sprintf(", %d of the meter, none of them of the resource", there.meter)
	}
	if len(there.meters) > 0 {
		text += ", of the resource those of the meters " + strings.Join(there.meters, ", ")
	}
	rejected, err := r.rejectedOf(ctx)
	if err != nil {
		return err
	}
	if rejected > 0 {
		text += fmt.Sprintf("; %d rejected rows of its hours name the resource: stackusage quarantine list", rejected)
	}
	if r.q.Resource == "" && r.q.Meter == nil {
		return &Elsewhere{Text: text}
	}
	last, err := daybook.LastRevisions(ctx, r.Tables, r.q.CloudID)
	if err != nil {
		return err
	}
	var days []usage.Day
	for _, day := range slices.Sorted(maps.Keys(last)) {
		if day < r.q.Day-around || day > r.q.Day+around || day == r.q.Day {
			continue
		}
		has := false
		if _, err := r.scan(ctx, last[day], func(l daily.DayLine) error {
			has = has || r.q.selects(l)
			return nil
		}); err != nil {
			return err
		}
		if has {
			days = append(days, day)
		}
	}
	if len(days) == 0 {
		text += fmt.Sprintf("; none on the days from %s to %s", r.q.Day-around, r.q.Day+around)
	} else {
		text += "; on other days: " + list(days)
	}
	return &Elsewhere{Text: text, Days: days, Meters: there.meters}
}

// rejectedOf counts the rejected rows of the day's reported hours that name the resource.
func (r *run) rejectedOf(ctx context.Context) (n int, err error) {
	if r.q.Resource == "" {
		return 0, nil
	}
	uri := strings.ToLower(r.q.Resource)
	if !strings.Contains(uri, "/") {
		uri = "/" + uri
	}
	last := usage.HourOf(r.q.Day.End().Add(r.Settling)).Day()
	for h, err := range hourlog.Between(ctx, r.Tables, r.q.CloudID, r.q.Day, last) {
		if err == nil && h.Verdict == hourlog.Accepted && h.RejectedFile != "" {
			err = r.rejectedFile(ctx, h.RejectedFile, func(row ingest.RejectedRow) {
				if text := plain(row.Row); bytes.Contains(text, []byte(uri+`\"`)) || bytes.Contains(text, []byte(uri+`"`)) {
					n++
				}
			})
		}
		if err != nil {
			return 0, err
		}
	}
	return n, nil
}

func list(days []usage.Day) string {
	texts := make([]string, len(days))
	for i, day := range days {
		texts[i] = day.String()
	}
	return strings.Join(texts, ", ")
}

// Find finds the stack and the usage day of a record with an outcome, the newest day
// first. 0 is any day.
func (b Books) Find(ctx context.Context, cloudIDs []string, recordID string, on usage.Day) (cloudID string, day usage.Day, err error) {
	searched := 0
	for _, cloudID := range cloudIDs {
		last, err := daybook.LastRevisions(ctx, b.Tables, cloudID)
		if err != nil {
			return "", 0, err
		}
		for _, day := range slices.Backward(slices.Sorted(maps.Keys(last))) {
			if on != 0 && day != on {
				continue
			}
			if searched++; b.Progress != nil {
				b.Progress("DailyUsage of " + day.String())
			}
			for line, err := range outbox.BilledLines(ctx, b.Tables, cloudID, day) {
				if err != nil {
					return "", 0, err
				}
				if line.RecordID == recordID {
					return cloudID, day, nil
				}
			}
		}
	}
	return "", 0, fmt.Errorf("%w: DailyUsage has no record %s on %d closed days of %d registrations; a record without an outcome needs --registration and --day",
		ErrNothing, recordID, searched, len(cloudIDs))
}
