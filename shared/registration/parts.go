package registration

import (
	"slices"
	"time"

	"stackusage/shared/usage"
)

// Part is the time of a usage day that belongs to one registration: its usage
// hours before Until that are of no earlier part.
type Part struct {
	Until time.Time // a full hour; zero in the last part: to the end of the day
	Effective
}

// Parts says whom the usage hours of a day belong to, in order of time. Normally
// it is one part. Where a registration ended inside the day and another one
// follows, the usage hours before the end belong to the one that ended,
// whenever they are reported, and those from the end on to the next. Usage from
// before the first registration belongs to the first, and usage from after the
// last end to the last. ErrUnknown if there is no registration.
func (b History) Parts(usageDay string) (parts []Part, err error) {
	from := DayTime(usageDay)
	to := from.AddDate(0, 0, 1)
	spans := b.spans()
	for i, s := range spans {
		last := i+1 == len(spans)
		if !last && !s.end.After(from) {
			continue
		}
		r, err := On(s.entries, usageDay)
		if err != nil {
			return nil, err
		}
		p := Part{Effective: b.holding(r, usageDay)}
		if !last && s.end.Before(to) {
			p.Until = s.end
		}
		if parts = append(parts, p); p.Until.IsZero() {
			return parts, nil
		}
	}
	return nil, ErrUnknown
}

// Reporting is the first part of a usage day in which usage reporting is on; nil if it
// is off in each of them.
func (b History) Reporting(usageDay string) (*Part, error) {
	parts, err := b.Parts(usageDay)
	for i := range parts {
		if !parts[i].ReportingOff {
			return &parts[i], err
		}
	}
	return nil, err
}

// holding is what holds on a usage day under one entry of the history.
func (b History) holding(r Registration, usageDay string) Effective {
	t := b.tenure(r)
	h := Effective{Registration: r, FirstDay: t.first.EffectiveDay}
	if mappable(r) {
		h.Tenants = b.mapped(usageDay, t)
	}
	if e, known := b.infrastructure(usageDay, t); known {
		h.Infrastructure, h.InfrastructureKnown = e.Subscriptions, true
		h.InfrastructureConfirmed, h.InfrastructureAgainst = e.Confirmed, e.Against
	}
	return h
}

func mappable(r Registration) bool {
	return r.SubscriptionKind == CSP && r.BillingModel == PayAsYouUse
}

// span is one stay of the registration: from an entry that begins it to its end.
type span struct {
	entries []Registration // of each day the last one, in order
	end     time.Time      // zero: none so far
}

// spans divides the history at the ends that another entry follows. An entry
// that begins before the end of the one before it takes that end back, moves it,
// or repeats it for a later day.
func (b History) spans() (spans []span) {
	var held []Registration
	for _, r := range slices.SortedFunc(slices.Values(b.Registrations), Registration.compare) {
		for n := len(held); n > 0 && held[n-1].EffectiveDay == r.EffectiveDay && !r.follows(held[n-1]); n = len(held) {
			held = held[:n-1]
		}
		held = append(held, r)
	}
	for i, r := range held {
		if i == 0 || r.follows(held[i-1]) {
			spans = append(spans, span{})
		}
		s := &spans[len(spans)-1]
		s.entries, s.end = append(s.entries, r), r.End
	}
	return spans
}

// follows reports whether an entry begins a new stay after the end of another.
func (r Registration) follows(before Registration) bool {
	return !before.End.IsZero() && !r.Start.Before(before.End)
}

// Expects reports whether a reported hour is on the calendar of the registration:
// from the start to the end that the entry of its day says.
func (b History) Expects(hour time.Time) bool { return b.Calendar()(hour) }

// Calendar is Expects, for many hours.
func (b History) Calendar() (expects func(hour time.Time) bool) {
	return b.any(func(r Registration, hour time.Time) bool {
		return !r.NoHoursExpected && (r.End.IsZero() || hour.Before(r.End))
	})
}

// Watched reports whether the stack is missed, at a moment, where it is silent: it is
// registered, and nobody has recorded that it shall be silent for now.
func (b History) Watched(at time.Time) bool {
	r, err := On(b.Registrations, DayOf(at))
	return err == nil && !r.Unwatched
}

// DeliveredEvery is the time between two deliveries of reported hours by hand, as it holds
// at a moment; 0 where the agent uploads each hour.
func (b History) DeliveredEvery(at time.Time) time.Duration {
	r, err := On(b.Registrations, DayOf(at))
	if err != nil {
		return 0
	}
	return time.Duration(r.DeliveredEvery) * 24 * time.Hour
}

