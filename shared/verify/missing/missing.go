// Package missing finds the reported hours that a registration expects and that have not
// come, for verify.
package missing

import (
	"fmt"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/form"
	"stackusage/shared/verify/history"
)

// Span is what is looked at: reported hours of the days from From to To, 20191210, both
// included and empty for open, that are late as of Now.
type Span struct {
	From, To string
	Now      time.Time
}

// late is how long after its end a reported hour may come before it is missing.
const late = 6 * time.Hour

// Hours lists the reported hours of a stack that have not come by now, in ranges: those
// that an operator has recorded as never to come apart.
func Hours(r *evidence.Reader, cloudID string, span Span) (missing, accepted []evidence.Finding) {
	book := history.ReadBook(r, cloudID)
	first, last := span.of(book)
	if last < first {
		return nil, nil
	}
	come := map[form.Hour]bool{}
	for row, err := range r.Tables.Scan(r.Ctx, table.UsageHours, cloudID+"_"+first.Day(), cloudID+"_"+last.Day()+"~") {
		evidence.Must(err)
		// What only an end excluded is missing where its hour is expected again.
		if at, err := time.Parse("20060102_15", strings.TrimPrefix(row.Partition, cloudID+"_")+"_"+row.Key); err == nil && row.Props["excludedBy"] != "end" {
			come[form.HourOf(at)] = true
		}
	}
	never := map[form.Hour]bool{}
	for d := range r.List(table.Decisions, cloudID, "missing") {
		for h := form.HourOf(d.When("firstHour")); h <= form.HourOf(d.When("lastHour")); h++ {
			never[h] = true
		}
	}
	var days, nevers hourRanges
	for h := range expected(book, first, last) {
		switch {
		case come[h]:
		case never[h]:
			nevers.add(h)
		default:
			days.add(h)
		}
	}
	where := "UsageHours " + cloudID
	return days.findings(where, "missing"), nevers.findings(where, "missing, and an operator has recorded that they will never come")
}

// of is the first and the last reported hour to look for.
func (s Span) of(book history.Book) (first, last form.Hour) {
	var begins time.Time
	for _, e := range book["registration"] {
		if start := e.When("start"); begins.IsZero() || !start.IsZero() && start.Before(begins) {
			begins = start
		}
	}
	if begins.IsZero() {
		return 0, -1
	}
	first, last = form.HourOf(begins), form.HourOf(s.Now.Add(-late))-1
	if s.From != "" {
		first = max(first, form.HourOf(form.StartOf(s.From)))
	}
	if s.To != "" {
		last = min(last, form.HourOf(form.StartOf(s.To))+23)
	}
	return first, last
}

// expected goes through the hours that the registration expects. A day is asked for once,
// unless some entry begins or ends on it.
func expected(book history.Book, first, last form.Hour) func(yield func(form.Hour) bool) {
	special := map[string]bool{}
	for _, e := range book["registration"] {
		for _, column := range []string{"start", "end"} {
			special[form.HourOf(e.When(column)).Day()] = true
		}
	}
	return func(yield func(form.Hour) bool) {
		day, expects := "", false
		for h := first; h <= last; h++ {
			if day != h.Day() || special[day] {
				day, expects = h.Day(), book.Expects(h)
			}
			if expects && !yield(h) {
				return
			}
		}
	}
}

// hourRanges are ranges of hours, first and last.
type hourRanges [][2]form.Hour

func (r *hourRanges) add(h form.Hour) {
	if n := len(*r); n > 0 && (*r)[n-1][1] == h-1 {
		(*r)[n-1][1] = h
		return
	}
	*r = append(*r, [2]form.Hour{h, h})
}

func (r hourRanges) findings(where, what string) (all []evidence.Finding) {
	const shown = "2006-01-02T15:04Z"
	for _, hours := range r {
		first, last := hours[0].Start().Format(shown), hours[1].Start().Format(shown)
		if hours[0] == hours[1] {
			all = append(all, evidence.Finding{Where: where, What: "reported hour " + first + " is " + strings.Replace(what, "they", "it", 1)})
			continue
		}
		all = append(all, evidence.Finding{Where: where, What: fmt.Sprintf("%d reported hours are %s: %s to %s", hours[1]-hours[0]+1, what, first, last)})
	}
	return all
}
