package hours

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/calendar"
	"stackusage/shared/hourlog"
	"stackusage/shared/registration"
	"stackusage/shared/spill"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// In place of a verdict in rows of hours of which no file is accepted.
const (
	Missing hourlog.Verdict = "missing"
	Waiting hourlog.Verdict = "waiting" // it may still come
)

// AcceptMissing is the decision in rows of missing hours that will never come.
const AcceptMissing = "acceptMissing"

// withGaps puts the gaps of the days that are asked for between their files.
func (a *asked) withGaps(ctx context.Context, tables table.Store, cloudID string, histories []registration.History, files iter.Seq2[Row, error]) (iter.Seq2[Row, error], error) {
	first, last := a.days.First.First(), a.days.Last.Next().First()-1
	if a.hour.Hour != nil {
		first, last = *a.hour.Hour, *a.hour.Hour
	}
	var gaps []Row
	for _, h := range histories {
		if cloudID != "" && h.CloudID != cloudID {
			continue
		}
		found, err := calendar.Between(ctx, tables, h, max(first, usage.HourOf(h.Begins())), last, time.Now())
		if err != nil {
			return nil, err
		}
		if a.verdict != Waiting {
			decided, err := acceptedGaps(ctx, tables, h.CloudID, found.Accepted)
			if err != nil {
				return nil, err
			}
			gaps = append(gaps, decided...)
			gaps = append(gaps, gapRows(h.CloudID, found.Missing, Missing, "no file is accepted")...)
		}
		if a.verdict != Missing {
			gaps = append(gaps, gapRows(h.CloudID, found.Waiting, Waiting, "its file may still come")...)
		}
	}
	slices.SortFunc(gaps, Row.compare)
	return spill.Merge([]iter.Seq2[Row, error]{cli.Each(gaps), files}, func(a, b *Row) int { return a.compare(*b) }, nil), nil
}

func gapRows(cloudID string, ranges []calendar.Range, verdict hourlog.Verdict, reason string) (rows []Row) {
	for _, r := range ranges {
		row := Row{CloudID: cloudID, Hour: r.First, Verdict: string(verdict), Reason: reason}
		if r.Last > r.First {
			row.Last = &r.Last
		}
		rows = append(rows, row)
	}
	return rows
}

// acceptedGaps are the rows of missing hours that will never come, a row for each decision.
func acceptedGaps(ctx context.Context, tables table.Store, cloudID string, ranges []calendar.Range) (rows []Row, err error) {
	if len(ranges) == 0 {
		return nil, nil
	}
	all, err := calendar.Acceptances(ctx, tables, cloudID)
	if err != nil {
		return nil, err
	}
	for _, r := range ranges {
		for first := r.First; first <= r.Last; {
			last := r.Last
			var d *Decision
			for _, a := range all {
				switch {
				case a.First > first: // it may be of the hours that follow
					last = min(last, a.First-1)
				case d == nil && first <= a.Last:
					last = min(last, a.Last)
					d = &Decision{Decision: AcceptMissing, Reason: a.Reason, By: a.By, At: a.At.UTC(), Done: true}
				}
			}
			row := gapRows(cloudID, []calendar.Range{{First: first, Last: last}}, Missing, "an operator has recorded that it will never come")[0]
			row.Decided = d
			rows = append(rows, row)
			first = last + 1
		}
	}
	return rows, nil
}

func (r Row) compare(s Row) int {
	return cmp.Or(cmp.Compare(r.CloudID, s.CloudID), cmp.Compare(r.Hour, s.Hour))
}

// Range are the hours of a row: one, or those of a gap.
func (r Row) Range() calendar.Range {
	if r.Last == nil {
		return calendar.Range{First: r.Hour, Last: r.Hour}
	}
	return calendar.Range{First: r.Hour, Last: *r.Last}
}

// hours is the hour of a row, or the range of a gap.
func (r Row) hours() string { return r.Range().String() }

// landed is when a file was stored; empty for a gap.
func (r Row) landed() string {
	if r.Landed.IsZero() {
		return ""
	}
	return usage.Point(r.Landed)
}
