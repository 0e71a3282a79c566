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
	"stackusage/shared/spill"
	"stackusage/shared/usage"
)

// missing is in place of a verdict in rows of hours of which no file is accepted.
const missing hourlog.Verdict = "missing"

// withGaps puts the gaps of a range of days between its files.
func withGaps(ctx context.Context, storage *cli.Storage, cloudID string, days cli.Range, files iter.Seq2[Row, error]) (iter.Seq2[Row, error], error) {
	histories, err := storage.Registry().Histories(ctx)
	if err != nil {
		return nil, err
	}
	var gaps []Row
	for _, h := range histories {
		if cloudID != "" && h.CloudID != cloudID {
			continue
		}
		first := max(days.First.First(), usage.HourOf(h.Begins()))
		open, accepted, err := calendar.Between(ctx, storage.Tables, h, first, days.Last.Next().First()-1, time.Now())
		if err != nil {
			return nil, err
		}
		gaps = append(gaps, gapRows(h.CloudID, open, "no file is accepted")...)
		gaps = append(gaps, gapRows(h.CloudID, accepted, "an operator has recorded that it will never come")...)
	}
	slices.SortFunc(gaps, Row.compare)
	return spill.Merge([]iter.Seq2[Row, error]{cli.Each(gaps), files}, Row.compare, nil), nil
}

func gapRows(cloudID string, ranges []calendar.Range, reason string) (rows []Row) {
	for _, r := range ranges {
		row := Row{CloudID: cloudID, Hour: r.First, Verdict: string(missing), Reason: reason}
		if r.Last > r.First {
			row.Last = &r.Last
		}
		rows = append(rows, row)
	}
	return rows
}

func (r Row) compare(s Row) int {
	return cmp.Or(cmp.Compare(r.CloudID, s.CloudID), cmp.Compare(r.Hour, s.Hour))
}

// hours is the hour of a row, or the range of a gap.
func (r Row) hours() string {
	if r.Last == nil {
		return r.Hour.String()
	}
	return calendar.Range{First: r.Hour, Last: *r.Last}.String()
}

// landed is when a file was stored; empty for a gap.
func (r Row) landed() string {
	if r.Landed.IsZero() {
		return ""
	}
	return usage.Point(r.Landed)
}
