// Package closing closes usage days: it makes the next revision of a day, which is
// what commerce is to bill of it.
//
// The order of its writes:
//
//	Registrations   the stack's own subscriptions, if the registration has no list yet
//	outbox          the batches, as they are full
//	daily           the daily file, the settlement, the manifest; all under names made from their bytes
//	UsageDays       the revision: from here commerce is told; of two closers one finds the number taken
//	UsageBatches    the batches, and a message for each
//	OpenDays        the day is taken off the list, unless something came meanwhile
//
// A crash between two of them leaves files that no row names, or a day that is still
// on the list: whoever closes it next finds the revision and goes on behind it. When a
// day is due is Rules.Due. Decisions 0003, 0006, 0015, 0017, 0019.
package closing

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"stackusage/shared/content"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

// Closer closes usage days. All fields are set before its first use.
type Closer struct {
	Tables        table.Store
	Hours         content.Opener // hour blobs, for partials that are not kept any more
	Blobs         content.Store
	Queues        queue.Sender
	Registrations registration.Store
	Meters        *meter.Catalogue
	Now           func() time.Time
	Rules         Rules
	SpillSums     int    // sums in memory before a run goes to disk
	TempDir       string // for runs and files on their way to storage
}

// Close closes one usage day: it merges the partials that count, writes the daily
// file and the batches, commits the revision, and hands the batches on. A repeat
// finds the revision and does what comes after it. A *NotDue says that the day has to
// wait; daybook.ErrNotOpen that there is nothing to close.
func (cl *Closer) Close(ctx context.Context, cloudID string, day usage.Day) (err error) {
	for range closeTries {
		if err = cl.tryClose(ctx, cloudID, day); !errors.Is(err, daybook.ErrOtherCloser) {
			return err
		}
	}
	return err
}

// closeTries bounds how often a closer that lost to another one starts over.
const closeTries = 3

func (cl *Closer) tryClose(ctx context.Context, cloudID string, day usage.Day) error {
	history, err := cl.Registrations.History(ctx, cloudID)
	if err != nil {
		return err
	}
	// What is missing is read before the inputs: an hour that commits in between
	// is among the inputs then. The other way round it would be in neither, and
	// the day would be closed as complete without it.
	s, err := cl.state(ctx, cloudID, day, history)
	if err != nil {
		return err
	}
	c, err := daybook.Begin(ctx, cl.Tables, cloudID, day)
	if err != nil {
		return err
	}
	c.OffCalendar = !history.ExpectsDay(day.Start())
	if err := cl.pendingOutside(ctx, history, c.Pending); err != nil {
		return err
	}
	if err := s.read(c, history); err != nil {
		return err
	}
	due := cl.Due(ctx, s)
	if _, waits := errors.AsType[*NotDue](due); due != nil && !waits {
		return due
	}
	var manifest daily.Manifest
	switch {
	case s.Declined && s.ReportingOff:
		return due
	case c.Empty():
		_, err := daybook.Finish(ctx, cl.Tables, c) // all its hours were voided, or none is expected and none was used
		return err
	case c.UpToDate() && !s.Requested && (due != nil || !s.OnlyDeclined):
		manifest, err = cl.readManifest(ctx, c.Last.Manifest)
	default:
		if err := cl.listBatches(ctx, c); err != nil {
			return err
		}
		if due != nil {
			return due
		}
		manifest, err = cl.closeDay(ctx, c, history, s)
	}
	if err != nil {
		return err
	}
	if err := cl.sendBatches(ctx, manifest); err != nil {
		return err
	}
	done, err := daybook.Finish(ctx, cl.Tables, c)
	if err != nil {
		return err
	}
	telemetry.Logger(ctx).InfoContext(ctx, "day closed", slog.String("cloudId", c.CloudID), slog.String("usageDay", c.Day.String()),
		slog.Int64("revision", c.Last.Number), slog.Bool("complete", c.Last.Complete), slog.Int64("records", c.Last.Records),
		slog.Int64("rows", c.Last.Rows), slog.Int64("batches", c.Last.Batches), slog.Bool("awaitsDelivery", s.awaitsDelivery(c.Counted)), slog.Bool("done", done))
	return nil
}

// closeDay makes the next revision of a day that is due: the first is all of it,
// later ones are the difference to what commerce accepted.
func (cl *Closer) closeDay(ctx context.Context, c *daybook.Closing, history registration.History, s State) (daily.Manifest, error) {
	before, err := cl.standing(ctx, c)
	if err != nil {
		return daily.Manifest{}, err
	}
	defer before.close()
	manifest, revision, err := cl.writeDay(ctx, c, history, s.Missing, before)
	if err != nil {
		return daily.Manifest{}, err
	}
	if s.OnlyDeclined {
		revision.Attempt = c.Last.Attempt + 1
	}
	return manifest, daybook.Commit(ctx, cl.Tables, c, c.Answer(revision))
}

// pendingOutside announces inputs that the day waits for although their hour is not
// accepted: whoever worked on them died, and no turn of Sweep comes back to a file
// that is not registered. IngestHour ends what was begun.
func (cl *Closer) pendingOutside(ctx context.Context, history registration.History, pending []openday.Input) error {
	for _, in := range pending {
		if history.NotAccepted(in.Hour.Start(), cl.Rules.Settling()) == "" {
			continue
		}
		name := landing.Name{CloudID: in.CloudID, Hour: in.Hour, SHA16: in.SHA16}
		if err := cl.Queues.Enqueue(ctx, queue.Landed, queue.LandedMessage(name), 0); err != nil {
			return err
		}
	}
	return nil
}
