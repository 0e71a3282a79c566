package usagereport

import (
	"sync/atomic"

	"stackusage/shared/meter"
	"stackusage/shared/prices"
	"stackusage/shared/usage"
	"stackusage/shared/usagesums"
)

// owner is what a report needs of an owner of usage: dimensions that are not asked for
// are empty.
type owner struct{ subscription, tenant string }

// term is what a report needs of a term of usage.
type term struct {
	meter, unit, name string
	admin             bool
	rate              string    // exact; empty: no price is known
	day, registration string    // as they are grouped by
	on                usage.Day // where days are summed apart
}

// labels are the owners and terms of all days of a report, by number.
type labels struct {
	owners table[owner]
	terms  table[term]
	rates  []usage.Quantity // of terms
	days   []*labelled      // of the report's sources
}

// table numbers values in the order in which they come.
type table[T comparable] struct {
	of  map[T]int32
	all []T
}

func (t *table[T]) number(v T) int32 {
	n, is := t.of[v]
	if !is {
		if t.of == nil {
			t.of = map[T]int32{}
		}
		n = int32(len(t.all))
		t.of[v], t.all = n, append(t.all, v)
	}
	return n
}

// labelled is a day, with the numbers of its owners and terms.
type labelled struct {
	source
	owners []labelledOwner
	terms  []labelledTerm
	note   []string      // of terms: why there is no price
	seen   []atomic.Bool // terms of lines that are asked for
}

type labelledOwner struct {
	number int32
	asked  bool // by the filter of subscriptions
	tenant bool // is the one that is asked for, for usage that is of a tenant
}

type labelledTerm struct {
	number  int32
	asked   bool
	admin   bool
	carried bool
}

// label numbers owners and terms of all days; perDay keeps days apart.
func (r *run) label(perDay bool) *labels {
	l := &labels{}
	for _, s := range r.sources {
		if s.sums == nil || perDay && s.span > 0 {
			continue
		}
		d := &labelled{source: s, owners: make([]labelledOwner, len(s.sums.Owners)), terms: make([]labelledTerm, len(s.sums.Terms)),
			note: make([]string, len(s.sums.Terms)), seen: make([]atomic.Bool, len(s.sums.Terms))}
		for i, o := range s.sums.Owners {
			tenant := tenantOf(o, s.sums.Settled)
			d.owners[i] = labelledOwner{asked: r.o.Only.hasSubscription(o.Subscription), tenant: r.o.Only.hasTenant(tenant)}
			var label owner
			if r.o.by(Subscription) {
				label.subscription = o.Subscription
			}
			if r.o.by(Tenant) {
				label.tenant = tenant
			}
			d.owners[i].number = l.owners.number(label)
		}
		for i, t := range s.sums.Terms {
			l.term(r, d, i, t, perDay)
		}
		l.days = append(l.days, d)
	}
	return l
}

func (l *labels) term(r *run, d *labelled, i int, t usagesums.Term, perDay bool) {
	label := term{meter: t.MeterID, unit: t.Unit, name: t.Name, admin: t.Class == meter.Admin}
	price := r.o.Prices.Of(prices.Charge{Day: d.Day.Day, MeterID: t.MeterID, CommerceMeterID: t.CommerceMeterID, Class: t.Class, Model: t.Model})
	if d.note[i] = price.Note; price.Known {
		label.rate = price.Rate.String()
	}
	used := d.Day.Day
	if t.CarriedFrom != 0 {
		used = t.CarriedFrom
	}
	on := d.Day.Day
	if r.o.ByUsageDay {
		on = used
	}
	if perDay {
		label.on = on
	}
	if r.o.by(Day) {
		label.day = r.shownDay(on)
	}
	if r.o.by(Registration) {
		label.registration = d.CloudID
	}
	span := r.o.spans()[d.span]
	d.terms[i] = labelledTerm{number: l.terms.number(label), admin: label.admin, carried: t.CarriedFrom != 0,
		asked: (!r.o.ByUsageDay || used >= span[0] && used <= span[1]) && r.o.Only.hasMeter(t.MeterID, shownMeter(t.Name, t.MeterID, label.admin)) &&
			(!label.admin || r.o.Only.hasTenant(Infrastructure))}
	if int(d.terms[i].number) == len(l.rates) {
		l.rates = append(l.rates, price.Rate)
	}
}

