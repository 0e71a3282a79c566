// Package usagereport sums the usage of a month for people: who used what, and what it
// cost, also against another month.
//
//	lines of closed days -> sums by group, state and meter -> rows, the biggest first
//	(usagelines)            (sorted runs on disk)             (sorted runs on disk)
//
// Quantities are exact and never added over different meters or units; amounts are exact
// products of quantity and rate, not rounded. Memory grows neither with lines nor with
// groups.
package usagereport

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/spill"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagesums"
)

// Options say what to sum.
type Options struct {
	Registrations []registration.History
	Month         usage.Month
	Compare       usage.Month       // 0: none
	By            []string          // dimensions, as ParseDimensions reads them
	ByUsageDay    bool              // carried usage is of the day of its use, not of the one that bills it
	Prices        *prices.List      // nil: quantities only
	Names         map[string]string // of tenants and subscriptions, by GUID in lower case with dashes
	Top           int               // rows of a section; the rest is one row. 0: all
	First, Last   usage.Day         // sum these days in place of Month; 0: those of Month. Not with Compare
	Only          Filter            // usage to sum
	PerDay        bool              // the first Top rows of each section have Row.Days
	Cache         *usagesums.Cache  // of day sums; nil: all days are read
	CachedOnly    bool              // with Cache: what is not in it is not read, and listed in Report.Unread
	Spill         int               // sums, and rows, that are kept in memory before a run goes to disk; 0: spill.DefaultCount
	TempDir       string
	Now           time.Time
	Progress      func(day usage.Day, lines int64) // called often; may be nil
}

// Report is what was summed. Close removes its temporary files.
type Report struct {
	Coverage []Coverage // of each registration
	Priced   bool       // there are prices
	Lines    int64      // read
	Total    [2]Total   // of the month and of the one that it is compared with: what is in the bill
	Unpriced map[string]UnpricedMeter
	Unread   []Unread // with Options.CachedOnly: closed days that are not in the sums

	rows *spill.Sums[int64, item]
	days map[int64][]DayFigures // of rows, by their number
	o    Options
}

// Total is what is in the bill of a month.
type Total struct {
	Amount   usage.Quantity
	Unpriced int64 // lines without a known price, which have no amount
}

// UnpricedMeter is a meter of which lines have no known price.
type UnpricedMeter struct{ Name, Why string }

// Coverage is that of a registration, in the month and in the one that it is compared with.
type Coverage struct {
	CloudID, Name string
	Months        []usagelines.Coverage
}

// maxUnpriced bounds how many meters without a price are remembered.
const maxUnpriced = 10_000

// run is one run.
type run struct {
	o      Options
	report *Report
	sums   *spill.Sums[sumKey, sum]

	registrations map[string]string // names by cloudId

	values  []string
	tagText string
	tags    *tags
}

// Run sums a month. The report must be closed.
func Run(ctx context.Context, reader *usagelines.Reader, o Options) (*Report, error) {
	if o.First != 0 && o.Compare != 0 || (o.First == 0) != (o.Last == 0) || o.First > o.Last {
		return nil, fmt.Errorf("sum usage of %s to %s: no range, or one that is compared with a month", o.First, o.Last)
	}
	r := &run{o: o, report: &Report{Priced: o.Prices != nil, Unpriced: map[string]UnpricedMeter{}, o: o}, registrations: map[string]string{}}
	var err error
	if r.sums, err = spill.New(o.TempDir, o.Spill, spill.Rules[sumKey, sum]{
		Key: func(s sum) sumKey { return s.sumKey }, Compare: func(a, b sum) int { return a.compare(b.sumKey) }, Add: (*sum).add, Size: sum.size,
	}); err != nil {
		return nil, err
	}
	defer r.sums.Close()
	for _, h := range o.Registrations {
		if err := r.registration(ctx, reader, h); err != nil {
			return nil, fmt.Errorf("sum usage of %s: %w", h.CloudID, err)
		}
	}
	if r.report.rows, err = newRows(o); err != nil {
		return nil, err
	}
	if err := r.rows(); err != nil {
		return nil, errors.Join(err, r.report.Close())
	}
	if o.PerDay {
		if err := r.perDay(ctx, reader); err != nil {
			return nil, errors.Join(err, r.report.Close())
		}
	}
	return r.report, nil
}

