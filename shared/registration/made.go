package registration

import (
	"slices"
	"strings"
	"time"
)

// Made is when the registration that holds on a usage day was made: the earliest
// moment at which an entry of it was recorded. What was registered again after an
// end, or had its end moved to a later hour, is made anew. An entry that was put
// by hand and does not say when counts from its start. The zero time if there is
// no registration.
func (b History) Made(usageDay string) (made time.Time) {
	held, err := On(b.Registrations, usageDay)
	if err != nil {
		return made
	}
	history := slices.SortedFunc(slices.Values(b.Registrations), Registration.compare)
	first := slices.IndexFunc(history, func(r Registration) bool { return r.compare(held) == 0 })
	last := first
	for first > 0 && history[first].continues(history[first-1]) {
		first--
	}
	for last+1 < len(history) && history[last+1].continues(history[last]) {
		last++
	}
	for _, r := range history[first : last+1] {
		at := r.At
		if at.IsZero() {
			at = r.Start
		}
		if made.IsZero() || at.Before(made) {
			made = at
		}
	}
	return made
}

// continues reports whether r is a further entry of the registration that an
// entry before it is of, and expects no hours after its end.
func (r Registration) continues(before Registration) bool {
	longer := !before.End.IsZero() && (r.End.IsZero() || r.End.After(before.End))
	return strings.EqualFold(r.Filled().Name, before.Filled().Name) && !longer
}