// shownDay is a day as it is grouped by. Where months are compared it is the day of the
// month.
func (r *run) shownDay(day usage.Day) string {
	if r.o.Compare != 0 {
		return day.Start().Format("02")
	}
	return day.String()
}

// cell is what sums are first made of: all that may tell groups, states, meters and rates
// apart but for the resource.
type cell struct {
	owner, term, tags int32
	state, span       uint8
}

// amount is what is summed of a cell.
type amount struct {
	sum      usage.Quantity
	lines    int64
	spelling string // of the resource; the least
}

// cells are sums by cell.
type cells struct {
	of      map[cell]int32
	all     []cell
	amounts []amount
}

// few cells are looked for one by one, which is faster than a map: most resources have
// no more.
const few = 8

func (c *cells) at(k cell) *amount {
	if len(c.all) <= few {
		for i := range c.all {
			if c.all[i] == k {
				return &c.amounts[i]
			}
		}
	} else if i, is := c.of[k]; is {
		return &c.amounts[i]
	}
	c.all, c.amounts = append(c.all, k), append(c.amounts, amount{})
	n := len(c.all)
	if c.of == nil {
		c.of = map[cell]int32{}
	}
	if n > few+1 {
		c.of[k] = int32(n - 1)
	} else if n > few {
		for i, of := range c.all {
			c.of[of] = int32(i)
		}
	}
	return &c.amounts[n-1]
}

func (c *cells) clear() {
	clear(c.of)
	clear(c.amounts)
	c.all, c.amounts = c.all[:0], c.amounts[:0]
}

// none is the state of a part that counts nowhere.
const none = 0xff

// statesOf are the states of parts: of lines of the day itself, of carried ones, and of
// carried ones by usage day. By usage day, carried usage is billed like other usage of
// its day. What was carried away and is in no line that a day has closed with is left of
// CarriedAway: the lines that bill it take away what they have of it.
var statesOf = [3][usagesums.Parts]uint8{
	{usagesums.Billed: 0, usagesums.CarriedAway: 2, usagesums.Pending: 3, usagesums.Declined: 4, usagesums.Waived: 5, usagesums.Unreported: 6, usagesums.AwayLessTotal: none},
	{usagesums.Billed: 1, usagesums.CarriedAway: 2, usagesums.Pending: 3, usagesums.Declined: 4, usagesums.Waived: 5, usagesums.Unreported: 6, usagesums.AwayLessTotal: none},
	{usagesums.Billed: 0, usagesums.CarriedAway: none, usagesums.Pending: 3, usagesums.Declined: 4, usagesums.Waived: 5, usagesums.Unreported: 6, usagesums.AwayLessTotal: 2},
}

// counter adds entries of days to cells. Each goroutine has its own.
type counter struct {
	cells      cells
	byUsageDay bool
	lines      int64
}

// entry adds an entry, if it is asked for.
func (c *counter) entry(d *labelled, e *usagesums.Entry, tags int32, spelling string) {
	o, t := &d.owners[e.Owner], &d.terms[e.Term]
	if !t.asked || !o.asked || !t.admin && !o.tenant {
		return
	}
	c.lines += e.Lines
	if !d.seen[e.Term].Load() {
		d.seen[e.Term].Store(true)
	}
	kind := 0
	if t.carried {
		if kind = 1; c.byUsageDay {
			kind = 2
		}
	}
	for i := range e.N {
		p := &e.Of[i]
		state := statesOf[kind][p.Part]
		if state == none {
			continue
		}
		a := c.cells.at(cell{o.number, t.number, tags, state, uint8(d.span)})
		a.sum = a.sum.Add(p.Quantity)
		if a.lines += p.Lines; a.lines == p.Lines || spelling < a.spelling {
			a.spelling = spelling
		}
	}
}