// ExpectsDay reports whether some hour of the day that begins then is on the calendar.
func (b History) ExpectsDay(start time.Time) bool {
	expects := b.Calendar()
	for h := range 24 {
		if expects(start.Add(time.Duration(h) * time.Hour)) {
			return true
		}
	}
	return false
}

// Accepts reports whether a reported hour counts. Rows of the last hours before
// an end are reported after it: grace is how long they are accepted.
func (b History) Accepts(hour time.Time, grace time.Duration) bool {
	return b.any(func(r Registration, hour time.Time) bool { return r.End.IsZero() || hour.Before(r.End.Add(grace)) })(hour)
}

// Begins is the first reported hour that counts, of all; the zero time if there is
// no registration.
func (b History) Begins() (begins time.Time) {
	for _, s := range b.spans() {
		for _, r := range s.entries {
			if begins.IsZero() || r.Start.Before(begins) {
				begins = r.Start
			}
		}
	}
	return begins
}

// Outside lists ranges of days, first and last, outside of which every reported
// hour is accepted. An empty day leaves an end open.
func (b History) Outside() (ranges [][2]string) {
	from, over := "", false // the day of the last end
	for _, s := range b.spans() {
		for i, r := range s.entries {
			if i > 0 {
				from = r.EffectiveDay
			}
			if start := DayOf(r.Start); from <= start {
				ranges = append(ranges, [2]string{from, start})
			}
			if next := i + 1; !r.End.IsZero() && next < len(s.entries) && DayOf(r.End) <= s.entries[next].EffectiveDay {
				ranges = append(ranges, [2]string{DayOf(r.End), s.entries[next].EffectiveDay})
			}
		}
		from, over = DayOf(s.end), !s.end.IsZero()
	}
	if over {
		ranges = append(ranges, [2]string{from, ""})
	}
	return ranges
}

// any reports of hours whether a stay has begun by one and a condition holds of it on
// the hour's day.
func (b History) any(holds func(r Registration, hour time.Time) bool) func(hour time.Time) bool {
	spans := b.spans()
	var day string
	var held []Registration // on the day, of each stay
	return func(hour time.Time) bool {
		if d := DayOf(hour); d != day {
			day, held = d, nil
			for _, s := range spans {
				if r, err := On(s.entries, day); err == nil {
					held = append(held, r)
				}
			}
		}
		return slices.ContainsFunc(held, func(r Registration) bool { return !hour.Before(r.Start) && holds(r, hour) })
	}
}

// tenure is the time of a registration by one name: mappings and infrastructure
// subscriptions belong to it, and one by another name makes its own.
type tenure struct {
	first Registration  // its first entry
	later bool          // it is not the first one of the cloudId
	next  *Registration // the first entry of the one after it; nil: none
}

// tenure is that of an entry of the history.
func (b History) tenure(r Registration) (t tenure) {
	t.first = r
	for i, have := range b.Registrations {
		if i > 0 && !SameName(have.Name, b.Registrations[i-1].Name) {
			if t.next = &b.Registrations[i]; have.compare(r) > 0 {
				return t
			}
			t.later, t.next = true, nil
			t.first = have
		} else if i == 0 {
			t.first = have
		}
	}
	return t
}

// has reports whether what was said for a day on, by a change, belongs to the
// registration.
func (t tenure) has(day string, said Note) bool {
	if t.later && !said.since(day, t.first) {
		return false
	}
	return t.next == nil || day < t.next.EffectiveDay || !said.since(day, *t.next)
}

// since reports whether something was said under the registration that began
// with an entry. Rows that were put by hand do not say when, and go by their day.
func (n Note) since(day string, began Registration) bool {
	switch {
	case n.Change > 0 && began.Change > 0:
		return n.Change >= began.Change
	case n.At.IsZero() || began.At.IsZero():
		return day >= began.EffectiveDay
	}
	return !n.At.Before(began.At)
}

// heldOn is the entry that holds at the end of a usage day.
func (b History) heldOn(usageDay string) Registration {
	r, _ := On(b.Registrations, usageDay) // the zero entry if there is none
	return r
}

// NotAccepted is why a reported hour does not count; empty if it does.
func (b History) NotAccepted(hour time.Time, grace time.Duration) string {
	switch begins := b.Begins(); {
	case len(b.Registrations) == 0:
		return "no registration has this cloudId; the hour is accepted once there is one"
	case b.Accepts(hour, grace):
		return ""
	case hour.Before(begins):
		return "the hour is before the registration's start, " + usage.Point(begins) + "; it is accepted once that is earlier"
	}
	return "the registration had ended; the hour is accepted once the stack is registered again from that hour on"
}
