package usagereport

import (
	"context"
	"maps"
	"slices"
	"strings"

	"stackusage/shared/usage"
)

// DayFigures are those of a row on one day. A day without usage of the row has none.
type DayFigures struct {
	Day      usage.Day // billed, or of the usage with Options.ByUsageDay
	Quantity *usage.Quantity
	Amount   *usage.Quantity
}

// maxPerDay bounds the rows that have figures of days: the first of a report.
const maxPerDay = 1000

// daily are figures of rows, or of sections, by day.
type daily[K comparable] map[K]map[usage.Day]figures

func (d daily[K]) add(of K, day usage.Day, f figures) {
	if d[of] == nil {
		d[of] = map[usage.Day]figures{}
	}
	total := d[of][day]
	total.add(f)
	d[of][day] = total
}

// perDay sums the rows that are shown by day, and the rest of each section.
func (r *run) perDay(ctx context.Context) error {
	shown := map[sumKey]int64{} // numbers of rows
	sections := map[int]bool{}  // that have more rows
	for i, err := range r.report.rows.shown() {
		switch {
		case err != nil:
			return err
		case i.Row.Others > 0:
			sections[i.Row.State.section()] = true
		case len(shown) < maxPerDay:
			shown[i.Key] = i.N
		}
	}
	l := r.label(true)
	rows, all := daily[int64]{}, daily[int]{}
	add := func(w *worker, uri string) {
		for i, c := range w.cells.all {
			s := r.sumOf(l, w, c, &w.cells.amounts[i], uri)
			if n, is := shown[s.rowKey(r.o.byMeter())]; is {
				on := l.terms.all[c.term].on
				rows.add(n, on, s.Of[0])
			}
		}
	}
	if r.o.by(Resource) {
		if err := r.readShown(ctx, l, shown, add); err != nil {
			return err
		}
	}
	if !r.o.by(Resource) || len(sections) > 0 {
		if err := r.scan(ctx, l, func(w *worker) error {
			if !r.o.by(Resource) {
				add(w, "")
			}
			for i, c := range w.cells.all {
				all.add(states[c.state].section(), l.terms.all[c.term].on, r.sumOf(l, w, c, &w.cells.amounts[i], "").Of[0])
			}
			return nil
		}); err != nil {
			return err
		}
	}
	r.setDays(rows, all, shown, sections)
	return nil
}

// readShown reads the resources of the rows that are shown.
func (r *run) readShown(ctx context.Context, l *labels, shown map[sumKey]int64, add func(*worker, string)) error {
	at := slices.Index(r.o.By, Resource)
	uris := map[string]bool{}
	for key := range shown {
		uris[strings.Split(key.Group, "\x00")[at]] = true
	}
	sorted := slices.Sorted(maps.Keys(uris))
	return r.workers(ctx, len(l.days), func(w *worker, piece int) error {
		c := l.days[piece].sums.Resources()
		for _, uri := range sorted {
			for c.Seek(uri); c.Next() && string(c.Key) == uri; {
				w.record(r, l.days[piece], c)
			}
			if c.Err != nil {
				return c.Err
			}
			c.Back()
			r.mu.Lock()
			add(w, uri)
			r.mu.Unlock()
			w.cells.clear()
		}
		return nil
	})
}

// setDays sets the figures of the rows that are shown, and of the others.
func (r *run) setDays(rows daily[int64], all daily[int], shown map[sumKey]int64, sections map[int]bool) {
	r.report.days, r.report.others = map[int64][]DayFigures{}, map[int][]DayFigures{}
	for key, n := range shown {
		for _, day := range slices.Sorted(maps.Keys(rows[n])) {
			f := rows[n][day]
			d := DayFigures{Day: day}
			if r.o.byMeter() {
				d.Quantity = &f.Quantity
			}
			if f.Lines > f.Unpriced {
				d.Amount = &f.Amount
			}
			r.report.days[n] = append(r.report.days[n], d)
			all.add(states[key.State].section(), day, figures{Amount: usage.Quantity{}.Sub(f.Amount), Lines: -f.Lines, Unpriced: -f.Unpriced})
		}
	}
	for section := range sections {
		for _, day := range slices.Sorted(maps.Keys(all[section])) {
			if f := all[section][day]; f.Lines > f.Unpriced {
				r.report.others[section] = append(r.report.others[section], DayFigures{Day: day, Amount: &f.Amount})
			}
		}
	}
}
