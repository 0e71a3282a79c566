// Package explain answers why a line is billed as it is: it follows the line from the
// bill back to the rows that the stack reported, and adds everything up again on the
// way.
//
//	what the bill includes   outcome of each revision's record: receipts, DailyUsage
//	revisions of the day     daily files: what each added, and why
//	reported hours           partials: what each hour blob has of the line
//	rows                     hour blobs: line numbers and quantities
//
// Every file is read with its hash checked. What does not add up is listed in
// Report.Contradictions, never corrected. Nothing is written.
package explain

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/meter"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// ErrNothing means that there is no such line.
var ErrNothing = errors.New("no such line")

// Books are what is read.
type Books struct {
	Tables   table.Store
	App      content.Opener // the app's own files
	Hours    content.Opener // hour blobs: landing.Files
	Meters   *meter.Catalogue
	Settling time.Duration      // after the end of a day, its rows may be reported
	Progress func(doing string) // is told what is read; nil: nobody is
}

// Question selects lines of a usage day.
type Question struct {
	CloudID      string
	Day          usage.Day
	RecordID     string                // the line of this record; empty: any
	Resource     string                // resource URI in any case, or its last segment; empty: any
	Subscription string                // of the stack, in normal form; empty: any
	Meter        func(daily.Line) bool // nil: any
}

// MaxLines bounds how many lines one call explains.
const MaxLines = 1000

// MaxRows bounds how many rows of one reported hour are listed; the others are counted.
const MaxRows = 1000

// Report explains lines of one usage day.
type Report struct {
	CloudID string    `json:"cloudId"`
	Day     usage.Day `json:"usageDay"`
	Lines   []Line    `json:"lines"`
	Checked Checked   `json:"checked"`

	// Contradictions are what does not add up, or cannot be read as it was written.
	Contradictions []string `json:"contradictions"`
}

// Checked counts what was read, each with its hash.
type Checked struct {
	HourBlobs  int   `json:"hourBlobs"`
	Rows       int64 `json:"rows"`
	Partials   int   `json:"partials"`
	Removed    int   `json:"partialsRemoved"` // by storage: their hour blobs alone were read
	DailyFiles int   `json:"dailyFiles"`
	Receipts   int   `json:"receipts"`
	Rejected   int   `json:"rejectedFiles"`
}

// Line is one line of the bill and how it came about.
type Line struct {
	daily.Line
	MeterName string         `json:"meterName"`
	Unit      string         `json:"unit"`
	Billed    usage.Quantity `json:"billed"` // what the bill of this day includes, all revisions together
	Used      usage.Quantity `json:"used"`   // exact sum of the accepted rows, as of the last revision

	Revisions []Revision    `json:"revisions"`
	Carried   []CarriedFrom `json:"carriedIn,omitempty"` // sources of a line that was carried forward

	// Not billed, each with its reason.
	Pending      []Pending      `json:"pending,omitempty"`      // accepted since the last revision
	RejectedRows []RejectedRow  `json:"rejectedRows,omitempty"` // that name the resource and the meter
	Conflicts    []Conflict     `json:"conflicts,omitempty"`    // files with another quantity of it
	CarriedAway  usage.Quantity `json:"carriedAway,omitzero"`   // billed on other days instead
	Waived       usage.Quantity `json:"waived,omitzero"`        // an operator decided not to bill it
	Unreported   bool           `json:"unreported,omitempty"`   // usage reporting was off
}

// Revision is what one revision of the day did to the line.
type Revision struct {
	Number   int            `json:"revision"`
	ClosedAt time.Time      `json:"closedAt"`
	Hours    int            `json:"inputs"`                 // reported hours that the day is made of
	Missing  []usage.Hour   `json:"missingHours,omitempty"` // reported hours that were not there
	Reason   string         `json:"reason,omitempty"`       // of an operator's request
	By       string         `json:"by,omitempty"`
	Total    usage.Quantity `json:"total"`  // sum of the accepted rows
	Before   usage.Quantity `json:"before"` // what the bill included before it
	Changes  []Change       `json:"changes"`

	RecordID string         `json:"recordId,omitempty"` // of the record that was sent; empty: nothing changed
	Kind     string         `json:"kind,omitempty"`
	Corrects string         `json:"corrects,omitempty"`
	Sent     usage.Quantity `json:"sent,omitzero"`
	Outcome  string         `json:"outcome,omitempty"` // empty: commerce has not answered yet
	Code     string         `json:"outcomeCode,omitempty"`
	Message  string         `json:"outcomeMessage,omitempty"`
	Added    usage.Quantity `json:"added"` // what the bill includes of the record

	Waived    usage.Quantity `json:"waived,omitzero"`
	Carried   usage.Quantity `json:"carried,omitzero"`
	CarriedTo usage.Day      `json:"carriedTo,omitzero"`
	Reporting string         `json:"reporting,omitempty"`

	hours usage.HourSet // of the usage day, with usage of the line
}

