package usages

import (
	"cmp"
	"fmt"
	"slices"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/shared/usage"
)

// marks are the days that may still change, or are not in the picture.
func (a *answer) marks(now usage.Day) map[usage.Day][]dayMark {
	all := map[usage.Day][]dayMark{}
	add := func(day usage.Day, kind, name, why string) {
		if len(a.coverage) > 1 {
			why = name + ": " + why
		}
		all[day] = append(all[day], dayMark{kind, why})
	}
	for _, c := range a.coverage {
		for _, day := range c.Months[0].Never {
			add(day, notClosed, c.Name, "not closed yet")
		}
		for _, entry := range c.Months[0].Open {
			add(entry.Day, dayOpen, c.Name, "open, may still change")
		}
	}
	for _, u := range a.unread {
		if usage.MonthOf(u.Day) == a.q.month {
			add(u.Day, notRead, cmp.Or(u.Registration, u.CloudID), map[bool]string{true: "not read: commerce has not answered for all records", false: "not read yet"}[u.Open])
		}
	}
	for day := max(now, a.q.month.First()); day <= a.q.month.Last(); day++ {
		if len(all[day]) == 0 {
			all[day] = []dayMark{{notClosed, "not over yet"}}
		}
	}
	return all
}

// picture draws the answer; nil if there is nothing to draw.
func (a *answer) picture(r *page.Request) *figure {
	all := a.series(r)
	if len(all) == 0 {
		return nil
	}
	var days []usage.Day
	for day := a.q.month.First(); day <= a.q.month.Last(); day++ {
		days = append(days, day)
	}
	unit, what := a.currency, "Cost"
	if a.measured.quantity {
		unit, what = a.measured.meter.Unit, "Quantity of "+a.measured.meter.Name
	}
	marks := a.marks(usage.HourOf(r.Now).Day())
	f := draw(days, all, unit, marks, func(day usage.Day) string {
		if len(a.coverage) == 1 {
			return page.Href("/day", append([]string{"registration", a.coverage[0].CloudID, "day", day.String()}, a.dayFilters(r)...)...)
		}
		return page.Href("/days", "from", day.String(), "to", day.String())
	})
	f.Label = fmt.Sprintf("%s by day of %s in %s, stacked by %s", what, a.q.month, unit, a.q.by)
	f.Quantities = a.measured.quantity
	f.Keys = hatched(days, marks)
	if slices.ContainsFunc(f.Bars, func(b bar) bool { return b.Net != "" }) {
		f.Keys = append(f.Keys, key{"", "sum of a day with a negative part"})
	}
	return f
}

// dayFilters are the filters that the page of a day has, too.
func (a *answer) dayFilters(r *page.Request) []string {
	id := ""
	if r.Get("meter") != "" && len(a.meters) > 0 {
		id = a.meters[0].ID
	}
	return []string{"subscription", r.Get("subscription"), "resource", r.Get("resource"), "meter", id}
}

// hatched are the keys of the hatching that is there, with the days.
func hatched(days []usage.Day, marks map[usage.Day][]dayMark) (all []key) {
	for _, k := range []key{{notClosed, "not closed"}, {notRead, "not read yet"}, {dayOpen, "open, may still change"}} {
		var of []usage.Day
		for _, day := range days {
			if slices.ContainsFunc(marks[day], func(m dayMark) bool { return m.Kind == k.Kind }) {
				of = append(of, day)
			}
		}
		if len(of) > 0 {
			k.Text += ": " + cli.Days(of)
			all = append(all, k)
		}
	}
	return all
}
