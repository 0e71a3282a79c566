package hourlog

import (
	"context"
	"fmt"
	"time"

	"stackusage/shared/openday"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// OwnDays are the usage days that a reported hour has an input of, also where none
// of its rows is of them: its own and, in the settling hours, the day before. They
// are the days that wait for it.
func OwnDays(hour usage.Hour, settling int) []usage.Day {
	own := hour.Day()
	if hour.OfDay() < settling {
		return []usage.Day{own - 1, own}
	}
	return []usage.Day{own}
}

// Missing lists the reported hours that a usage day still waits for: its own
// and the first settling hours of the next day, as far as the stack was
// registered then, that no blob counts for. An hour that an operator excluded is
// decided, and not missing.
func Missing(ctx context.Context, store table.Store, cloudID string, day usage.Day, start usage.Hour, settling int) ([]usage.Hour, error) {
	counted := map[usage.Hour]bool{}
	last := day.Next().First() + usage.Hour(settling)
	for d := day; d.First() < last; d = d.Next() {
		for row, err := range store.List(ctx, table.UsageHours, openday.Partition(cloudID, d), "", "") {
			if err != nil {
				return nil, fmt.Errorf("list hours of %s: %w", d, err)
			}
			// A pointer. What only an end took out is missing where its hour is
			// expected again.
			if len(row.Key) == 2 && row.Props["excludedBy"] != ExcludedByEnd {
				h, err := usage.ParseCompactHour(d.Compact() + row.Key)
				if err != nil {
					return nil, fmt.Errorf("list hours of %s: %w", d, err)
				}
				counted[h] = true
			}
		}
	}
	var missing []usage.Hour
	for h := max(day.First(), start); h < last; h++ {
		if !counted[h] {
			missing = append(missing, h)
		}
	}
	return missing, nil
}

// Landings is when the first and the last of some inputs landed; zero times if there are
// none.
func Landings(inputs []openday.Input) (first, last time.Time) {
	for i, in := range inputs {
		if i == 0 || in.LandedAt.Before(first) {
			first = in.LandedAt
		}
		if in.LandedAt.After(last) {
			last = in.LandedAt
		}
	}
	return first, last
}