// Close removes the temporary files.
func (r *Report) Close() error { return r.rows.Close() }

// days are the first and the last one to sum.
func (o Options) days() (first, last usage.Day) {
	if o.First != 0 {
		return o.First, o.Last
	}
	return o.Month.First(), o.Month.Last()
}

// spans are the days, and those that they are compared with.
func (o Options) spans() [][2]usage.Day {
	first, last := o.days()
	spans := [][2]usage.Day{{first, last}}
	if o.Compare != 0 {
		spans = append(spans, [2]usage.Day{o.Compare.First(), o.Compare.Last()})
	}
	return spans
}

func (r *run) registration(ctx context.Context, reader *usagelines.Reader, h registration.History) error {
	c := Coverage{CloudID: h.CloudID, Name: h.Name()}
	if c.Name == "" {
		c.Name = h.CloudID
	}
	r.registrations[c.CloudID] = c.Name
	for i, span := range r.o.spans() {
		covered, err := reader.Coverage(ctx, h, span[0], span[1], r.o.Now)
		if err != nil {
			return err
		}
		c.Months = append(c.Months, covered)
		for l, err := range reader.Lines(ctx, usagelines.Query{CloudID: h.CloudID, First: span[0], Last: span[1], ByUsageDay: r.o.ByUsageDay}) {
			if err == nil && !r.o.Only.has(l) {
				continue
			}
			if err == nil {
				err = r.line(l, i)
			}
			if err != nil {
				return err
			}
		}
	}
	r.report.Coverage = append(r.report.Coverage, c)
	return nil
}

// line adds what became of a line to the sums of a month.
func (r *run) line(l *usagelines.Line, month int) error {
	if r.report.Lines++; r.o.Progress != nil {
		r.o.Progress(l.Day.Day, r.report.Lines)
	}
	for _, s := range r.sumsOf(l, month) {
		if err := r.sums.Add(s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) sumsOf(l *usagelines.Line, month int) (all []sum) {
	m := l.Meter()
	s := sum{Name: m.Name, Resource: l.ResourceURI, sumKey: sumKey{Group: r.groupOf(l), Meter: usage.NormalGUID(l.MeterID), Unit: m.Unit, Admin: l.Infrastructure()}}
	price := r.o.Prices.Of(prices.Charge{Day: l.Day.Day, MeterID: l.MeterID, CommerceMeterID: l.CommerceMeterID, Class: l.MeterClass, Model: l.BillingModel})
	if !price.Known && r.report.Priced && len(r.report.Unpriced) < maxUnpriced {
		r.report.Unpriced[s.Meter] = UnpricedMeter{s.meterName(), price.Note}
	}
	for i, quantity := range r.parts(l) {
		if quantity.Sign() == 0 {
			continue
		}
		s.State, s.Of = i, [2]figures{}
		f := figures{Quantity: quantity, Lines: 1}
		if price.Known {
			f.Amount = quantity.Mul(price.Rate)
		} else {
			f.Unpriced = 1
		}
		s.Of[month] = f
		all = append(all, s)
	}
	return all
}

// parts are the quantities of a line by state. By usage day, carried usage is billed like
// other usage of its day. What was carried away and is in no line that a day has closed
// with is left of CarriedAway: the lines that bill it take away what they have of it.
func (r *run) parts(l *usagelines.Line) [7]usage.Quantity {
	parts := [7]usage.Quantity{2: l.CarriedAway, 3: l.Pending, 4: l.Declined, 5: l.Waived, 6: l.Unreported}
	switch {
	case l.CarriedFrom == 0:
		parts[0] = l.Billed
	case r.o.ByUsageDay:
		parts[0], parts[2] = l.Billed, l.CarriedAway.Sub(l.Total)
	default:
		parts[1] = l.Billed
	}
	return parts
}
