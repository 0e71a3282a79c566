package registration

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Store keeps histories.
type Store interface {
	// History reads everything of one cloudId; an empty history if there is nothing.
	History(ctx context.Context, cloudID string) (History, error)
	// Books reads all histories, by cloudId.
	Histories(ctx context.Context) ([]History, error)
	// Holder is the cloudId that has a name, in letters of any case; "" if none has.
	Holder(ctx context.Context, name string) (cloudID string, err error)
	// Append adds entries to a history, all or none, and counts a change: ErrChanged if
	// somebody else's came first. A registration's name is claimed before.
	Append(ctx context.Context, history History, added Added) error
}

// Added is what a change adds to a history. Numbers are set.
type Added struct {
	Registrations  []Registration
	Tenants        []Mapping
	Infrastructure []InfrastructureEntry
	Providers      []Provider
}

// Errors of a Store.
var (
	ErrChanged = errors.New("the registration has changed meanwhile")
	ErrTaken   = errors.New("another cloudId has the name")
)

// Registrar makes changes by the rules.
type Registrar struct {
	Store Store
	Now   func() time.Time

	// Closed lists the usage days that were closed with reporting on. A change that
	// reaches some of them is refused unless it is Confirmed. nil: there are none.
	Closed    func(ctx context.Context, cloudID string) ([]ClosedDay, error)
	Confirmed bool
	Grace     time.Duration // how long after an end reported hours are accepted
}

// appendTries bounds how often a change begins anew because another came first.
const appendTries = 5

// Change is what is wanted of a registration. What is nil or zero stands for what
// the registration has or, if it is new, for a default.
type Change struct {
	Registration
	Reporting *bool     // nil: as the billing model reports
	Match     Condition // on what there is
}

// Condition is on the version of a history. The zero value is none.
type Condition struct {
	New     bool // there must be no registration of the name
	Exists  bool // there must be one
	Version *int // it must have this version
}

func (c Condition) check(b History, exists bool) error {
	switch {
	case c.New && exists:
		return &Rejection{"PreconditionFailed", Stale, "there is a registration of this name already; read it, and change that"}
	case (c.Exists || c.Version != nil) && !exists:
		return &Rejection{"PreconditionFailed", Stale, "there is no registration of this name"}
	case c.Version != nil && *c.Version != b.Version:
		return &Rejection{"PreconditionFailed", Stale, "the registration has changed since it was read; read it again"}
	}
	return nil
}

// DefaultEnd is the end that a registration gets when nobody names one: the rows of
// the current hour are reported after it.
func DefaultEnd(now time.Time) time.Time { return now.UTC().Truncate(time.Hour).Add(time.Hour) }

// Put makes or changes a registration from a usage day on; today if w names none.
// Asking for what holds anyway changes nothing. made is true if the registration
// is new.
func (g *Registrar) Put(ctx context.Context, w Change) (history History, made bool, err error) {
	err = g.retry(ctx, func() error {
		history, made, err = g.put(ctx, w)
		return err
	})
	return history, made, err
}

func (g *Registrar) put(ctx context.Context, w Change) (History, bool, error) {
	r := w.Registration
	if r.EffectiveDay == "" {
		r.EffectiveDay = dayOf(g.Now())
	}
	c := change{reg: r.Filled()}
	if err := firstBroken(rules[:1], c, false); err != nil { // what is not a cloudId has no history
		return History{}, false, err
	}
	var err error
	if c.history, err = g.Store.History(ctx, r.CloudID); err != nil {
		return History{}, false, err
	}
	if c.holder, err = g.Store.Holder(ctx, c.reg.Name); err != nil {
		return History{}, false, err
	}
	held, err := On(c.history.Registrations, r.EffectiveDay)
	exists := err == nil && held.EffectiveDay <= r.EffectiveDay
	goesOn := exists && sameName(held.Name, c.reg.Name) && (held.End.IsZero() || dayOf(held.End) >= r.EffectiveDay)
	c.reg.ReportingOff = !c.reg.BillingModel.Reports()
	if w.Reporting != nil {
		c.reg.ReportingOff = !*w.Reporting
	}
	if c.reg.Start.IsZero() {
		c.reg.Start = g.start(r.EffectiveDay)
		if goesOn {
			c.reg.Start = held.Start
		} else if held.End.After(c.reg.Start) {
			c.reg.Start = held.End
		}
	}
	if c.reg.Region == "" && exists {
		c.reg.Region = held.Region
	}
	if err := w.Match.check(c.history, len(c.history.Registrations) > 0); err != nil {
		return History{}, false, err
	}
	if err := firstBroken(rules, c, false); err != nil {
		return History{}, false, err
	}
	held.End = c.history.End(r.EffectiveDay)
	if exists && held.SaysSame(c.reg) {
		return c.history, false, nil
	}
	made := len(c.history.Registrations) == 0
	c.reg.Number = c.history.next(c.reg.EffectiveDay)
	added := append([]Registration{c.reg}, c.history.revised(c.reg)...)
	history, err := g.add(ctx, c.history, Added{Registrations: added})
	return history, made, err
}

