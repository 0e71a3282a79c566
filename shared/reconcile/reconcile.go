// Package reconcile says why the stack's own numbers and the bill differ.
//
// The stack's usage API is asked by the hour in which it took a row in, the
// reported hour; the bill counts a row on the day of its usage. So what was used
// before midnight and reported after it stands on one day here and on the other
// there, and neither is wrong. For each meter and usage day:
//
//	what the stack says of the day           rows reported in its 24 hours
//	- used before, reported in it            by hours of delay
//	+ used in it, reported later             by hours of delay
//	- rejected rows, + those sent again
//	- not closed yet, not forwarded, refused by commerce, carried to another day ...
//	= what the bill says of the day
//
// Every cause is measured by itself, from the rows that landed, the daily files
// and commerce's answers, in exact decimals. What they do not add up to is
// unexplained, and never hidden in one of them.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"stackusage/shared/calendar"
	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/meter"
	"stackusage/shared/reconcile/details"
	"stackusage/shared/reconcile/saved"
	"stackusage/shared/reconcile/unfinished"
	"stackusage/shared/registration"
	"stackusage/shared/settlement"
	"stackusage/shared/status"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Options say what to reconcile.
type Options struct {
	CloudID      string    // of the registration
	From, To     usage.Day // first and last day, both included
	MeterID      string    // the stack's, in normal form; empty: all
	Subscription string    // the stack's, in normal form; empty: all

	// Stack is a folder of saved answers of the stack's usage API, one file
	// YYYY-MM-DDTHH.json for each reported hour. Nil: the stack's numbers are
	// those of the rows that landed.
	Stack fs.FS
	// Bill opens a usage details file; it is read twice. Nil: the bill is what
	// commerce accepted, by table DailyUsage, and nothing has an amount.
	Bill func() (io.ReadCloser, error)

	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Hours, Of int   // hour blobs read, of those to be read
	Rows      int64 // of the usage API
	Days      int   // usage days looked at
	Bill      int64 // rows read of the usage details file
}

// Files is where the contents are that the tables speak of.
type Files struct {
	Landing content.Opener // hour blobs
	App     content.Opener // daily files, outbox, receipts, quarantine, corrected blobs
}

// Sources are where a run reads: tables and blobs. It only reads.
type Sources struct {
	Tables table.Store
	Files  Files
	Meters *meter.Catalogue

	Registrations registration.Store // which hours are expected; nil: what is unfinished is not looked for
}

// Run reconciles. It may run while the app works: where something is left
// unexplained, all that may have moved is read again. Memory grows with days, hours
// and meters, not with rows.
func (s Sources) Run(ctx context.Context, o Options) (Report, error) {
	report, err := s.run(ctx, o)
	if err != nil {
		return Report{}, fmt.Errorf("reconcile: %w", err)
	}
	return report, nil
}

func (s Sources) run(ctx context.Context, o Options) (Report, error) {
	r := &run{Sources: s, o: o, blobs: map[hourlog.ID]*blobSums{}, own: map[string]bool{}, known: map[string]bool{}}
	// A file that cannot be read is found before hours are spent on rows.
	if o.Bill != nil {
		if err := r.eachBillRow(func(details.Statement) error { return nil }, func(details.Row) error { return nil }); err != nil {
			return Report{}, err
		}
	}
	if o.Stack != nil {
		if err := saved.Check(o.Stack, o.From, o.To); err != nil {
			return Report{}, err
		}
	}
	for look := 1; ; look++ {
		report, err := r.once(ctx)
		if err != nil || report.Unexplained == 0 || look == looks {
			return report, err
		}
	}
}

// looks is how often the tables are read until everything is explained: the app
// may state a day while it is looked at.
const looks = 3

// run is one run. What is read of a blob is kept: blobs do not change.
type run struct {
	Sources
	o        Options
	blobs    map[hourlog.ID]*blobSums
	own      map[string]bool // subscriptions of which usage is the stack's own, in normal form
	known    map[string]bool // all of the stack's, in normal form; only for a bill
	progress Progress

	// Of this look at the tables.
	books    books
	terms    map[usage.Day][]daily.Terms // what the days are charged by, where they are settled
	counting map[usage.Hour]hourlog.ID   // the file that counts, of the reported hours of the days
	hours    []HourNote
	notes    []string
}

