package ledger

import (
	"cmp"
	"context"
	"errors"

	"stackusage/shared/daily"
	"stackusage/shared/landing"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// supplement reads a supplement that counts once more: its rows, their sums, and
// that each is claimed by it and by no other.
func (v *verifier) supplement(ctx context.Context, where string, id HourID, parentCounts bool) error {
	parent, sha16, _ := splitSupplement(id)
	h, err := v.ledger.Hour(ctx, id)
	if errors.Is(err, table.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	if h.Verdict != Counted {
		return nil
	}
	if !parentCounts {
		return v.differ(where, "verdict is counted, but its hour blob %s does not count", parent.SHA16)
	}
	of, err := v.ledger.Hour(ctx, parent)
	if err != nil {
		return err
	}
	f, err := v.openFile(ctx, v.files.App, h.Blob)
	if err != nil {
		return v.settle(err)
	}
	defer f.close()
	summer, err := daily.NewSummer(v.o.TempDir, daily.DefaultSpill)
	if err != nil {
		return err
	}
	defer summer.Close()
	rows, hash, err := v.supplementRows(ctx, where, parent, of, sha16, f, summer)
	if err != nil {
		return v.settle(err)
	}
	v.report.Redriven += rows
	days, err := v.partials(ctx, id, h, summer)
	if err != nil {
		return err
	}
	return cmp.Or(
		v.settle(f.finish(h.SHA256)),
		same(v, where, "rowSetHash", h.RowSetHash, hash),
		same(v, where, "records", h.Records, rows),
		same(v, where, "accepted", h.Accepted, rows),
		sameDays(v, where, h.UsageDays, days),
	)
}

func (v *verifier) supplementRows(ctx context.Context, where string, parent HourID, of Hour, sha16 string, f *verifyFile, summer *daily.Summer) (n int64, hash string, err error) {
	header, rows, err := landing.ReadSupplement(f)
	if err != nil {
		return 0, "", f.blame(err)
	}
	if header.CloudID != parent.CloudID || !header.ReportedStart.Equal(parent.Hour.Start()) || header.HourBlob != of.SHA256 {
		return 0, "", damaged(f.path, "it is the supplement of another hour blob")
	}
	refused, err := pull(v.ledger.RefusedRows(ctx, parent))
	defer refused.stop()
	var set landing.RowSet
	for row, rowErr := range rows {
		if err = cmp.Or(err, f.blame(rowErr)); err != nil {
			return n, "", err
		}
		n++
		set.AddRow(row.Row)
		for err == nil && refused.more && refused.head.Line < row.Line {
			err = refused.advance()
		}
		if err != nil {
			return n, "", err
		}
		if q := refused.head; !refused.more || q.Line != row.Line || q.State != Redriven || q.Supplement != sha16 {
			if err := v.differ(where, "row %d is not claimed by it in Quarantine", row.Line); err != nil {
				return n, "", err
			}
		}
		record, refusal := usage.ParseRecord(row.Row, parent.Hour)
		if refusal != nil {
			return n, "", damaged(f.path, "row %d is refused with %s", row.Line, refusal.Code)
		}
		err = summer.Add(record)
	}
	return n, set.String(), err
}

// redriven compares what the pointer says of supplements with their rows.
func (v *verifier) redriven(ctx context.Context, where string, id HourID, pointer table.Row) error {
	var h Hour
	if err := table.Decode(pointer.Props, &h); err != nil {
		return v.differ(where, "%v", err)
	}
	all, err := v.ledger.Supplements(ctx, id)
	if err != nil {
		return err
	}
	var supplements, rows int64
	for _, s := range all {
		if s.Verdict == Counted {
			supplements, rows = supplements+1, rows+s.Records
		}
	}
	return cmp.Or(same(v, where, "supplements", h.Supplements, supplements), same(v, where, "redriven", h.Redriven, rows))
}
