package usagereport

import (
	"cmp"
	"slices"

	"stackusage/shared/meter"
	"stackusage/shared/usage"
)

// State is what became of usage.
type State string

// States. What is Billed or CarriedIn is in the bill of the month; the rest is not.
const (
	Billed      State = "billed"
	CarriedIn   State = "carriedIn"   // billed on a day of the month, used on an earlier day
	CarriedAway State = "carriedAway" // used on a day of the month, billed on a later day
	Pending     State = "pending"     // commerce has no outcome yet
	Declined    State = "declined"    // commerce declined it; the next revision bills it again
	Waived      State = "waived"      // an operator decided not to bill it
	Unreported  State = "reportingOff"
)

// states in the order of reports.
var states = []State{Billed, CarriedIn, CarriedAway, Pending, Declined, Waived, Unreported}

// InBill reports whether usage of the state is in the bill of the month.
func (s State) InBill() bool { return s == Billed || s == CarriedIn }

// section is what is summed apart: what is in the bill, and each other state.
func (s State) section() int {
	if s.InBill() {
		return 0
	}
	return slices.Index(states, s)
}

// sumKey is what usage is summed by: quantities of different meters or units never add.
type sumKey struct {
	Group string `json:"g"`
	State int    `json:"s"` // index in states
	Meter string `json:"m"` // ID in normal form
	Unit  string `json:"u"`
	Admin bool   `json:"a"` // usage of the stack's own subscriptions, which is free
}

func (k sumKey) compare(l sumKey) int {
	admin := func(k sumKey) int { return map[bool]int{true: 1}[k.Admin] }
	return cmp.Or(cmp.Compare(k.Group, l.Group), cmp.Compare(k.State, l.State), cmp.Compare(k.Meter, l.Meter), cmp.Compare(k.Unit, l.Unit), cmp.Compare(admin(k), admin(l)))
}

// figures are the sums of a month.
type figures struct {
	Quantity usage.Quantity `json:"q"`
	Amount   usage.Quantity `json:"a"` // of the priced lines
	Lines    int64          `json:"n"`
	Unpriced int64          `json:"x"` // lines of which no price is known
}

func (f *figures) add(g figures) {
	f.Quantity, f.Amount = f.Quantity.Add(g.Quantity), f.Amount.Add(g.Amount)
	f.Lines, f.Unpriced = f.Lines+g.Lines, f.Unpriced+g.Unpriced
}

// sum is one sum of the month and of the one that it is compared with.
type sum struct {
	sumKey
	Name     string     `json:"o"` // of the meter
	Resource string     `json:"r"` // as the stack wrote it; of several spellings the least
	Of       [2]figures `json:"f"`
}

func (s *sum) add(t sum) {
	s.Resource, s.Name = min(s.Resource, t.Resource), max(s.Name, t.Name)
	for i := range s.Of {
		s.Of[i].add(t.Of[i])
	}
}

// rowKey is what the sums of a row have in common.
func (k sumKey) rowKey(byMeter bool) sumKey {
	if !byMeter {
		return sumKey{Group: k.Group, State: k.State}
	}
	return k
}

// nothing reports whether nothing is left of the sum, as of a line that was reversed.
func (s *sum) nothing() bool { return s.Of[0].Quantity.Sign() == 0 && s.Of[1].Quantity.Sign() == 0 }

func (s sum) size() int { return 500 + len(s.Group) + len(s.Resource) + len(s.Name) }

// meterName is how people know the meter of a sum.
func (s *sum) meterName() string { return shownMeter(s.Name, s.Meter, s.Admin) }

func shownMeter(name, id string, admin bool) string {
	name = cmp.Or(name, usage.DashedGUID(id))
	if admin {
		name += " (" + string(meter.Admin) + ")"
	}
	return name
}

// sumsOf are the sums of cells, in order, each key once. The price of a resource's usage is
// that of the cell: quantities of one rate are added up before they are multiplied.
func (r *run) sumsOf(l *labels, w *worker, uri string) []sum {
	all := make([]sum, 0, len(w.cells.all))
	for i, c := range w.cells.all {
		all = append(all, r.sumOf(l, w, c, &w.cells.amounts[i], uri))
	}
	slices.SortStableFunc(all, func(a, b sum) int { return a.compare(b.sumKey) })
	merged := all[:0]
	for _, s := range all {
		if n := len(merged); n > 0 && merged[n-1].compare(s.sumKey) == 0 {
			merged[n-1].add(s)
			continue
		}
		merged = append(merged, s)
	}
	return merged
}

func (r *run) sumOf(l *labels, w *worker, c cell, a *amount, uri string) sum {
	t := &l.terms.all[c.term]
	s := sum{sumKey: sumKey{Group: r.groupOf(&l.owners.all[c.owner], t, w.tags.values[c.tags], uri), State: int(c.state), Meter: t.meter, Unit: t.unit, Admin: t.admin},
		Name: t.name, Resource: a.spelling}
	f := figures{Quantity: a.sum, Lines: a.lines}
	if t.rate != "" {
		f.Amount = f.Quantity.Mul(l.rates[c.term])
	} else {
		f.Unpriced = a.lines
	}
	s.Of[c.span] = f
	return s
}

// seen notes the meters without a price, and counts the lines.
func (r *run) seen(l *labels) {
	for _, d := range l.days {
		for i := range d.terms {
			t := &l.terms.all[d.terms[i].number]
			if r.report.Priced && t.rate == "" && d.seen[i].Load() && len(r.report.Unpriced) < maxUnpriced {
				r.report.Unpriced[t.meter] = UnpricedMeter{shownMeter(t.name, t.meter, t.admin), d.note[i]}
			}
		}
	}
}