// start is the first expected hour of a registration from a usage day on: the
// hour that runs, if that is today.
func (g *Registrar) start(day string) time.Time {
	if now := g.Now().UTC(); dayOf(now) == day {
		return now.Truncate(time.Hour)
	}
	t, _ := time.Parse(dayForm, day) // else the rule of the effective day refuses
	return t
}

// End says when a registration ends: the hour from which on none is expected, and
// none taken, after those that hold the last usage. Its history stays.
func (g *Registrar) End(ctx context.Context, name string, end time.Time, why Note, match Condition) (history History, err error) {
	err = g.retry(ctx, func() error {
		history, err = g.end(ctx, name, end.UTC(), why, match)
		return err
	})
	return history, err
}

func (g *Registrar) end(ctx context.Context, name string, end time.Time, why Note, match Condition) (History, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return history, err
	}
	if err := match.check(history, true); err != nil {
		return history, err
	}
	day := dayOf(end)
	held, err := On(history.Registrations, day)
	if err != nil {
		return history, err
	}
	if !sameName(held.Name, history.Name()) {
		return history, &Rejection{"InvalidEnd", Clash, fmt.Sprintf("end %s: registration %s begins later, and %s held then", end.Format(time.RFC3339), history.Name(), held.Name)}
	}
	if !held.End.IsZero() && !held.End.After(end) && len(history.later(day)) == 0 {
		return history, nil // it has ended already
	}
	var added Added
	for _, day := range append([]string{day}, history.later(day)...) {
		r, _ := On(history.Registrations, day) // there is a history
		r.End, r.EffectiveDay, r.Note = end, day, why
		if !end.After(r.Start) { // a change that was to come and never does
			r.Start = held.Start
		}
		if err := firstBroken(rules, change{history: history, reg: r.Filled()}, false); err != nil {
			return history, err
		}
		added.Registrations = append(added.Registrations, r.Filled())
	}
	return g.add(ctx, history, added)
}

// Named is the history of the registration with a name; a Rejection if there is none.
func (g *Registrar) Named(ctx context.Context, name string) (History, error) {
	missing := &Rejection{"RegistrationNotFound", NotFound, fmt.Sprintf("there is no registration %.80q; list the registrations, or make this one first", name)}
	cloudID, err := g.Store.Holder(ctx, name)
	if err != nil || cloudID == "" {
		if err == nil {
			err = missing
		}
		return History{}, err
	}
	history, err := g.Store.History(ctx, cloudID)
	if err == nil && !sameName(history.Name(), name) {
		err = missing
	}
	return history, err
}

// retry begins a change anew if another one came first. The rules judge again.
func (g *Registrar) retry(ctx context.Context, try func() error) (err error) {
	for range appendTries {
		if err = try(); !errors.Is(err, ErrChanged) || ctx.Err() != nil {
			return err
		}
	}
	return err
}

// add appends, and returns the history with what was added. It sets number, time and
// change of what is added.
func (g *Registrar) add(ctx context.Context, history History, added Added) (History, error) {
	now := g.Now().UTC().Truncate(time.Second)
	noted := func(n *Note, number int) { n.Number, n.At, n.Change = number, now, history.Version+1 }
	for i := range added.Registrations {
		r := &added.Registrations[i]
		noted(&r.Note, history.next(r.EffectiveDay))
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
	after := history.with(added)
	if err := g.confirmed(ctx, history, after); err != nil {
		return history, err
	}
	err := g.Store.Append(ctx, history, added)
	if errors.Is(err, ErrTaken) { // since the rules were asked
		err = ErrChanged
	}
	if err != nil {
		return history, err
	}
	return after, nil
}
