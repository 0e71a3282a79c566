package registration

import (
	"maps"
	"slices"
	"time"
)

// Affected reports whether what decides who pays for a usage day and what of it
// is free is another now than it was after so many changes.
func (b History) Affected(usageDay string, since int) bool {
	return since < b.Version && b.differs(b.At(since), usageDay)
}

// Cause is what was said with the last change after so many that makes the
// difference for a usage day which Affected reports.
func (b History) Cause(usageDay string, since int) (why Note) {
	for n := b.Version; n > since; n-- {
		if b.At(n).differs(b.At(n-1), usageDay) {
			return b.said(n)
		}
	}
	return b.said(b.Version)
}

// said is what was said with a change.
func (b History) said(change int) (why Note) {
	for _, n := range b.notes() {
		if n.Change == change {
			why = n
		}
	}
	return why
}

// Changed is when the last change was recorded; the zero time if none was.
func (b History) Changed() (last time.Time) {
	for _, n := range b.notes() {
		if n.At.After(last) {
			last = n.At
		}
	}
	return last
}

func (b History) notes() (notes []Note) {
	for _, r := range b.Registrations {
		notes = append(notes, r.Note)
	}
	for _, m := range b.Tenants {
		notes = append(notes, m.Note)
	}
	for _, e := range b.Infrastructure {
		notes = append(notes, e.Note)
	}
	return notes
}

// differs reports whether two histories charge a usage day differently.
func (b History) differs(other History, usageDay string) bool {
	ours, err := b.Parts(usageDay)
	theirs, otherErr := other.Parts(usageDay)
	if (err == nil) != (otherErr == nil) || !slices.EqualFunc(ours, theirs, samePart) {
		return true
	}
	// A whole day with reporting off has charged nobody, and Sweep asks for it once
	// reporting is on. A part with reporting off lies in a day that was reported.
	return len(ours) > 1 && !slices.EqualFunc(ours, theirs, func(a, b Part) bool { return a.ReportingOff == b.ReportingOff })
}

func samePart(a, b Part) bool {
	return a.Until.Equal(b.Until) && a.SubscriptionID == b.SubscriptionID && a.BillingModel == b.BillingModel &&
		maps.Equal(a.Tenants, b.Tenants) && a.InfrastructureKnown == b.InfrastructureKnown && slices.Equal(a.Infrastructure, b.Infrastructure)
}

// ClosedDay is a usage day that was closed with reporting on: somebody may have
// paid for it.
type ClosedDay struct {
	Day    string      // 20191210
	Change int         // the number of the change by which it was settled; below 0: it was settled by no registration
	Hours  []time.Time // reported hours that count for it
}

// Reached reports whether a change reaches the day: it is to be charged
// differently from how it was settled, or an hour of it does not count any more.
func (d ClosedDay) Reached(before, after History, grace time.Duration) bool {
	if after.differs(before, d.Day) && (d.Change < 0 || after.Affected(d.Day, d.Change)) {
		return true
	}
	return slices.ContainsFunc(d.Hours, func(hour time.Time) bool { return before.Accepts(hour, grace) && !after.Accepts(hour, grace) })
}
