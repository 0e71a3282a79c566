package handlers

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/ledger"
	"stackusage/shared/registration"
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

// unregistered is why a reported hour does not count; empty if it does. The rows
// of the last hours before a registration's end are reported after it, so the
// settling hours are taken too.
func (a *App) unregistered(book registration.Book, hour usage.Hour) string {
	switch {
	case len(book.Registrations) == 0:
		return "no registration has this cloudId; the hour counts once there is one"
	case registration.Ended(book.Registrations, hour.Start(), time.Duration(a.Settings.SettlingHours)*time.Hour):
		return "the registration had ended; the hour counts once it is registered again from that day on"
	}
	return ""
}

// missing lists the reported hours that a day waits for: those on the calendar
// of the registration that have not come.
func (a *App) missing(ctx context.Context, day usage.Day, book registration.Book) ([]usage.Hour, error) {
	if len(book.Registrations) == 0 {
		return nil, nil // a day of an unknown stamp is not stated at all
	}
	missing, err := a.Ledger.Missing(ctx, book.CloudID, day, day.First(), a.Settings.SettlingHours)
	return slices.DeleteFunc(missing, func(h usage.Hour) bool { return !registration.Expects(book.Registrations, h.Start()) }), err
}

// onCalendar reports whether some hour of a day is expected.
func onCalendar(book registration.Book, day usage.Day) bool {
	for h := day.First(); h < day.Next().First(); h++ {
		if registration.Expects(book.Registrations, h.Start()) {
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

// unforwarded asks for the next revision of days that were stated with reporting
// off and have it on now: it was switched on from their day, or before. It costs
// nothing where reporting was never off, or never on.
func (s *landedSweep) unforwarded(ctx context.Context) error {
	book, err := s.registration(ctx)
	if err != nil {
		return err
	}
	off, on := registration.Reporting(book.Registrations)
	if !off || !on {
		return nil
	}
	last := map[usage.Day]ledger.Revision{}
	for st, err := range s.app.Ledger.Statements(ctx, s.cloudID, 0, 0) {
		if err != nil {
			return err
		}
		last[st.Day] = st.Revision
	}
	var errs []error
	for day, revision := range last {
		held, err := book.On(day.Compact())
		if err != nil || held.ReportingOff || revision.Reporting != ledger.ReportingOff {
			continue
		}
		_, err = s.app.Ledger.AskRevision(ctx, s.cloudID, day, ledger.SettleNothing, ledger.Reasoned{
			By: cmp.Or(held.By, "Sweep"), At: s.now,
			Reason: fmt.Sprintf("usage reporting is on from %s: %.900s", held.EffectiveDay, cmp.Or(held.Reason, "the registration says so")),
		})
		errs = append(errs, err)
	}
	return errors.Join(errs...)
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