func (r *run) once(ctx context.Context) (Report, error) {
	r.books, r.counting, r.hours, r.notes = books{}, map[usage.Hour]hourlog.ID{}, nil, nil
	r.progress = Progress{}
	if err := r.readSettled(ctx); err != nil {
		return Report{}, err
	}
	if err := r.readHours(ctx); err != nil {
		return Report{}, err
	}
	if r.o.Stack != nil {
		if err := r.readFolder(); err != nil {
			return Report{}, err
		}
	}
	days := map[usage.Day]*dayState{}
	for day := r.o.From; day <= r.o.To; day = day.Next() {
		var err error
		if days[day], err = r.readDay(ctx, day); err != nil {
			return Report{}, fmt.Errorf("usage day %s: %w", day, err)
		}
		r.progress.Days++
		r.tell()
	}
	var rates *details.Rates
	if r.o.Bill != nil {
		var err error
		if rates, err = r.readBill(days); err != nil {
			return Report{}, err
		}
	}
	left := unfinished.Usage{MissingHours: []calendar.Range{}}
	var err error
	if r.Registrations != nil {
		left, err = unfinished.Of(ctx, r.Tables, r.Registrations, r.o.CloudID, r.o.From, r.o.To)
	}
	if errors.Is(err, status.ErrCut) {
		r.note("there are more rejected rows than are counted here")
		err = nil
	}
	report := r.report(rates)
	report.Unfinished = left
	return report, err
}

// readSettled reads what the days are charged by.
func (r *run) readSettled(ctx context.Context) error {
	r.terms = map[usage.Day][]daily.Terms{}
	for day := r.o.From; day <= r.o.To; day = day.Next() {
		last, err := daybook.LastRevision(ctx, r.Tables, r.o.CloudID, day)
		if err != nil || last == nil {
			if err != nil {
				return fmt.Errorf("usage day %s: %w", day, err)
			}
			continue
		}
		settled, err := daybook.ReadSettlement(ctx, r.Files.App, *last)
		if err != nil {
			return fmt.Errorf("usage day %s: %w", day, err)
		}
		if settled != nil {
			r.terms[day] = settlement.TermsOf(settled.Parts)
		}
	}
	return nil
}

// free reports whether usage in an hour is the stack's own: by what its day is
// charged by or, where nothing is settled yet, by the header's list.
func (r *run) free(subscription string, used usage.Hour, header map[string]bool) bool {
	free := header[subscription]
	for _, t := range r.terms[used.Day()] {
		if free = t.Infrastructure[subscription]; t.Until.IsZero() || used.Start().Before(t.Until) {
			break
		}
	}
	if free {
		r.own[subscription] = true
	}
	return free
}

func (r *run) tell() {
	if r.o.Progress != nil {
		r.o.Progress(r.progress)
	}
}

// note adds a sentence that is true of the whole report.
func (r *run) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// wants reports whether the options ask for a meter of a subscription, both in
// normal form.
func (r *run) wants(meterID, subscription string) bool {
	return (r.o.MeterID == "" || r.o.MeterID == meterID) && (r.o.Subscription == "" || r.o.Subscription == subscription)
}

// within reports whether a day is one of those asked for.
func (r *run) within(day usage.Day) bool { return day >= r.o.From && day <= r.o.To }

// maxSubscriptions bounds what is kept to tell the rows of this stack in a bill.
const maxSubscriptions = 1_000_000

// know remembers a subscription of the stack, by its id in normal form.
func (r *run) know(id string) error {
	if r.o.Bill == nil || r.known[id] {
		return nil
	}
	if len(r.known) == maxSubscriptions {
		return fmt.Errorf("more than %d subscriptions: leave --bill out", maxSubscriptions)
	}
	r.known[id] = true
	return nil
}