// Change is a reported hour that a revision has more or less of than the one before.
type Change struct {
	ReportedHour usage.Hour     `json:"reportedHour"`
	Blob         string         `json:"hourBlob"`
	SHA16        string         `json:"sha16"`
	Quantity     usage.Quantity `json:"quantity"` // below zero: it was accepted before, and is not any more
	Rows         int64          `json:"rows"`
	Listed       []Row          `json:"listed,omitempty"`
	Why          string         `json:"why,omitempty"`      // of a file that replaced another, or was replaced or excluded
	Corrects     string         `json:"corrects,omitempty"` // of a corrected hour blob: the blob that landed
}

// Row is one row of an hour blob.
type Row struct {
	Number   int64          `json:"row"`
	Hour     usage.Hour     `json:"usageHour"`
	Quantity usage.Quantity `json:"quantity"`
}

// CarriedFrom is a revision of an earlier day that carried its difference forward.
type CarriedFrom struct {
	Day      usage.Day      `json:"usageDay"`
	Revision int            `json:"revision"`
	Quantity usage.Quantity `json:"quantity"`
	Reason   string         `json:"reason"`
}

// Pending is an hour blob that was accepted after the last revision.
type Pending struct {
	ReportedHour usage.Hour     `json:"reportedHour"`
	Blob         string         `json:"hourBlob"`
	Quantity     usage.Quantity `json:"quantity"`
}

// RejectedRow is a rejected row that names the line's resource.
type RejectedRow struct {
	ReportedHour usage.Hour `json:"reportedHour"`
	Blob         string     `json:"hourBlob"`
	SHA16        string     `json:"sha16"`
	Number       int64      `json:"row"`
	Code         string     `json:"code"`
	Reason       string     `json:"reason"`
	State        string     `json:"state"` // rejected, dismissed, redriven
	By           string     `json:"by,omitempty"`
	Why          string     `json:"why,omitempty"`
}

// Explain answers a question. ErrNothing says what was searched.
func (b Books) Explain(ctx context.Context, q Question) (*Report, error) {
	r := &run{Books: b, q: q, report: &Report{CloudID: q.CloudID, Day: q.Day, Contradictions: []string{}}, lines: map[daily.LineKey]*Line{}}
	err := r.revisions(ctx)
	if err == nil {
		err = r.inputs(ctx)
	}
	if err == nil {
		err = r.beside(ctx)
	}
	if err != nil {
		return nil, err
	}
	return r.finish(), nil
}

// run is one call of Explain.
type run struct {
	Books
	q      Question
	report *Report
	lines  map[daily.LineKey]*Line
	made   []made            // the revisions, in order
	hours  map[string]*input // that were read, by reported hour and hash
}

// made is a revision and what it is made of.
type made struct {
	daybook.Revision
	header  daily.DayHeader
	records map[string]bool // of the lines' resources
	waits   bool            // a batch has no receipt yet
}

func (r *run) contradiction(format string, args ...any) {
	r.report.Contradictions = append(r.report.Contradictions, fmt.Sprintf(format, args...))
}

func (r *run) tell(format string, args ...any) {
	if r.Progress != nil {
		r.Progress(fmt.Sprintf(format, args...))
	}
}

// selects reports whether the question is about a line.
func (q Question) selects(l daily.DayLine) bool {
	if q.RecordID != "" {
		return strings.Contains(string(l.Record), `"recordId":"`+q.RecordID+`"`)
	}
	return (q.Subscription == "" || usage.NormalGUID(l.SubscriptionID) == q.Subscription) &&
		(q.Resource == "" || named(l.ResourceURI, q.Resource)) && (q.Meter == nil || q.Meter(l.Line))
}

// named reports whether a resource URI is the one that a person wrote: whole, or its
// last segment.
func named(uri, text string) bool {
	uri, text = strings.ToLower(uri), strings.ToLower(text)
	return uri == text || !strings.Contains(text, "/") && strings.HasSuffix(uri, "/"+text)
}

// finish sorts the lines as the daily file has them, and adds up.
func (r *run) finish() *Report {
	keys := make([]daily.LineKey, 0, len(r.lines))
	for key := range r.lines {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, daily.LineKey.Compare)
	for _, key := range keys {
		l := r.lines[key]
		last := l.Revisions[len(l.Revisions)-1]
		l.Used, l.Waived = last.Total, last.Waived
		for _, rev := range l.Revisions {
			l.Billed, l.CarriedAway = l.Billed.Add(rev.Added), l.CarriedAway.Add(rev.Carried)
		}
		l.Unreported = last.Reporting == daily.ReportingOff && last.RecordID == ""
		if m, ok := r.Meters.Find(l.MeterID); ok {
			l.MeterName, l.Unit = m.Name, m.Unit
		}
		r.report.Lines = append(r.report.Lines, *l)
	}
	return r.report
}
