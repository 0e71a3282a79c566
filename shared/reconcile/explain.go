package reconcile

import (
	"cmp"
	"maps"
	"slices"

	"stackusage/shared/usage"
)

// meterKey is what has a line of its own. The stack's own usage stands apart, as
// on the bill, where it is free.
type meterKey struct {
	meter string // normal form
	admin bool
}

// delay is when a row was used and when it was reported.
type delay struct{ used, reported usage.Hour }

// entry is a cause that is not about hours, on one day.
type entry struct {
	day    usage.Day
	kind   Kind
	detail string
}

// book is all that is known of one meter.
type book struct {
	stack   map[usage.Hour]usage.Quantity // what the stack says, by reported hour
	counted map[delay]usage.Quantity      // rows that count
	entries map[entry]usage.Quantity
	bill    map[usage.Day]usage.Quantity

	name, unit string // as records say; the catalogue knows better
}

// books are the meters.
type books map[meterKey]*book

func (b books) of(key meterKey) *book {
	if b[key] == nil {
		b[key] = &book{
			stack: map[usage.Hour]usage.Quantity{}, counted: map[delay]usage.Quantity{},
			entries: map[entry]usage.Quantity{}, bill: map[usage.Day]usage.Quantity{},
		}
	}
	return b[key]
}

// enter adds a cause. Zero is none.
func (b books) enter(key meterKey, day usage.Day, kind Kind, detail string, q usage.Quantity) {
	if q.Sign() != 0 {
		add(b.of(key).entries, entry{day, kind, detail}, q)
	}
}

func add[K comparable](sums map[K]usage.Quantity, key K, q usage.Quantity) {
	sums[key] = sums[key].Add(q)
}

// neg is -q.
func neg(q usage.Quantity) usage.Quantity { return usage.Quantity{}.Sub(q) }

// causeKey is what is one cause of a line.
type causeKey struct {
	kind   Kind
	hours  int // of delay
	detail string
}

// drawn is a line on its way.
type drawn struct {
	Line
	causes map[causeKey]*Cause
	some   bool // there is something to say
}

func (d *drawn) cause(key causeKey, q usage.Quantity, reported usage.Hour) {
	d.some = true
	c := d.causes[key]
	if c == nil {
		c = &Cause{Kind: key.kind, Detail: key.detail, Reported: &HourSpan{reported, reported}}
		if key.kind.delayed() {
			c.Delay = &key.hours
		} else {
			c.Reported = nil
		}
		d.causes[key] = c
	}
	c.Quantity = c.Quantity.Add(q)
	if c.Reported != nil {
		c.Reported.First, c.Reported.Last = min(c.Reported.First, reported), max(c.Reported.Last, reported)
	}
}

// draw makes the lines of a meter: a line for each day that has something to
// say and, of several days, the total.
func (b *book) draw(from, to usage.Day) []Line {
	total := &drawn{Line: Line{Day: Total}, causes: map[causeKey]*Cause{}}
	days := map[usage.Day]*drawn{}
	within := func(day usage.Day) bool { return day >= from && day <= to }
	of := func(day usage.Day) *drawn {
		if days[day] == nil {
			days[day] = &drawn{Line: Line{Day: day.String()}, causes: map[causeKey]*Cause{}}
		}
		return days[day]
	}
	for hour, q := range b.stack {
		if day := hour.Day(); within(day) {
			for _, d := range []*drawn{of(day), total} {
				d.Stack, d.some = d.Stack.Add(q), true
			}
		}
	}
	for day, q := range b.bill {
		if within(day) {
			for _, d := range []*drawn{of(day), total} {
				d.Bill, d.some = d.Bill.Add(q), true
			}
		}
	}
	for at, q := range b.counted {
		used, reported := at.used.Day(), at.reported.Day()
		if used == reported {
			continue
		}
		earlier := causeKey{UsedEarlier, int(at.reported - at.used), ""}
		later := causeKey{ReportedLater, int(at.reported - at.used), ""}
		switch {
		case within(reported) && within(used): // the total has it on both sides
		case within(reported):
			total.cause(earlier, neg(q), at.reported)
		case within(used):
			total.cause(later, q, at.reported)
		}
		if within(reported) {
			of(reported).cause(earlier, neg(q), at.reported)
		}
		if within(used) {
			of(used).cause(later, q, at.reported)
		}
	}
	for e, q := range b.entries {
		if within(e.day) {
			key := causeKey{kind: e.kind, detail: e.detail}
			of(e.day).cause(key, q, 0)
			total.cause(key, q, 0)
		}
	}
	var lines []Line
	for _, day := range slices.Sorted(maps.Keys(days)) {
		lines = append(lines, days[day].finish())
	}
	if from != to && total.some {
		lines = append(lines, total.finish())
	}
	return lines
}

// finish lists the causes, and what they do not explain.
func (d *drawn) finish() Line {
	d.Difference = d.Bill.Sub(d.Stack)
	d.Unexplained = d.Difference
	d.Causes = []Cause{}
	for _, c := range d.causes {
		d.Unexplained = d.Unexplained.Sub(c.Quantity)
		if c.Quantity.Sign() != 0 {
			d.Causes = append(d.Causes, *c)
		}
	}
	slices.SortFunc(d.Causes, func(a, b Cause) int {
		return cmp.Or(cmp.Compare(order[a.Kind], order[b.Kind]), cmp.Compare(a.hours(), b.hours()), cmp.Compare(a.Detail, b.Detail))
	})
	return d.Line
}

// reclassify finds what a change of class left unexplained: as much as the
// meter's usage lacks, the stack's own has too much, or the other way round. The
// class was settled when the day was closed, and a restatement may settle another.
func (b books) reclassify(from, to usage.Day) {
	for key, full := range b {
		admin := b[meterKey{key.meter, true}]
		if key.admin || admin == nil {
			continue
		}
		left := map[string]usage.Quantity{}
		for _, l := range full.draw(from, to) {
			left[l.Day] = l.Unexplained
		}
		for _, l := range admin.draw(from, to) {
			day, err := usage.ParseDay(l.Day)
			if err != nil || l.Unexplained.Sign() == 0 || left[l.Day].Add(l.Unexplained).Sign() != 0 {
				continue // the total, nothing left, or not the same on both sides
			}
			b.enter(key, day, Reclassified, "", left[l.Day])
			b.enter(meterKey{key.meter, true}, day, Reclassified, "", l.Unexplained)
		}
	}
}
