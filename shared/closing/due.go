package closing

import (
	"context"
	"fmt"
	"slices"
	"time"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/openday"
	"stackusage/shared/outbox"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Rules are when usage days are closed.
type Rules struct {
	SettlingHours int           // first reported hours of the next day that a usage day waits for
	CloseDelay    time.Duration // after which a day closes with hours missing
	ReopenDelay   time.Duration // between two revisions of a day that is complete, or still incomplete
	LatenessLimit time.Duration // how long after its end commerce takes a usage day; 0: for ever
}

// Settling is how long after an end of a registration reported hours are accepted: the
// rows of the last hours before it are reported after it.
func (r Rules) Settling() time.Duration { return time.Duration(r.SettlingHours) * time.Hour }

// State is all that decides when a usage day gets its next revision.
type State struct {
	CloudID      string
	Day          usage.Day
	Registered   time.Time         // when the registration that holds on the day was made
	Missing      []usage.Hour      // reported hours that the day waits for
	FirstLanding time.Time         // of the day's inputs; the zero time if none came
	LastLanding  time.Time         // likewise
	ByHand       bool              // hours of the day are delivered by hand, many at once
	Last         *daybook.Revision // nil: the day was never closed
	Requested    bool              // somebody asked for a revision, and there is none yet

	Declined      bool      // commerce declined a part of the last revision
	OnlyDeclined  bool      // and nothing else keeps the day open
	DeclinedSince time.Time // when the last record of it had its outcome
	ReportingOff  bool      // the day has usage reporting off by now
	Expired       bool      // commerce takes the day no more
}

// NotDue means that a usage day has to wait for its next revision.
type NotDue struct {
	CloudID string
	Day     usage.Day
	Reason  string
	Until   time.Time // the zero time: for something else than time
}

func (n *NotDue) Error() string {
	text := fmt.Sprintf("close day %s of %s: %s", n.Day, n.CloudID, n.Reason)
	if !n.Until.IsZero() {
		text += "; due at " + usage.Point(n.Until)
	}
	return text
}

// repeatAfter is how long after its last outcome a revision of which commerce
// declined a part is closed again: the first, the second and each later time.
var repeatAfter = []time.Duration{time.Hour, 6 * time.Hour, 24 * time.Hour}

// Due is the one rule for when a day gets its next revision: nil if it is now, else a
// *NotDue.
//
// The first revision waits for missing hours until Deadline; where hours are delivered by
// hand, a later one does so, too, as the hours of a delivery land one by one. Else a later one is made at
// once if somebody asked for it or the last missing hour has come, else at most once
// in ReopenDelay, so that a backfill of old hours makes one revision and not thirty.
// What commerce declined is sent again with growing delays, as long as commerce takes
// the day: after that an operator carries it forward or settles it. A revision without
// records would hide that what commerce has is not what the day has: so a day of which
// a part was declined waits while usage reporting is off.
func (r Rules) Due(s State, now time.Time) error {
	until, reason := time.Time{}, ""
	switch {
	case s.Last == nil:
		if until = r.Deadline(s); len(s.Missing) > 0 {
			reason = fmt.Sprintf("%s missing, the first is %s", usage.Count(len(s.Missing), "hour"), s.Missing[0])
		}
	case s.Declined && s.ReportingOff:
		reason = "commerce declined a part of it, and usage reporting is off"
	case s.Requested: // who asks does not wait for hours
	case s.OnlyDeclined && (s.Expired || r.LatenessLimit > 0 && !now.Before(s.Day.End().Add(r.LatenessLimit))):
		reason = "commerce declined a part of it, and takes the day no more: carry it forward, or settle it"
	case s.OnlyDeclined:
		until = s.DeclinedSince.Add(repeatAfter[min(s.Last.Attempt, int64(len(repeatAfter)-1))])
		reason = "commerce declined a part of it"
	case s.ByHand && len(s.Missing) > 0:
		until, reason = r.Deadline(s), fmt.Sprintf("%s missing, the first is %s, and a delivery may have them", usage.Count(len(s.Missing), "hour"), s.Missing[0])
		if again := s.Last.ClosedAt.Add(r.ReopenDelay); again.After(until) {
			until = again
		}
	case len(s.Missing) > 0 || s.Last.Complete:
		until, reason = s.Last.ClosedAt.Add(r.ReopenDelay), "it was closed a short time ago"
	}
	if reason == "" || !until.IsZero() && !now.Before(until) {
		return nil
	}
	return &NotDue{CloudID: s.CloudID, Day: s.Day, Reason: reason, Until: until}
}

// Deadline is when a day that was never closed closes even with hours missing: CloseDelay
// after its end, its registration, and its first landing, or the last one where hours are
// delivered by hand.
func (r Rules) Deadline(s State) time.Time {
	if s.ByHand {
		return Deadline(s.Day, s.Registered, s.LastLanding, r.CloseDelay)
	}
	return Deadline(s.Day, s.Registered, s.FirstLanding, r.CloseDelay)
}

// Due is Rules.Due of a day as it is now.
func (cl *Closer) Due(ctx context.Context, s State) error {
	err := cl.Rules.Due(s, cl.Now())
	if err != nil || !s.OnlyDeclined || s.Requested {
		return err
	}
	_, batches, err := outbox.OfRevision(ctx, cl.Tables, s.CloudID, s.Day, int(s.Last.Number))
	if err != nil {
		return err
	}
	s.Expired = slices.ContainsFunc(batches, func(b outbox.Batch) bool { return b.Expired > 0 })
	return cl.Rules.Due(s, cl.Now())
}

// Open is the state of a day that is open. The mark's landings stand for those of the
// day's inputs, which Close reads: of inputs that do not count the first may be earlier,
// never later, and the last later. Whether usage reporting is off is not in it: Close looks, after
// it has announced the hours that the day waits for.
func (cl *Closer) Open(ctx context.Context, m openday.Entry, history registration.History) (State, error) {
	s, err := cl.state(ctx, m.CloudID, m.Day, history)
	if err != nil {
		return s, err
	}
	if s.Last, s.Requested, err = daybook.Asked(ctx, cl.Tables, m); err != nil {
		return s, err
	}
	s.FirstLanding, s.LastLanding = m.Since, m.LastLanding
	if s.Last != nil {
		s.Declined, s.OnlyDeclined, s.DeclinedSince = m.DeclinedIn(s.Last.Number), m.OnlyDeclined(s.Last.Number), m.DeclinedSince
	}
	return s, nil
}

// OpenDue is Due of a day that is open, whether usage reporting is off taken into
// account, and the state that it follows from.
func (cl *Closer) OpenDue(ctx context.Context, m openday.Entry, history registration.History) (State, error) {
	s, err := cl.Open(ctx, m, history)
	if err == nil {
		err = s.reporting(history)
	}
	if err != nil {
		return s, err
	}
	return s, cl.Due(ctx, s)
}

// OverdueAfter is how long after its deadline a day that is still not closed is overdue:
// CloseDay had many messages for it by then.
const OverdueAfter = 2 * time.Hour

// Overdue reports whether a day that was never closed should have been by now.
func (r Rules) Overdue(s State, now time.Time) bool {
	return s.Last == nil && now.After(r.Deadline(s).Add(OverdueAfter))
}

// read takes the rest of the state from a day that is being closed.
func (s *State) read(c *daybook.Closing, history registration.History) error {
	s.Missing = slices.DeleteFunc(s.Missing, func(h usage.Hour) bool {
		return slices.ContainsFunc(c.Counted, func(in openday.Input) bool { return in.Hour == h })
	})
	s.FirstLanding, s.LastLanding = hourlog.Landings(c.Counted)
	s.Last, s.Requested = c.Last, c.Request != nil
	s.Declined, s.DeclinedSince = c.Declined(), c.DeclinedSince()
	s.OnlyDeclined = s.Declined && c.UpToDate() && !s.Requested
	return s.reporting(history)
}

// awaitsDelivery reports whether the hours that the day lacks are after all that came, so
// that the next delivery may have them: this is no gap.
func (s *State) awaitsDelivery(counted []openday.Input) bool {
	return s.ByHand && len(s.Missing) > 0 && !slices.ContainsFunc(counted, func(in openday.Input) bool { return in.Hour > s.Missing[0] })
}

// reporting reads whether usage reporting is off, where it matters.
func (s *State) reporting(history registration.History) error {
	if !s.Declined {
		return nil
	}
	on, err := history.Reporting(s.Day.Compact())
	if err != nil {
		return fmt.Errorf("close day %s of %s: %w", s.Day, s.CloudID, err)
	}
	s.ReportingOff = on == nil
	return nil
}

// state is what the registration says of a day, and which hours it waits for: those
// on the registration's calendar that have not come.
func (cl *Closer) state(ctx context.Context, cloudID string, day usage.Day, history registration.History) (State, error) {
	s := State{CloudID: cloudID, Day: day, Registered: history.Made(day.Compact())}
	if len(history.Registrations) == 0 {
		return s, nil // a day of an unknown stack is not closed at all
	}
	held, err := history.On(day.Compact())
	if err != nil {
		return s, err
	}
	s.ByHand = held.DeliveredEvery > 0
	missing, err := hourlog.Missing(ctx, cl.Tables, cloudID, day, day.First(), cl.Rules.SettlingHours)
	s.Missing = slices.DeleteFunc(missing, func(h usage.Hour) bool { return !history.Expects(h.Start()) })
	return s, err
}
