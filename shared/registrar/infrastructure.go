package registrar

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"stackusage/shared/registration"
)

// SetInfrastructure says what the stack's own subscriptions are from a usage day
// on; today if e names none. An operator who says so confirms it. Asking for what
// holds anyway, and is confirmed, changes nothing.
func (g *Registrar) SetInfrastructure(ctx context.Context, name string, e registration.InfrastructureEntry) (set registration.InfrastructureEntry, err error) {
	err = g.retry(ctx, func() error {
		set, err = g.setInfrastructure(ctx, name, e)
		return err
	})
	return set, err
}

func (g *Registrar) setInfrastructure(ctx context.Context, name string, e registration.InfrastructureEntry) (registration.InfrastructureEntry, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return e, err
	}
	e.EffectiveDay = cmp.Or(e.EffectiveDay, registration.DayOf(g.Now()))
	e.CloudID, e.Confirmed, e.Subscriptions = history.CloudID, true, registration.NormalList(e.Subscriptions)
	held, known := history.InfrastructureOn(e.EffectiveDay)
	if known && held.Confirmed && slices.Equal(held.Subscriptions, e.Subscriptions) && held.EffectiveDay <= e.EffectiveDay {
		return held, nil
	}
	if known && slices.Equal(held.Subscriptions, e.Subscriptions) {
		e.Against = held.Against
	}
	return g.addInfrastructure(ctx, history, e)
}

// ConfirmInfrastructure confirms the list that holds on a usage day, today if it
// is empty, and with it that another list, which headers have, is not the one to
// bill by. against is ListHash of that list; empty: no header has another.
func (g *Registrar) ConfirmInfrastructure(ctx context.Context, name, day, against string, why registration.Note) (confirmed registration.InfrastructureEntry, err error) {
	err = g.retry(ctx, func() error {
		confirmed, err = g.confirmInfrastructure(ctx, name, day, against, why)
		return err
	})
	return confirmed, err
}

func (g *Registrar) confirmInfrastructure(ctx context.Context, name, day, against string, why registration.Note) (registration.InfrastructureEntry, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return registration.InfrastructureEntry{}, err
	}
	day = cmp.Or(day, registration.DayOf(g.Now()))
	e, known := history.InfrastructureOn(day)
	if !known {
		return e, &registration.Rejection{Code: "InfrastructureNotFound", Kind: registration.NotFound, Message: fmt.Sprintf("registration %s has no infrastructure subscriptions on %.40s that could be confirmed; set them first", history.Name(), day)}
	}
	if e.Confirmed && (against == "" || slices.Contains(e.Against, against)) {
		return e, nil
	}
	if e.Confirmed, e.Note = true, why; against != "" {
		e.Against = append(slices.Clone(e.Against), against)
	}
	return g.addInfrastructure(ctx, history, e)
}

func (g *Registrar) addInfrastructure(ctx context.Context, history registration.History, e registration.InfrastructureEntry) (registration.InfrastructureEntry, error) {
	if err := registration.Validate(registration.Candidate{History: history, Infrastructure: &e}); err != nil {
		return e, err
	}
	added := registration.Added{Infrastructure: []registration.InfrastructureEntry{e}}
	_, err := g.add(ctx, history, added)
	return added.Infrastructure[0], err
}

// RecordInfrastructure keeps what a closer found to be the stack's own
// subscriptions where the registration of a part of a usage day has no list: from
// its first day on, not confirmed. Where somebody else has changed the
// registration since the history was read it fails with ErrChanged: read the history
// again, and use what stands there.
func (g *Registrar) RecordInfrastructure(ctx context.Context, history registration.History, part registration.Part, subscriptions []string, why registration.Note) (registration.History, error) {
	if part.InfrastructureKnown {
		return history, nil
	}
	e := registration.InfrastructureEntry{CloudID: history.CloudID, EffectiveDay: part.FirstDay, Note: why, Subscriptions: registration.NormalList(subscriptions)}
	if err := registration.Validate(registration.Candidate{History: history, Infrastructure: &e}); err != nil {
		return history, err
	}
	return g.add(ctx, history, registration.Added{Infrastructure: []registration.InfrastructureEntry{e}})
}

// RecordProvider keeps the provider subscription that an activation key names.
func (g *Registrar) RecordProvider(ctx context.Context, name, subscription string, why registration.Note) (history registration.History, err error) {
	err = g.retry(ctx, func() error {
		if history, err = g.Named(ctx, name); err != nil {
			return err
		}
		provider := registration.Provider{CloudID: history.CloudID, Note: why, Subscription: registration.NormalList([]string{subscription})[0]}
		if slices.Contains(history.Providers, provider.Subscription) {
			return nil
		}
		if err := registration.Validate(registration.Candidate{History: history, Provider: &provider}); err != nil {
			return err
		}
		history, err = g.add(ctx, history, registration.Added{Providers: []registration.Provider{provider}})
		return err
	})
	return history, err
}
