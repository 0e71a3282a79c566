// Package usagereport sums the usage of a month for people: who used what, and what it
// cost, also against another month.
//
//	closed days -> sums of each day -> sums by group, state and meter -> rows, the biggest first
//	(usagelines)   (usagesums, cached) (sorted runs on disk)             (sorted runs on disk)
//
// Quantities are exact and never added over different meters or units; amounts are exact
// products of quantity and rate, not rounded. Memory grows neither with lines nor with
// groups.
package usagereport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/prices"
	"stackusage/shared/registration"
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
	ByAmount      bool              // rows are in order of amounts also with Compare, not of changes
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
	Mover    *Row       // with Compare: the row in the bill whose amount changed most; nil: none did
	Unpriced map[string]UnpricedMeter
	Unread   []Unread // with Options.CachedOnly: closed days that are not in the sums

	rows   *ranking
	days   map[int64][]DayFigures // of rows, by their number
	others map[int][]DayFigures   // of the rows beyond Top, by section
	o      Options
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

// Run sums a month. The report must be closed.
func Run(ctx context.Context, reader *usagelines.Reader, o Options) (*Report, error) {
	if o.First != 0 && o.Compare != 0 || (o.First == 0) != (o.Last == 0) || o.First > o.Last {
		return nil, fmt.Errorf("sum usage of %s to %s: no range, or one that is compared with a month", o.First, o.Last)
	}
	for {
		report, err := runOnce(ctx, reader, o)
		var damaged *usagesums.DamagedError
		if errors.As(err, &damaged) && o.Cache.Remove(damaged.Day) {
			continue // it is read again
		}
		return report, err
	}
}

func runOnce(ctx context.Context, reader *usagelines.Reader, o Options) (_ *Report, err error) {
	r := &run{o: o, report: &Report{Priced: o.Prices != nil, Unpriced: map[string]UnpricedMeter{}, o: o}, registrations: map[string]string{}}
	defer func() {
		err = errors.Join(err, r.close())
	}()
	if err := r.open(ctx, reader); err != nil {
		return nil, err
	}
	if r.report.rows, err = newRanking(o); err != nil {
		return nil, err
	}
	if err = r.sum(ctx); err == nil && o.PerDay {
		err = r.perDay(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, r.report.Close())
	}
	return r.report, nil
}

// Close removes the temporary files.
func (r *Report) Close() error { return r.rows.close() }

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

// by reports whether a dimension is one that is grouped by.
func (o Options) by(dimension string) bool { return slices.Contains(o.By, dimension) }

// byMeter reports whether each row is of one meter.
func (o Options) byMeter() bool { return o.Prices == nil || o.by(Meter) }

// byTag reports whether a tag is one of the dimensions.
func (o Options) byTag() bool {
	return slices.ContainsFunc(o.By, func(d string) bool { return strings.HasPrefix(d, tagPrefix) })
}
