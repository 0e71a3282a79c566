package usagereport

import (
	"context"

	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// Unread is a closed day that a report does not contain, because it is not in the cache.
type Unread struct {
	CloudID, Registration string // its name
	Day                   usage.Day
	Open                  bool // it has records without an outcome: it is read each time, and never cached
}

// Fill reads the days of a report that are not in the cache into it, the latest first.
// It calls progress, which may be nil, before the first and after each of them. Days with
// Unread.Open are left out.
func Fill(ctx context.Context, reader *usagelines.Reader, o Options, progress func(done, total int)) error {
	return nil
}
