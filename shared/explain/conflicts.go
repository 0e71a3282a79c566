package explain

import (
	"context"
	"io"

	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// Conflict is another file of a reported hour that has another quantity of the line, and
// about which nobody has decided.
type Conflict struct {
	ReportedHour usage.Hour     `json:"reportedHour"`
	Blob         string         `json:"hourBlob"`
	SHA16        string         `json:"sha16"`
	Quantity     usage.Quantity `json:"quantity"` // that it has
	Accepted     usage.Quantity `json:"accepted"` // that the accepted file has
}

// conflict enters what a file in conflict has of the lines, where that differs from what
// the accepted file has.
func (r *run) conflict(ctx context.Context, h hourlog.Landed) error {
	sums, err := r.rowsOf(ctx, h)
	if err != nil {
		return err
	}
	for _, line := range r.lines {
		key := line.Shown.Key()
		var accepted usage.Quantity
		for _, in := range r.hours {
			if in.id.Hour == h.ID.Hour && in.row.Verdict == hourlog.Accepted {
				accepted = in.of(key, ^usage.HourSet(0)).quantity
			}
		}
		if line.CarriedFrom == 0 && !sums[key].Equal(accepted) {
			line.Conflicts = append(line.Conflicts, Conflict{ReportedHour: h.ID.Hour, Blob: h.Blob, SHA16: h.ID.SHA16, Quantity: sums[key], Accepted: accepted})
		}
	}
	return nil
}

// rowsOf adds up what a file has of each key of usage on the day; only those of lines
// are kept. Rows that would be rejected are left out.
func (r *run) rowsOf(ctx context.Context, h hourlog.Landed) (map[usage.Key]usage.Quantity, error) {
	sums := map[usage.Key]usage.Quantity{}
	for _, line := range r.lines {
		sums[line.Shown.Key()] = usage.Quantity{}
	}
	reader, err := landing.OpenStored(ctx, r.Hours, h.Blob)
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	for {
		line, err := reader.Next()
		if err == io.EOF {
			r.report.Checked.HourBlobs++
			return sums, nil
		}
		if err != nil {
			return nil, err
		}
		r.report.Checked.Rows++
		record, rejection := usage.ParseRecord(line.Bytes, h.ID.Hour)
		if rejection != nil || line.TooLong || record.Hour.Day() != r.q.Day {
			continue
		}
		if sum, of := sums[record.Shown.Key()]; of {
			sums[record.Shown.Key()] = sum.Add(record.Quantity)
		}
	}
}
