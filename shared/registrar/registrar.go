// Package registrar is what an operator may change of a registration: it reads the
// history, has the rules judge, asks for a confirmation where closed days are
// affected, and appends in one insert.
package registrar

import (
	"context"
	"errors"
	"fmt"
	"time"

	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Registrar makes changes by the rules.
type Registrar struct {
	Store registration.Store
	Now   func() time.Time

	// Closed lists the usage days that were closed with reporting on. A change that
	// reaches some of them is refused unless it is Confirmed. nil: there are none.
	Closed    func(ctx context.Context, cloudID string) ([]registration.ClosedDay, error)
	Confirmed bool
	Grace     time.Duration // how long after an end reported hours are accepted
}

// appendTries bounds how often a change begins anew because another came first.
const appendTries = 5

// Change is what is wanted of a registration. What is nil or zero stands for what
// the registration has or, if it is new, for a default.
type Change struct {
	registration.Registration
	Reporting *bool     // nil: as the billing model reports
	Match     Condition // on what there is
}

// Condition is on the version of a history. The zero value is none.
type Condition struct {
	New     bool // there must be no registration of the name
	Exists  bool // there must be one
	Version *int // it must have this version
}

func (c Condition) check(b registration.History, exists bool) error {
	switch {
	case c.New && exists:
		return &registration.Rejection{Code: "PreconditionFailed", Kind: registration.Stale, Message: "there is a registration of this name already; read it, and change that"}
	case (c.Exists || c.Version != nil) && !exists:
		return &registration.Rejection{Code: "PreconditionFailed", Kind: registration.Stale, Message: "there is no registration of this name"}
	case c.Version != nil && *c.Version != b.Version:
		return &registration.Rejection{Code: "PreconditionFailed", Kind: registration.Stale, Message: "the registration has changed since it was read; read it again"}
	}
	return nil
}

// DefaultEnd is the end that a registration gets when nobody names one: the rows of
// the current hour are reported after it.
func DefaultEnd(now time.Time) time.Time { return now.UTC().Truncate(time.Hour).Add(time.Hour) }

// Put makes or changes a registration from a usage day on; today if w names none.
// Asking for what holds anyway changes nothing. made is true if the registration
// is new.
func (g *Registrar) Put(ctx context.Context, w Change) (history registration.History, made bool, err error) {
	err = g.retry(ctx, func() error {
		history, made, err = g.put(ctx, w)
		return err
	})
	return history, made, err
}

func (g *Registrar) put(ctx context.Context, w Change) (registration.History, bool, error) {
	r := w.Registration
	if r.EffectiveDay == "" {
		r.EffectiveDay = registration.DayOf(g.Now())
	}
	c := registration.Candidate{Registration: r.Filled()}
	if err := registration.ValidateCloudID(c.Registration.CloudID); err != nil { // what is not a cloudId has no history
		return registration.History{}, false, err
	}
	var err error
	if c.History, err = g.Store.History(ctx, r.CloudID); err != nil {
		return registration.History{}, false, err
	}
	if c.Holder, err = g.Store.Holder(ctx, c.Registration.Name); err != nil {
		return registration.History{}, false, err
	}
	held, err := registration.On(c.History.Registrations, r.EffectiveDay)
	exists := err == nil && held.EffectiveDay <= r.EffectiveDay
	goesOn := exists && registration.SameName(held.Name, c.Registration.Name) && (held.End.IsZero() || registration.DayOf(held.End) >= r.EffectiveDay)
	c.Registration.ReportingOff = !c.Registration.BillingModel.Reports()
	if w.Reporting != nil {
		c.Registration.ReportingOff = !*w.Reporting
	}
	if c.Registration.Start.IsZero() {
		c.Registration.Start = g.start(r.EffectiveDay)
		if goesOn {
			c.Registration.Start = held.Start
		} else if held.End.After(c.Registration.Start) {
			c.Registration.Start = held.End
		}
	}
	if c.Registration.Region == "" && exists {
		c.Registration.Region = held.Region
	}
	if err := w.Match.check(c.History, len(c.History.Registrations) > 0); err != nil {
		return registration.History{}, false, err
	}
	if err := registration.Validate(c); err != nil {
		return registration.History{}, false, err
	}
	held.End = c.History.End(r.EffectiveDay)
	if exists && held.SaysSame(c.Registration) {
		return c.History, false, nil
	}
	made := len(c.History.Registrations) == 0
	c.Registration.Number = c.History.Next(c.Registration.EffectiveDay)
	added := append([]registration.Registration{c.Registration}, c.History.Revised(c.Registration)...)
	history, err := g.add(ctx, c.History, registration.Added{Registrations: added})
	return history, made, err
}

// start is the first expected hour of a registration from a usage day on: the
// hour that runs, if that is today.
func (g *Registrar) start(day string) time.Time {
	if now := g.Now().UTC(); registration.DayOf(now) == day {
		return now.Truncate(time.Hour)
	}
	return registration.DayTime(day) // of none: the rule of the effective day refuses
}

// End says when a registration ends: the hour from which on none is expected, and
// none taken, after those that hold the last usage. Its history stays.
func (g *Registrar) End(ctx context.Context, name string, end time.Time, why registration.Note, match Condition) (history registration.History, err error) {
	err = g.retry(ctx, func() error {
		history, err = g.end(ctx, name, end.UTC(), why, match)
		return err
	})
	return history, err
}

func (g *Registrar) end(ctx context.Context, name string, end time.Time, why registration.Note, match Condition) (registration.History, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return history, err
	}
	if err := match.check(history, true); err != nil {
		return history, err
	}
	day := registration.DayOf(end)
	held, err := registration.On(history.Registrations, day)
	if err != nil {
		return history, err
	}
	if !registration.SameName(held.Name, history.Name()) {
		return history, &registration.Rejection{Code: "InvalidEnd", Kind: registration.Clash, Message: fmt.Sprintf("end %s: registration %s begins later, and %s held then", usage.Point(end), history.Name(), held.Name)}
	}
	if !held.End.IsZero() && !held.End.After(end) && len(history.Later(day)) == 0 {
		return history, nil // it has ended already
	}
	var added registration.Added
	for _, day := range append([]string{day}, history.Later(day)...) {
		r, _ := registration.On(history.Registrations, day) // there is a history
		r.End, r.EffectiveDay, r.Note = end, day, why
		if !end.After(r.Start) { // a change that was to come and never does
			r.Start = held.Start
		}
		if err := registration.Validate(registration.Candidate{History: history, Registration: r.Filled()}); err != nil {
			return history, err
		}
		added.Registrations = append(added.Registrations, r.Filled())
	}
	return g.add(ctx, history, added)
}

