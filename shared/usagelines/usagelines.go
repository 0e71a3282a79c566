// Package usagelines reads the lines of closed usage days, and what became of each:
// what of it stands in the bill, what waits for commerce, what was carried, declined,
// waived, or never reported.
//
//	UsageDays -> last revision of a day -> daily file -> lines
//	                                       receipts   -> what commerce accepted of their records
//	          -> its revisions that carry -> what of each line another day bills
//	                                       settlement -> tenants
//
// It only reads, streams, and holds a few lines of each open file, one receipt and one
// settlement at a time. Every file's SHA-256 is compared with the one in its row.
// Sums of what a sequence yields are valid only if it ended without an error: a hash
// is known at the end of its file.
package usagelines

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/meter"
	"stackusage/shared/outbox"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Reader reads tables and blobs of the function app.
type Reader struct {
	Tables table.Store
	Blobs  content.Opener   // daily files, receipts, settlements, batches, catalogues
	Meters *meter.Catalogue // for days that nothing is settled of
}

// Day is a closed usage day by its last revision.
type Day struct {
	CloudID    string
	Day        usage.Day              // that is billed
	Revision   daybook.Revision       // the last one
	Settlement *settlement.Settlement // tenants and parts; nil: the day was only ever closed with reporting off
	Meters     *meter.Catalogue       // names and units that the day is settled by

	reader  *Reader
	from    map[usage.Day]carrier // days that usage was carried from, as far as they were read
	carried []daybook.Revision    // earlier revisions and the last one, of which another day bills the differences
	batches map[int]outbox.Batch  // of the last revision by number, once they are listed
	settled bool                  // Settlement and Meters are read
}

// carrier is a day that usage was carried from.
type carrier struct {
	settlement *settlement.Settlement // nil: nothing is settled of the day
	sha256     string                 // of the settlement
}

// Outcome is what is known of a line's record in the last revision.
type Outcome struct {
	RecordID string
	Status   string // an outcome of package outcome; empty: commerce has none yet
	Code     string // of commerce; may be empty
	Message  string // of commerce; may be empty
}

// Line is a line of the last revision of a usage day. Quantities are in the unit of
// the meter, exact, and may be below zero in a line that was carried into the day.
//
//	Total = Billed + Pending + Declined + Waived + CarriedAway + Unreported
//
// Of these only Billed is in the bill of Day, and at the price of that day, also where
// CarriedFrom names another day as the day of the usage. Lines whose key, billing
// subscription, class, meter or model changed between revisions have Total 0 and, once
// commerce has accepted the reversal, Billed 0.
type Line struct {
	daily.DayLine
	Day     *Day
	Number  int64    // of the line in the daily file, from 1: the header is line 0
	Tenant  string   // directory tenant as settled with the day of the usage, lower case with dashes; empty: none is known
	Outcome *Outcome // of DayLine.Record; nil: the last revision has no record of the line

	Billed      usage.Quantity // commerce has accepted it, over all revisions
	Pending     usage.Quantity // of the last record while it has no outcome
	Declined    usage.Quantity // of the last record, and not waived: the next revision bills it again
	Waived      usage.Quantity // an operator decided not to bill it
	CarriedAway usage.Quantity // another day bills it, as a line with CarriedFrom
	Unreported  usage.Quantity // usage reporting was off: it is counted, and billed nowhere
}

// UsedOn is the day of the usage: the billed day, or the one it was carried from.
func (l *Line) UsedOn() usage.Day {
	if l.CarriedFrom != 0 {
		return l.CarriedFrom
	}
	return l.Day.Day
}

// Meter is the line's meter by the catalogue that the day is settled by. An unknown one
// has no name, no unit, and class meter.Unknown.
func (l *Line) Meter() meter.Meter {
	if m, known := l.Day.Meters.Find(l.MeterID); known {
		return m
	}
	return meter.Meter{ID: usage.DashedGUID(l.MeterID), Class: meter.Unknown}
}

// Infrastructure reports whether the line is usage of the stack's own subscriptions,
// which is of no tenant and free.
func (l *Line) Infrastructure() bool { return l.MeterClass == meter.Admin }

// Query says which lines Reader.Lines goes through.
type Query struct {
	CloudID     string
	First, Last usage.Day
	ByUsageDay  bool // those of usage of these days, whichever day bills it; false: those that these days bill
}

// has reports whether a line is one of those that are asked for.
func (q Query) has(l *Line) bool {
	return !q.ByUsageDay || l.UsedOn() >= q.First && l.UsedOn() <= q.Last
}

// Lines goes through lines of closed usage days, in order of the billed day and of the
// key of the line. A line is valid until the next one is asked for. By usage day, what
// was carried from a day is there as the lines with CarriedFrom that later days bill.
func (r *Reader) Lines(ctx context.Context, q Query) iter.Seq2[*Line, error] {
	return func(yield func(*Line, error) bool) {
		into, err := r.carriedInto(ctx, q)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, span := range append([][2]usage.Day{{q.First, q.Last}}, into...) {
			for day, err := range r.Days(ctx, q.CloudID, span[0], span[1]) {
				if err != nil {
					yield(nil, err)
					return
				}
				for l, err := range day.Lines(ctx) {
					if err == nil && !q.has(l) {
						continue
					}
					if !yield(l, err) || err != nil {
						return
					}
				}
			}
		}
	}
}

