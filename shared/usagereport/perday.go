package usagereport

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// DayFigures are those of a row on one day. A day without usage of the row has none.
type DayFigures struct {
	Day      usage.Day // billed, or of the usage with Options.ByUsageDay
	Quantity *usage.Quantity
	Amount   *usage.Quantity
}

// maxPerDay bounds the rows that have figures of days.
const maxPerDay = 1000

// perDay reads the days again, for the rows that are shown.
func (r *run) perDay(ctx context.Context, reader *usagelines.Reader) error {
	byMeter := !r.report.Priced || slices.Contains(r.o.By, Meter)
	type place struct{ row, day int64 }
	days := map[place]*figures{}
	wanted := map[sumKey]int64{}
	section, n := -1, 0
	for i, err := range r.report.rows.All() {
		if err != nil {
			return err
		}
		if now := i.Row.State.section(); now != section {
			section, n = now, 0
		}
		if n++; n > cmp.Or(min(r.o.Top, maxPerDay), maxPerDay) {
			continue
		}
		wanted[i.Key] = i.N
	}
	for _, h := range r.o.Registrations {
		first, last := r.o.days()
		for l, err := range reader.Lines(ctx, usagelines.Query{CloudID: h.CloudID, First: first, Last: last, ByUsageDay: r.o.ByUsageDay}) {
			if err != nil {
				return err
			}
			if !r.o.Only.has(l) {
				continue
			}
			day := l.Day.Day
			if r.o.ByUsageDay {
				day = l.UsedOn()
			}
			for _, s := range r.sumsOf(l, 0) {
				key := s.rowKey(byMeter)
				row, is := wanted[key]
				if !is {
					continue
				}
				at := place{row, int64(day)}
				if days[at] == nil {
					days[at] = &figures{}
				}
				days[at].add(s.Of[0])
			}
		}
	}
	r.report.days = map[int64][]DayFigures{}
	for at, f := range days {
		d := DayFigures{Day: usage.Day(at.day)}
		if byMeter {
			d.Quantity = &f.Quantity
		}
		if f.Lines > f.Unpriced {
			d.Amount = &f.Amount
		}
		r.report.days[at.row] = append(r.report.days[at.row], d)
	}
	for of := range maps.Values(r.report.days) {
		slices.SortFunc(of, func(a, b DayFigures) int { return cmp.Compare(a.Day, b.Day) })
	}
	return nil
}

// rowKey is what the sums of a row have in common.
func (k sumKey) rowKey(byMeter bool) sumKey {
	if !byMeter {
		return sumKey{Group: k.Group, State: k.State}
	}
	return k
}
