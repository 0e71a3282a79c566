package sweep

import (
	"context"
	"errors"
	"hash/fnv"
	"iter"
	"log/slog"
	"time"

	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

// What Sweep looks at beside the last SweepLookback of reported hours, which it
// compares at each run. A blob is named by its reported hour, not by when it
// landed, and Storage cannot list by time: an agent that makes up for old hours
// lands blobs anywhere. So all of a registration is compared once a day, and
// verdicts that may change are asked for once an hour.
const (
	compareAllEvery = 24 * time.Hour
	undecidedEvery  = time.Hour
)

// years begin the names of all hour blobs: what an agent says of itself once an hour,
// which stays as long, is not listed with them.
var years = []string{"1", "2"}

// Turns reports whether a registration's turn came between two runs: to be compared
// with all that landed, and to be asked for verdicts that may change.
func Turns(cloudID string, last, now time.Time) (compare, undecided bool) {
	return turn(cloudID, last, now, compareAllEvery), turn(cloudID, last, now, undecidedEvery)
}

// turn reports whether name's moment of a period fell between last and now. Names
// have different moments, so that their work does not come all at once.
func turn(name string, last, now time.Time, period time.Duration) bool {
	h := fnv.New32a()
	h.Write([]byte(name))
	moment := now.Truncate(period).Add(time.Duration(h.Sum32()) * time.Second % period)
	if moment.After(now) {
		moment = moment.Add(-period)
	}
	return last.Before(moment)
}

// sweepLanded announces blobs that landed and have no verdict, because their
// event was lost, or have one that may change now.
func (sw *Sweeper) sweepLanded(ctx context.Context, r *resending) (done []turnsDone, err error) {
	cloudIDs, err := sw.landed(ctx)
	if err != nil {
		return nil, err
	}
	var errs []error
	newest := map[string]usage.Hour{}
	for _, cloudID := range cloudIDs {
		turns, err := sw.sweepContainer(ctx, r, cloudID)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		newest[cloudID] = turns.newest
		if len(turns.turns) > 0 {
			done = append(done, turns)
		}
	}
	if len(errs) == 0 {
		errs = append(errs, sw.sweepSilent(ctx, newest))
	}
	return done, errors.Join(errs...)
}

// landed are the cloudIds of the landing containers.
func (sw *Sweeper) landed(ctx context.Context) (cloudIDs []string, err error) {
	return landing.Stacks(ctx, sw.Landing, func(container string) {
		telemetry.Logger(ctx).WarnContext(ctx, "container with a foreign name", slog.String("container", container))
	})
}

// turnsDone are the turns of a registration that a run did, once what it found is
// announced.
type turnsDone struct {
	cloudID string
	began   time.Time
	turns   []Turn
	newest  usage.Hour // reported hour with an accepted file; where there is none, the one before all that the run looked at
}

func (sw *Sweeper) sweepContainer(ctx context.Context, r *resending, cloudID string) (turnsDone, error) {
	s := landedSweep{sweeper: sw, resend: r, cloudID: cloudID, now: sw.Now()}
	done := turnsDone{cloudID: cloudID, began: s.now}
	last, err := ReadTurns(ctx, sw.Tables, cloudID)
	if err != nil {
		return done, err
	}
	all, _ := Turns(cloudID, last[TurnCompare], s.now)
	_, s.asked = Turns(cloudID, last[TurnUndecided], s.now)
	s.asked = s.asked || all
	if all {
		done.turns = append(done.turns, TurnCompare)
		err = s.compare(ctx, hourlog.All(ctx, sw.Tables, cloudID), years, func(usage.Day) bool { return true })
	} else {
		first := usage.HourOf(s.now.Add(-sw.Lookback)).Day()
		s.newest = first.First() - 1
		final := usage.HourOf(s.now).Day().Next() // a stack's clock may be ahead
		err = s.compare(ctx, hourlog.Between(ctx, sw.Tables, cloudID, first, final), months(first, final),
			func(d usage.Day) bool { return first <= d && d <= final })
	}
	if s.asked {
		done.turns = append(done.turns, TurnUndecided)
		err = errors.Join(err, s.undecided(ctx), s.changed(ctx, all))
	}
	done.newest = s.newest
	return done, err
}

// months are the prefixes of blobs of the days from first to last: one listing
// of a month costs no more than one of a day.
func months(first, last usage.Day) (prefixes []string) {
	for d := first; d <= last; d = d.Next() {
		if p := d.Start().Format("2006/01/"); len(prefixes) == 0 || prefixes[len(prefixes)-1] != p {
			prefixes = append(prefixes, p)
		}
	}
	return prefixes
}

// landedSweep looks at one registration's blobs.
type landedSweep struct {
	sweeper *Sweeper
	resend  *resending
	cloudID string
	now     time.Time
	asked   bool                  // verdicts that may change are asked for in this run: compare leaves them alone
	history *registration.History // nil: not yet asked
	newest  usage.Hour            // reported hour with an accepted file, as far as rows were read
}

// compare goes through blobs and rows side by side. Both come in order of
// reported hour and hash, so that neither is held, however many there are.
func (s *landedSweep) compare(ctx context.Context, rows iter.Seq2[hourlog.Landed, error], prefixes []string, looked func(usage.Day) bool) error {
	pull, stop := iter.Pull2(rows)
	defer stop()
	next := func() (hourlog.Landed, error, bool) {
		row, err, more := pull()
		if more && err == nil && row.Verdict == hourlog.Accepted {
			s.newest = max(s.newest, row.ID.Hour)
		}
		return row, err, more
	}
	row, err, more := next()
	container := landing.Container(s.cloudID)
	for _, prefix := range prefixes {
		listErr := s.sweeper.Landing.ListPrefix(ctx, container, prefix, func(blob string, storedAt time.Time) error {
			if landing.Aside(blob) {
				return nil
			}
			name, parseErr := landing.ParseName(container, blob)
			if parseErr != nil {
				telemetry.Logger(ctx).WarnContext(ctx, "blob with a foreign name", slog.String("container", container), slog.String("blob", blob))
				return nil
			}
			if !looked(name.Hour.Day()) {
				return nil
			}
			for more && err == nil && before(row.ID, name) {
				row, err, more = next()
			}
			switch {
			case err != nil:
				return err
			case more && row.ID.Hour == name.Hour && row.ID.SHA16 == name.SHA16:
				if s.asked {
					return nil
				}
				return s.announceAgain(ctx, row)
			case s.now.Sub(storedAt) < s.sweeper.Grace:
				s.resend.wait(queue.Landed) // its event may be on its way
				return nil
			}
			s.announce(name)
			return nil
		})
		if listErr != nil {
			return listErr
		}
	}
	for more && err == nil { // corrected blobs are not listed
		row, err, more = next()
	}
	return err
}

func before(id hourlog.ID, name landing.Name) bool {
	return id.Hour < name.Hour || id.Hour == name.Hour && id.SHA16 < name.SHA16
}

// undecided announces blobs whose verdict may change, however old.
func (s *landedSweep) undecided(ctx context.Context) error {
	for row, err := range hourlog.Undecided(ctx, s.sweeper.Tables, s.cloudID) {
		if err == nil {
			err = s.announceAgain(ctx, row)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// announceAgain announces a blob that has a verdict, if another look could
// change it.
func (s *landedSweep) announceAgain(ctx context.Context, row hourlog.Landed) error {
	if !s.sweeper.Ingester.Again(row.Hour) {
		return nil
	}
	history, err := s.registration(ctx)
	if err != nil {
		return err
	}
	if history.NotAccepted(row.ID.Hour.Start(), s.sweeper.Closer.Rules.Settling()) != "" && !row.TakesOver() && !row.Leaves() {
		return nil // what was decided is carried out, or ended, all the same
	}
	s.announce(landing.Name{CloudID: row.ID.CloudID, Hour: row.ID.Hour, SHA16: row.ID.SHA16})
	return nil
}

func (s *landedSweep) announce(name landing.Name) {
	s.resend.send(queue.Landed, queue.LandedMessage(name))
}

// registration reads the history of the sweep's registration, once.
func (s *landedSweep) registration(ctx context.Context) (registration.History, error) {
	if s.history == nil {
		history, err := s.sweeper.Registrations.History(ctx, s.cloudID)
		if err != nil {
			return history, err
		}
		s.history = &history
	}
	return *s.history, nil
}