// Named is the history of the registration with a name; a Rejection if there is none.
func (g *Registrar) Named(ctx context.Context, name string) (registration.History, error) {
	missing := &registration.Rejection{Code: "RegistrationNotFound", Kind: registration.NotFound, Message: fmt.Sprintf("there is no registration %.80q; list the registrations, or make this one first", name)}
	cloudID, err := g.Store.Holder(ctx, name)
	if err != nil || cloudID == "" {
		if err == nil {
			err = missing
		}
		return registration.History{}, err
	}
	history, err := g.Store.History(ctx, cloudID)
	if err == nil && !registration.SameName(history.Name(), name) {
		err = missing
	}
	return history, err
}

// retry begins a change anew if another one came first. The rules judge again.
func (g *Registrar) retry(ctx context.Context, try func() error) (err error) {
	for range appendTries {
		if err = try(); !errors.Is(err, registration.ErrChanged) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// add appends, and returns the history with what was added. It sets number, time and
// change of what is added.
func (g *Registrar) add(ctx context.Context, history registration.History, added registration.Added) (registration.History, error) {
	now := g.Now().UTC().Truncate(time.Second)
	noted := func(n *registration.Note, number int) { n.Number, n.At, n.Change = number, now, history.Version+1 }
	for i := range added.Registrations {
		r := &added.Registrations[i]
		noted(&r.Note, history.Next(r.EffectiveDay))
	}
	for i := range added.Tenants {
		m, number := &added.Tenants[i], 0
		for _, have := range history.Tenants {
			if have.TenantID == m.TenantID && have.EffectiveDay == m.EffectiveDay {
				number = max(number, have.Number+1)
			}
		}
		noted(&m.Note, number)
	}
	for i := range added.Infrastructure {
		e, number := &added.Infrastructure[i], 0
		for _, have := range history.Infrastructure {
			if have.EffectiveDay == e.EffectiveDay {
				number = max(number, have.Number+1)
			}
		}
		noted(&e.Note, number)
	}
	for i := range added.Providers {
		noted(&added.Providers[i].Note, 0)
	}
	after := history.With(added)
	if err := g.confirmed(ctx, history, after); err != nil {
		return history, err
	}
	err := g.Store.Append(ctx, history, added)
	if errors.Is(err, registration.ErrTaken) { // since the rules were asked
		err = registration.ErrChanged
	}
	if err != nil {
		return history, err
	}
	return after, nil
}
