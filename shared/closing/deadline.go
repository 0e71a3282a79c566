package closing

import (
	"time"

	"stackusage/shared/usage"
)

// Deadline is when a day closes even with hours missing: delay after the latest
// of its end, the moment its registration was made, and its first landing. It is
// a bound: later landings do not put it off, and what they bring is a correction. Only
// where hours are delivered by hand, landed is the last landing.
func Deadline(day usage.Day, made, landed time.Time, delay time.Duration) time.Time {
	latest := day.End()
	for _, at := range []time.Time{made, landed} {
		if at.After(latest) {
			latest = at
		}
	}
	return latest.Add(delay)
}
