package handlers

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
	"stackusage/shared/usage"
)

// reportingOf is what tables and files say where usage reporting is off.
func reportingOf(held registration.Holding) string {
	if held.ReportingOff {
		return ledger.ReportingOff
	}
	return ""
}

// partsOf is what a registration says of the parts of a usage day.
func partsOf(book registration.Book, day usage.Day) ([]daily.SettledPart, error) {
	parts, err := book.Parts(day.Compact())
	if err != nil {
		return nil, fmt.Errorf("close day %s of %s: %w", day, book.CloudID, err)
	}
	settled := make([]daily.SettledPart, len(parts))
	for i := len(parts) - 1; i >= 0; i-- {
		if !parts[i].InfrastructureKnown && i+1 < len(parts) { // it is the same stack
			parts[i].Infrastructure = parts[i+1].Infrastructure
		}
		p := parts[i]
		settled[i] = daily.SettledPart{
			Until: p.Until, Registration: p.Name, BillingSubscriptionID: p.SubscriptionID, BillingModel: p.BillingModel,
			Region: p.Region, Reporting: reportingOf(p.Holding), Infrastructure: registration.NormalList(p.Infrastructure), Mappings: map[string]string{},
		}
		maps.Copy(settled[i].Mappings, p.Tenants)
	}
	return settled, nil
}

// settling is how long after an end reported hours are accepted: the rows of the
// last hours before it are reported after it.
func (a *App) settling() time.Duration {
	return time.Duration(a.Settings.SettlingHours) * time.Hour
}

// unregistered is why a reported hour does not count; empty if it does.
func (a *App) unregistered(book registration.Book, hour usage.Hour) string {
	switch {
	case len(book.Registrations) == 0:
		return "no registration has this cloudId; the hour counts once there is one"
	case book.Accepts(hour.Start(), a.settling()):
		return ""
	case hour.Start().Before(book.Begins()):
		return "the hour is before the registration's start, " + resource.Time(book.Begins()) + "; it counts once that is earlier"
	}
	return "the registration had ended; the hour counts once it is registered again from that hour on"
}

// takenOut takes a file that counts out of the bill if its hour is not accepted
// any more: the registration has ended before it, or begins after it. out is false
// if the hour is accepted.
func (a *App) takenOut(ctx context.Context, id ledger.HourID) (out bool, err error) {
	book, err := a.Registrations.Book(ctx, id.CloudID)
	if err != nil {
		return false, err
	}
	reason := a.unregistered(book, id.Hour)
	if reason == "" {
		return false, nil
	}
	verdict, err := a.Ledger.Exclude(ctx, id, ledger.Reasoned{By: "IngestHour", Reason: reason, At: a.Now()}, true)
	if err == nil {
		a.log(ctx).InfoContext(ctx, "hour taken out", slog.String("hour", id.String()), slog.String("verdict", string(verdict)), slog.String("reason", reason))
	}
	return true, err
}

// pendingOutside announces inputs that the day waits for although their hour is not
// accepted: whoever worked on them died, and no turn of Sweep comes back to a file
// that is not registered. IngestHour ends what was begun.
func (a *App) pendingOutside(ctx context.Context, book registration.Book, pending []ledger.DayInput) error {
	for _, in := range pending {
		if a.unregistered(book, in.Hour) == "" {
			continue
		}
		name := landing.Name{CloudID: in.CloudID, Hour: in.Hour, SHA16: in.SHA16}
		if err := a.Queues.Enqueue(ctx, queue.Landed, queue.LandedMessage(name), 0); err != nil {
			return err
		}
	}
	return nil
}

// missing lists the reported hours that a day waits for: those on the calendar
// of the registration that have not come.
func (a *App) missing(ctx context.Context, day usage.Day, book registration.Book) ([]usage.Hour, error) {
	if len(book.Registrations) == 0 {
		return nil, nil // a day of an unknown stamp is not stated at all
	}
	missing, err := a.Ledger.Missing(ctx, book.CloudID, day, day.First(), a.Settings.SettlingHours)
	return slices.DeleteFunc(missing, func(h usage.Hour) bool { return !book.Expects(h.Start()) }), err
}

// onCalendar reports whether some hour of a day is expected.
func onCalendar(book registration.Book, day usage.Day) bool {
	for h := day.First(); h < day.Next().First(); h++ {
		if book.Expects(h.Start()) {
			return true
		}
	}
	return false
}

// due is errNotDue if a day should rather wait for what is missing.
func (a *App) due(book registration.Book, day usage.Day, missing []usage.Hour, firstLanding time.Time) error {
	if len(missing) > 0 && a.Now().Before(a.deadline(book, day, firstLanding)) {
		return fmt.Errorf("close day %s of %s: %d hours missing, the first is %s: %w", day, book.CloudID, len(missing), missing[0], errNotDue)
	}
	return nil
}

// deadline is when a day closes even with hours missing.
func (a *App) deadline(book registration.Book, day usage.Day, firstLanding time.Time) time.Time {
	return ledger.Deadline(day, book.Made(day.Compact()), firstLanding, a.Settings.CloseDelay)
}

// registration reads the book of the sweep's registration, once.
func (s *landedSweep) registration(ctx context.Context) (registration.Book, error) {
	if s.book == nil {
		book, err := s.app.Registrations.Book(ctx, s.cloudID)
		if err != nil {
			return book, err
		}
		s.book = &book
	}
	return *s.book, nil
}