// carriedInto lists the days after the last one that bill usage of the days that are
// asked for, where that is asked for. Usage is carried to later days only.
func (r *Reader) carriedInto(ctx context.Context, q Query) (into [][2]usage.Day, err error) {
	if !q.ByUsageDay {
		return nil, nil
	}
	targets := map[usage.Day]bool{}
	for st, err := range daybook.Entries(ctx, r.Tables, q.CloudID, q.First, 0) {
		if err != nil {
			return nil, err
		}
		if st.Carried == 0 || st.Day > q.Last && !targets[st.Day] {
			continue
		}
		to, err := usage.ParseDay(st.CarriedTo)
		if err != nil {
			return nil, fmt.Errorf("revision %d of day %s of %s: column carriedTo: %w", st.Number, st.Day, st.CloudID, err)
		}
		targets[to] = true
	}
	for _, day := range slices.Sorted(maps.Keys(targets)) {
		if day > q.Last {
			into = append(into, [2]usage.Day{day, day})
		}
	}
	return into, nil
}

// Days goes through the closed usage days of a registration from first to last, in
// order; 0 leaves an end open. Days that were never closed are left out: Coverage has them.
func (r *Reader) Days(ctx context.Context, cloudID string, first, last usage.Day) iter.Seq2[*Day, error] {
	return func(yield func(*Day, error) bool) {
		catalogues := map[string]*meter.Catalogue{}
		for day, err := range r.heads(ctx, cloudID, first, last) {
			if err == nil {
				err = day.settle(ctx, catalogues)
			}
			if !yield(day, err) || err != nil {
				return
			}
		}
	}
}

// Closed lists the days that have the lines that are asked for, and perhaps others. Their
// Settlement and Meters are read with their lines.
func (r *Reader) Closed(ctx context.Context, q Query) (days []*Day, err error) {
	into, err := r.carriedInto(ctx, q)
	if err != nil {
		return nil, err
	}
	for _, span := range append([][2]usage.Day{{q.First, q.Last}}, into...) {
		for day, err := range r.heads(ctx, q.CloudID, span[0], span[1]) {
			if err != nil {
				return nil, err
			}
			days = append(days, day)
		}
	}
	return days, nil
}

// heads goes through days of which UsageDays alone is read.
func (r *Reader) heads(ctx context.Context, cloudID string, first, last usage.Day) iter.Seq2[*Day, error] {
	return func(yield func(*Day, error) bool) {
		var day *Day
		for st, err := range daybook.Entries(ctx, r.Tables, cloudID, first, last) {
			if err != nil {
				yield(nil, err)
				return
			}
			if day == nil || day.Day != st.Day {
				if day != nil && !yield(day, nil) {
					return
				}
				day = &Day{CloudID: cloudID, Day: st.Day, reader: r, from: map[usage.Day]carrier{}}
			}
			day.Revision = st.Revision
			if st.Carried > 0 {
				day.carried = append(day.carried, st.Revision)
			}
		}
		if day != nil {
			yield(day, nil)
		}
	}
}

// settle reads what the day was settled by.
func (d *Day) settle(ctx context.Context, catalogues map[string]*meter.Catalogue) (err error) {
	if d.settled {
		return nil
	}
	r := d.reader
	if d.Settlement, err = daybook.ReadSettlement(ctx, r.Blobs, d.Revision); err != nil {
		return err
	}
	d.Meters, d.settled = r.Meters, true
	sum := d.catalogue()
	if sum == r.Meters.SHA256() {
		return nil
	}
	if catalogues[sum] == nil {
		if catalogues[sum], err = readCatalogue(ctx, r.Blobs, sum); err != nil {
			return err
		}
	}
	d.Meters = catalogues[sum]
	return nil
}

// catalogue is the hash of the one that the day is settled by.
func (d *Day) catalogue() string { return cmp.Or(d.Revision.Catalogue, d.reader.Meters.SHA256()) }

const maxCatalogue = 64 << 20

func readCatalogue(ctx context.Context, blobs content.Opener, sum string) (*meter.Catalogue, error) {
	text, err := content.Blob{Container: table.ContainerDaily, Name: "catalogue/" + sum + ".csv", SHA256: sum, NamedIn: table.UsageDays}.Bytes(ctx, blobs, maxCatalogue)
	if err != nil {
		return nil, err
	}
	return meter.Parse(text)
}

// Lines goes through the lines of the day's last revision, once each call, in order of
// key. A line is valid until the next one is asked for.
func (d *Day) Lines(ctx context.Context) iter.Seq2[*Line, error] {
	return func(yield func(*Line, error) bool) {
		err := d.lines(ctx, func(l *Line) bool { return yield(l, nil) })
		if err != nil {
			yield(nil, fmt.Errorf("read the lines of usage day %s of %s: %w", d.Day, d.CloudID, err))
		}
	}
}
