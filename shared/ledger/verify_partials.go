package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"

	"stackusage/shared/daily"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// partials compares the sums of an hour with its partials, usage day by usage
// day, and says which days there are.
func (v *verifier) partials(ctx context.Context, id HourID, h Hour, summer *daily.Summer) (days []string, err error) {
	for day, sums := range summer.Days() {
		days = append(days, day.Compact())
		if err := v.settle(v.partial(ctx, id, h, day, sums)); err != nil {
			return nil, err
		}
		for _, err := range sums { // what the comparison left: the next day begins after it
			if err != nil {
				return nil, err
			}
		}
	}
	// The hour's own days have a partial also where no row is of them.
	for _, own := range OwnDays(id.Hour, 24) {
		if day := own.Compact(); strings.Contains(h.UsageDays, day) && !slices.Contains(days, day) {
			days = append(days, day)
			if err := v.settle(v.partial(ctx, id, h, own, func(func(daily.Sum, error) bool) {})); err != nil {
				return nil, err
			}
		}
	}
	slices.Sort(days)
	return days, nil
}

func (v *verifier) partial(ctx context.Context, id HourID, h Hour, day usage.Day, sums iter.Seq2[daily.Sum, error]) error {
	key := id.Hour.Compact() + "_" + id.SHA16
	where := "DayInputs " + dayPartition(id.CloudID, day) + "/" + key
	row, err := v.ledger.Store.Get(ctx, table.DayInputs, dayPartition(id.CloudID, day), key)
	if errors.Is(err, table.ErrNotFound) {
		return damaged(where, "the row is not there; %s has rows of the day", h.Blob)
	} else if err != nil {
		return err
	}
	var in DayInput
	if err := table.Decode(row.Props, &in); err != nil {
		return damaged(where, "%v", err)
	}
	f, err := v.openFile(ctx, v.files.App, table.ContainerPartials+"/"+in.Partial)
	if err != nil {
		return err
	}
	defer f.close()
	p, err := daily.OpenPartial(f)
	if err != nil {
		return f.blame(err)
	}
	head := p.Header()
	if head.CloudID != id.CloudID || head.UsageDay != day || head.ReportedHour != id.Hour || head.HourBlob != h.SHA256 {
		return damaged(f.path, "it is the partial of another hour blob or day")
	}
	have, err := pull(blamed(f, p.Sums()))
	defer have.stop()
	var lines, rows int64
	for want, sumErr := range sums {
		if err = cmp.Or(sumErr, err); err != nil {
			return err
		}
		lines, rows = lines+1, rows+want.Rows
		got := have.head
		if !have.more || got.Shown != want.Shown || !got.Quantity.Equal(want.Quantity) || got.Hours != want.Hours || got.Rows != want.Rows {
			return damaged(f.path, "line %d is %s, the rows of the hour say %s", lines, textOf(got, have.more), textOf(want, true))
		}
		err = have.advance()
	}
	if err != nil {
		return err
	}
	if have.more {
		return damaged(f.path, "it has more than the %d lines that the rows of the hour give", lines)
	}
	if err := f.finish(""); err != nil {
		return err
	}
	return cmp.Or(same(v, where, "sha256", in.SHA256, f.hash()), same(v, where, "lines", in.Lines, lines), same(v, where, "rows", in.Rows, rows))
}

// textOf names a sum without its tags, which may hold personal data.
func textOf(s daily.Sum, there bool) string {
	if !there {
		return "not there"
	}
	return fmt.Sprintf("%s of meter %s, %d rows, resource %s", s.Quantity, s.MeterID, s.Rows, s.ResourceURI)
}
