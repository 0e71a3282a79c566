// Package verify is an auditor: it derives the bill again from the rows that
// landed and compares each step with what the app stored.
//
//	hour blobs, Registrations   -> verdicts in UsageHours, rejected rows in Quarantine, DayInputs
//	headers of counted hours    -> the settlement: who pays, what is free
//	rows, settlement, catalogue -> lines of the daily file: billing subscription, class, meter, exact quantity
//	lines, revision before      -> records, byte for byte in the outbox
//	receipts                    -> UsageBatches, each column of DailyUsage, what the next revision begins with
//	accepted + carried + waived  = total of the last revision, or the day is open
//
// It shares no code with the pipeline but access to tables and their names: a
// rule that is wrong in one place is not wrong in both (decision 0018). It needs
// neither the partials, which lifecycle removes, nor the program's own catalogue.
package verify

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/missing"
)

// Stores is what is read, Blobs a part of it, and Finding what is found.
type (
	Stores  = evidence.Stores
	Blobs   = evidence.Blobs
	Finding = evidence.Finding
)

// Options say what to look at, and the settings of the app that days are checked by.
type Options struct {
	CloudID       string // of one registration; empty: all
	From, To      string // first and last day, 20191210, of reported hours and of usage; empty: open
	SettlingHours int
	CloseDelay    time.Duration
	SweepGrace    time.Duration
	Now           time.Time
	Limit         int       // how many differences to list; 0: 100
	TempDir       string    // for what does not fit in memory; empty: the system's
	Each          func(Day) // called after each day, the newest first; nil: nobody
}

// Counts say how much was looked at.
type Counts struct {
	Hours     int64 `json:"hours"`     // reported hours that count
	Files     int64 `json:"files"`     // hour blobs, whatever their verdict
	Rows      int64 `json:"rows"`      // of the usage API, in the hours that count
	Rejected  int64 `json:"rejected"`  // of these rows: in quarantine, in no bill
	Days      int64 `json:"days"`      // usage days
	Revisions int64 `json:"revisions"` // of those days
	Records   int64 `json:"records"`   // daily records of all revisions
	Answers   int64 `json:"outcomes"`  // final outcomes by commerce
	Refused   int64 `json:"declined"`  // outcomes by which the record does not stand as it was sent
	Unsettled int64 `json:"unsettled"` // records without a final outcome yet
}

// Day is what was found of one day of one registration: of the hours that were
// reported on it, and of what was used on it.
type Day struct {
	CloudID string `json:"cloudId"`
	Day     string `json:"day"` // 2019-12-10
	Counts
	Differences []Finding `json:"differences,omitempty"`
	Open        []Finding `json:"open,omitempty"`       // what waits for an operator
	Unfinished  []Finding `json:"unfinished,omitempty"` // rejected rows that wait for a decision
}

// Report is the total.
type Report struct {
	Counts
	Differences []Finding `json:"differences"`
	Open        []Finding `json:"open"`
	Unfinished  []Finding `json:"unfinished"`      // missing hours, and rejected rows that wait for a decision: no differences
	Accepted    []Finding `json:"acceptedMissing"` // missing hours that will never come, as an operator has recorded
	Cut         bool      `json:"cut,omitempty"`   // there were more than the limit: the rest was not looked at
}

// Agrees reports whether all was looked at, nothing differs, and nothing waits for
// an operator.
func (r Report) Agrees() bool { return len(r.Differences)+len(r.Open) == 0 && !r.Cut }

// Finished reports whether all hours have come and all rejected rows are decided, as far
// as they ever will.
func (r Report) Finished() bool { return len(r.Unfinished) == 0 }

