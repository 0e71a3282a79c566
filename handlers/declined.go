package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// repeatAfter is how long after its last answer a revision of which commerce
// declined a part is stated again: the first, the second and each later time.
var repeatAfter = []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}

// repeats reports whether what commerce declined of a day's last revision is to be
// stated again by now. It is not where commerce does not take the day any more:
// then an operator carries it forward, or settles it.
func (a *App) repeats(ctx context.Context, cloudID string, day usage.Day, last ledger.Revision, since time.Time) (bool, error) {
	now, limit := a.Now(), a.Settings.LatenessLimit
	wait := repeatAfter[min(last.Attempt, int64(len(repeatAfter)-1))]
	if now.Before(since.Add(wait)) || limit > 0 && !now.Before(day.End().Add(limit)) {
		return false, nil
	}
	_, batches, err := a.Ledger.Batches(ctx, cloudID, day, int(last.Number))
	if err != nil {
		return false, err
	}
	for _, b := range batches {
		if b.Expired > 0 {
			return false, nil
		}
	}
	return true, nil
}

// repeatsClosing is repeats of a day that has nothing else to close.
func (a *App) repeatsClosing(ctx context.Context, c *ledger.Closing) (bool, error) {
	if !c.Declined() || !c.States() || c.Request != nil {
		return false, nil
	}
	return a.repeats(ctx, c.CloudID, c.Day, *c.Last, c.DeclinedSince())
}

// heldOpen reports whether commerce declined a part of a day that now has usage
// reporting off. A revision without records would hide that what commerce has is not
// what the day says: the day stays open until reporting is on again.
func (a *App) heldOpen(c *ledger.Closing, book registration.Book) (bool, error) {
	if !c.Declined() {
		return false, nil
	}
	on, err := book.Reporting(c.Day.Compact())
	if err != nil {
		return false, fmt.Errorf("close day %s of %s: %w", c.Day, c.CloudID, err)
	}
	return on == nil, nil
}

// logDeclined says that a day is open because of what commerce declined: an alert
// rule looks for it.
func (a *App) logDeclined(ctx context.Context, m ledger.OpenMark) {
	a.log(ctx).WarnContext(ctx, "day declined", slog.String("cloudId", m.CloudID), slog.String("usageDay", m.Day.String()),
		slog.Int64("revision", m.DeclinedRevision), slog.Int64("records", m.Declined), slog.Time("since", m.DeclinedSince))
}
