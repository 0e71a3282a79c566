package sweep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/openday"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// changedLately is how long after a change of the registration Sweep looks once an
// hour at what it reaches. After that it looks with the daily comparison: a closer
// or an IngestHour that had read the registration before the change has ended.
const changedLately = 48 * time.Hour

// changed sees that what was recorded of the registration reaches what came before
// it: closed days, and hours that do not count any more.
func (s *landedSweep) changed(ctx context.Context, all bool) error {
	history, err := s.registration(ctx)
	if err != nil {
		return err
	}
	all = all || s.now.Sub(history.Changed()) < changedLately
	if !all {
		return s.resettle(ctx, history, false)
	}
	return errors.Join(s.resettle(ctx, history, true), s.outside(ctx, history))
}

// resettle asks for the next revision of days that were closed with reporting
// off and have it on now, which needs nobody's word, and of days that were settled
// by an earlier registration and are charged differently by that of now, which
// somebody has confirmed. It costs nothing where reporting was never off, or
// never on, and the registration did not change lately.
func (s *landedSweep) resettle(ctx context.Context, history registration.History, lately bool) error {
	if off, on := registration.Reporting(history.Registrations); !lately && !(off && on) {
		return nil
	}
	last, err := daybook.LastRevisions(ctx, s.sweeper.Tables, s.cloudID)
	if err != nil {
		return err
	}
	var errs []error
	for day, revision := range last {
		if revision.Reporting == daily.ReportingOff {
			errs = append(errs, s.unforwarded(ctx, history, day))
			continue
		}
		since := revision.SettledBy()
		if since < 0 || !history.Affected(day.Compact(), since) {
			continue
		}
		why := history.Cause(day.Compact(), since)
		_, err := daybook.AskRevision(ctx, s.sweeper.Tables, s.cloudID, day, openday.SettleRegistration, reasoned.Decision{
			By: cmp.Or(why.By, "Sweep"), At: s.now,
			Reason: fmt.Sprintf("change %d of the registration: %.900s", why.Change, cmp.Or(why.Reason, "no reason is recorded")),
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// unforwarded asks for the next revision of a day that was closed with reporting
// off, if it is on now: it was switched on from the day, or before.
func (s *landedSweep) unforwarded(ctx context.Context, history registration.History, day usage.Day) error {
	on, err := history.Reporting(day.Compact())
	if err != nil || on == nil {
		return err
	}
	_, err = daybook.AskRevision(ctx, s.sweeper.Tables, s.cloudID, day, openday.SettleNothing, reasoned.Decision{
		By: cmp.Or(on.By, "Sweep"), At: s.now,
		Reason: fmt.Sprintf("usage reporting is on from %s: %.900s", on.EffectiveDay, cmp.Or(on.Reason, "the registration says so")),
	})
	return err
}

// outside announces files that count for hours that are not accepted any more,
// after an end or before a start: IngestHour takes them out.
func (s *landedSweep) outside(ctx context.Context, history registration.History) error {
	for _, bounds := range history.Outside() {
		first, err := usage.ParseDay(cmp.Or(bounds[0], "00010101"))
		if err != nil {
			return err
		}
		last, err := usage.ParseDay(cmp.Or(bounds[1], "99991230"))
		if err != nil {
			return err
		}
		for row, err := range hourlog.Between(ctx, s.sweeper.Tables, s.cloudID, first, last) {
			if err != nil {
				return err
			}
			if row.Verdict == hourlog.Accepted && history.NotAccepted(row.ID.Hour.Start(), s.sweeper.Closer.Rules.Settling()) != "" {
				s.announce(landing.Name{CloudID: row.ID.CloudID, Hour: row.ID.Hour, SHA16: row.ID.SHA16})
			}
		}
	}
	return nil
}
