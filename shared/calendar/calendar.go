// Package calendar compares the reported hours that a registration expects with those
// that have landed.
//
//	Read     the whole registration: gaps, silence, and what an operator has accepted
//	Between  the missing hours of a few days
//	Silence  the missing hours since the last one that came
//	Accept   records that some hours will never come
//
// An hour has come if a file of it is accepted, or an operator has excluded it. It is
// missing from Late after its end on; where hours are delivered by hand, from the next
// delivery on, or when a later one has come. A file that comes later is accepted like any
// other, whatever was recorded about its hour.
package calendar

import (
	"fmt"
	"iter"
	"time"

	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Late is how long after its end a reported hour may come before it is missing: the
// agent collects it an hour after its end, and tries again for some hours.
const Late = 6 * time.Hour

// Range is one reported hour, or several in a row.
type Range struct {
	First usage.Hour `json:"first"`
	Last  usage.Hour `json:"last"`
}

// Hours is how many hours are in the range.
func (r Range) Hours() int { return int(r.Last-r.First) + 1 }

// String is the range as people read it.
func (r Range) String() string {
	if r.First == r.Last {
		return r.First.String()
	}
	return fmt.Sprintf("%s to %s", r.First, r.Last)
}

// Total is how many hours are in some ranges.
func Total(ranges []Range) (hours int) {
	for _, r := range ranges {
		hours += r.Hours()
	}
	return hours
}

// add puts an hour after the ranges before it.
func add(ranges []Range, h usage.Hour) []Range {
	if n := len(ranges); n > 0 && ranges[n-1].Last == h-1 {
		ranges[n-1].Last = h
		return ranges
	}
	return append(ranges, Range{h, h})
}

// Within reports whether an hour is in some range.
func Within(ranges []Range, h usage.Hour) bool {
	for _, r := range ranges {
		if r.First <= h && h <= r.Last {
			return true
		}
	}
	return false
}

// due is the last reported hour that has to be there by now. Hours that are delivered by
// hand may wait for the next delivery, but for those before newest, the newest that came.
func due(history registration.History, newest usage.Hour, now time.Time) usage.Hour {
	days := history.DeliveredEvery(now)
	if days == 0 {
		return uploaded(now)
	}
	return max(usage.HourOf(now.Add(-Late-days))-1, min(newest, uploaded(now)))
}

// uploaded is the last reported hour that an agent has uploaded by now.
func uploaded(now time.Time) usage.Hour { return usage.HourOf(now.Add(-Late)) - 1 }

// CameLate reports whether a file landed when its hour was missing already. Where hours
// are delivered by hand, one that the next delivery has is not late.
func CameLate(history registration.History, h usage.Hour, landed time.Time) bool {
	return landed.After(h.End().Add(Late + history.DeliveredEvery(h.End())))
}

// expected goes through the hours from first to last that the registration expects.
func expected(history registration.History, first, last usage.Hour) iter.Seq[usage.Hour] {
	expects := history.Calendar()
	return func(yield func(usage.Hour) bool) {
		for h := first; h <= last; h++ {
			if expects(h.Start()) && !yield(h) {
				return
			}
		}
	}
}

// Silence is the hours after the last one that came that are missing, and that are not
// accepted as missing; nil where the stack is not silent. last is nil if none ever came.
func Silence(history registration.History, last *usage.Hour, accepted []Range, now time.Time) *Range {
	begins := history.Begins()
	if begins.IsZero() {
		return nil
	}
	first, newest := usage.HourOf(begins), usage.Hour(0)
	if last != nil {
		first, newest = max(first, *last+1), *last
	}
	var silent *Range
	for h := range expected(history, first, min(usage.HourOf(now), due(history, newest, now))) {
		if Within(accepted, h) {
			continue
		}
		if silent == nil {
			silent = &Range{h, h}
		}
		silent.Last = h
	}
	return silent
}