// Run looks at every day, the newest first. It only reads, and its memory does
// not grow with a day or a file. It may run while the app works: what is read
// first is what is written last, and a day that differs is looked at a second time
// before it is reported. The error is a failure of storage.
func Run(ctx context.Context, stores Stores, o Options) (report Report, err error) {
	report = Report{Differences: []Finding{}, Open: []Finding{}, Unfinished: []Finding{}, Accepted: []Finding{}}
	o.Limit = cmp.Or(o.Limit, 100)
	a := &auditor{Reader: evidence.Reader{Stores: stores, Ctx: ctx}, o: o}
	defer func() {
		thrown := recover()
		if f, is := thrown.(evidence.Failure); is {
			err = fmt.Errorf("verify: %w", f.Err)
		} else if thrown != nil {
			panic(thrown)
		}
	}()
	for _, cloudID := range a.stacks() {
		missing, accepted := missing.Hours(&a.Reader, cloudID, missing.Span{From: o.From, To: o.To, Now: o.Now})
		report.Unfinished, report.Accepted = append(report.Unfinished, missing...), append(report.Accepted, accepted...)
	}
	registrations := map[string]bool{}
	for _, d := range a.days() {
		if !registrations[d.cloudID] {
			registrations[d.cloudID] = true
			report.Open = append(report.Open, a.unconfirmed(d.cloudID)...)
		}
		day := a.look(d)
		if len(day.Differences)+len(day.Open) > 0 {
			day = a.look(d)
		}
		report.Counts.add(day.Counts)
		report.Differences, report.Open = append(report.Differences, day.Differences...), append(report.Open, day.Open...)
		report.Unfinished = append(report.Unfinished, day.Unfinished...)
		if o.Each != nil {
			o.Each(day)
		}
		if report.Cut = len(report.Differences) > o.Limit; report.Cut {
			report.Differences = report.Differences[:o.Limit]
			break
		}
	}
	return report, nil
}

func (c *Counts) add(d Counts) {
	c.Hours, c.Files, c.Rows, c.Rejected = c.Hours+d.Hours, c.Files+d.Files, c.Rows+d.Rows, c.Rejected+d.Rejected
	c.Days, c.Revisions, c.Records = c.Days+d.Days, c.Revisions+d.Revisions, c.Records+d.Records
	c.Answers, c.Refused, c.Unsettled = c.Answers+d.Answers, c.Refused+d.Refused, c.Unsettled+d.Unsettled
}

// auditor is one run.
type auditor struct {
	evidence.Reader
	o          Options
	containers []string // of hour blobs
}

// dayID is a day of one registration.
type dayID struct{ cloudID, day string }

func (d dayID) partition() string { return d.cloudID + "_" + d.day }

// stacks are the registered stacks that the options name.
func (a *auditor) stacks() []string {
	found := map[string]bool{}
	for r := range a.List(table.Registrations, a.o.CloudID, "") {
		if strings.HasPrefix(r.Key, "registration_") {
			found[r.Partition] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// days lists every day that a table or a container of hour blobs knows, the
// newest first.
func (a *auditor) days() []dayID {
	found := map[dayID]bool{}
	note := func(cloudID, day string) {
		_, err := time.Parse("20060102", day)
		if err == nil && (a.o.CloudID == "" || a.o.CloudID == cloudID) && day >= a.o.From && (a.o.To == "" || day <= a.o.To) {
			found[dayID{cloudID, day}] = true
		}
	}
	for _, name := range []string{table.UsageHours, table.DayInputs, table.UsageBatches, table.DailyUsage, table.Quarantine} {
		for from, more := "", true; more; { // one row of each partition
			more = false
			for row, err := range a.Tables.Scan(a.Ctx, name, from, "") {
				evidence.Must(err)
				cloudID, day, _ := strings.Cut(row.Partition, "_")
				note(cloudID, day)
				from, more = row.Partition+"!", true
				break
			}
		}
	}
	for _, name := range []string{table.UsageDays, table.OpenDays} {
		for row := range a.List(name, "", "") {
			day, _, _ := strings.Cut(row.Key, "_")
			note(row.Partition, day)
		}
	}
	var err error
	a.containers, err = a.Landing.Containers(a.Ctx, "landing-"+a.o.CloudID)
	evidence.Must(err)
	for _, container := range a.containers {
		evidence.Must(a.Landing.ListPrefix(a.Ctx, container, "", func(name string, _ time.Time) error {
			if m := hourBlobName.FindStringSubmatch(name); m != nil {
				note(strings.TrimPrefix(container, "landing-"), m[1]+m[2]+m[3])
			}
			return nil
		}))
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b dayID) int {
		return cmp.Or(cmp.Compare(b.day, a.day), cmp.Compare(a.cloudID, b.cloudID))
	})
}
