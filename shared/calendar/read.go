package calendar

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// State is how far a stack has come with its calendar.
type State struct {
	Last     *usage.Hour // the last reported hour with an accepted file; nil if there is none
	Missing  []Range     // missing, and later ones have come
	Silent   []Range     // missing since Last
	Accepted []Range     // missing, and recorded as never to come
}

// Read compares the calendar of a registration with what has landed. open are its usage
// days in OpenDays. Hours of days that were closed with all hours are not read again: it
// takes a request for each 1,000 revisions, and one for each run of other days.
func Read(ctx context.Context, tables table.Store, history registration.History, open []usage.Day, now time.Time) (s State, err error) {
	begins := history.Begins()
	if begins.IsZero() {
		return s, nil
	}
	complete, err := completeDays(ctx, tables, history, open)
	if err != nil {
		return s, err
	}
	first := usage.HourOf(begins)
	come := &landed{hours: map[usage.Hour]bool{}}
	for _, days := range daysToRead(first.Day(), usage.HourOf(now).Day().Next(), complete) {
		if err := come.read(ctx, tables, history.CloudID, days); err != nil {
			return s, err
		}
	}
	accepted, err := Accepted(ctx, tables, history.CloudID)
	if err != nil {
		return s, err
	}
	var missing []usage.Hour
	expects := history.Calendar()
	for h := first; h <= uploaded(now); h++ {
		switch {
		case !expects(h.Start()):
		case complete[h.Day()]:
			come.newest = max(come.newest, h)
		case !come.hours[h]:
			missing = append(missing, h)
		}
	}
	if come.newest > 0 {
		s.Last = &come.newest
	}
	last := due(history, come.newest, now)
	for _, h := range missing {
		switch {
		case h > last: // the next delivery may have it
		case Within(accepted, h):
			s.Accepted = add(s.Accepted, h)
		case h < come.newest:
			s.Missing = add(s.Missing, h)
		default:
			s.Silent = add(s.Silent, h)
		}
	}
	return s, nil
}

// completeDays are the usage days whose last revision has all expected hours. A day that
// is open again, and one on which the registration begins or ends, is read as if it were
// not: more may be expected of it than when it was closed.
func completeDays(ctx context.Context, tables table.Store, history registration.History, open []usage.Day) (map[usage.Day]bool, error) {
	complete := map[usage.Day]bool{}
	for s, err := range daybook.Entries(ctx, tables, history.CloudID, 0, 0) {
		if err != nil {
			return nil, err
		}
		complete[s.Day] = s.Complete
	}
	for _, day := range open {
		delete(complete, day)
	}
	for _, r := range history.Registrations {
		for _, at := range []time.Time{r.Start, r.End} {
			if !at.IsZero() {
				delete(complete, usage.HourOf(at).Day())
			}
		}
	}
	return complete, nil
}

// apart is how many complete days are read with those around them, in place of a request
// for each side: they have fewer rows than one response.
const apart = 10

// daysToRead are the days from first to last that are not complete, in runs.
func daysToRead(first, last usage.Day, complete map[usage.Day]bool) (runs [][2]usage.Day) {
	for d := first; d <= last; d = d.Next() {
		if complete[d] {
			continue
		}
		if n := len(runs); n > 0 && d-runs[n-1][1] <= apart {
			runs[n-1][1] = d
			continue
		}
		runs = append(runs, [2]usage.Day{d, d})
	}
	return runs
}

// landed is which reported hours have come.
type landed struct {
	hours  map[usage.Hour]bool
	newest usage.Hour // that has an accepted file; 0: none
}

// read reads the hours of some days. An hour that only an end excluded is missing where
// it is expected again.
func (c *landed) read(ctx context.Context, store table.Store, cloudID string, days [2]usage.Day) error {
	for row, err := range store.Scan(ctx, table.UsageHours, cloudID+"_"+days[0].Compact(), cloudID+"_"+days[1].Next().Compact()) {
		if err != nil {
			return fmt.Errorf("read hours of %s to %s: %w", days[0], days[1], err)
		}
		if len(row.Key) != 2 || row.Props["excludedBy"] == hourlog.ExcludedByEnd {
			continue
		}
		_, day, _ := strings.Cut(row.Partition, "_")
		h, err := usage.ParseCompactHour(day + row.Key)
		if err != nil {
			return fmt.Errorf("read hours: row %s/%s: %w", row.Partition, row.Key, err)
		}
		c.hours[h] = true
		if counts, _ := row.Props["acceptedFile"].(string); counts != "" {
			c.newest = max(c.newest, h)
		}
	}
	return nil
}

// Gaps are the reported hours without an accepted file that a registration expects.
type Gaps struct {
	Missing  []Range
	Accepted []Range // missing, and recorded as never to come
	Waiting  []Range // over, and not missing yet: their files may still come
}

// Between lists the gaps among the reported hours from first to last. It reads the hours
// of their days.
func Between(ctx context.Context, store table.Store, history registration.History, first, last usage.Hour, now time.Time) (g Gaps, err error) {
	come := &landed{hours: map[usage.Hour]bool{}}
	days := [2]usage.Day{first.Day(), last.Day()}
	if history.DeliveredEvery(now) > 0 {
		days[1]++ // what came later shows that the last ones are missing
	}
	if err := come.read(ctx, store, history.CloudID, days); err != nil {
		return g, err
	}
	recorded, err := Accepted(ctx, store, history.CloudID)
	if err != nil {
		return g, err
	}
	due := due(history, come.newest, now)
	for h := range expected(history, first, min(last, usage.HourOf(now)-1)) {
		switch {
		case come.hours[h]:
		case h > due:
			g.Waiting = add(g.Waiting, h)
		case Within(recorded, h):
			g.Accepted = add(g.Accepted, h)
		default:
			g.Missing = add(g.Missing, h)
		}
	}
	return g, nil
}
