package registrar

import (
	"context"
	"fmt"

	"stackusage/shared/registration"
)

// Map charges a directory tenant's usage to an Azure subscription of its own from
// a usage day on; today if m names none. A second mapping takes the place of the
// first from its day on. made is true if the tenant had none.
func (g *Registrar) Map(ctx context.Context, name string, m registration.Mapping) (mapped registration.Mapping, made bool, err error) {
	err = g.retry(ctx, func() error {
		mapped, made, err = g.mapTenant(ctx, name, m)
		return err
	})
	return mapped, made, err
}

// Unmap ends the mapping to an Azure subscription from a usage day on: the tenant
// falls back to the registration's. A mapping that is to begin later never does,
// and one that has ended already stays so.
func (g *Registrar) Unmap(ctx context.Context, name, subscriptionID, day string, why registration.Note) (ended registration.Mapping, err error) {
	err = g.retry(ctx, func() error {
		ended, err = g.unmap(ctx, name, subscriptionID, day, why)
		return err
	})
	return ended, err
}

func (g *Registrar) unmap(ctx context.Context, name, subscriptionID, day string, why registration.Note) (registration.Mapping, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return registration.Mapping{}, err
	}
	if day == "" {
		day = registration.DayOf(g.Now())
	}
	if ends := history.Endings(subscriptionID, day, why); len(ends) > 0 {
		for _, m := range ends {
			held, err := registration.On(history.Registrations, m.EffectiveDay)
			if err == nil {
				err = registration.Validate(registration.Candidate{History: history, Registration: held, Mapping: &m, Removes: true})
			}
			if err != nil {
				return registration.Mapping{}, err
			}
		}
		_, err := g.add(ctx, history, registration.Added{Tenants: ends})
		return ends[0], err
	}
	for _, m := range history.Tenants {
		if m.SubscriptionID == subscriptionID {
			return registration.Mapping{CloudID: history.CloudID, TenantID: m.TenantID, EffectiveDay: day, Note: why}, nil // it has ended
		}
	}
	return registration.Mapping{}, &registration.Rejection{Code: "CustomerSubscriptionNotFound", Kind: registration.NotFound,
		Message: fmt.Sprintf("customer subscription %.60q is not mapped under registration %s; list its customer subscriptions", subscriptionID, history.Name())}
}

func (g *Registrar) mapTenant(ctx context.Context, name string, m registration.Mapping) (registration.Mapping, bool, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return m, false, err
	}
	if m.EffectiveDay == "" {
		m.EffectiveDay = registration.DayOf(g.Now())
	}
	m.CloudID = history.CloudID
	held, err := registration.On(history.Registrations, m.EffectiveDay)
	if err != nil {
		return m, false, err
	}
	if err := registration.Validate(registration.Candidate{History: history, Registration: held, Mapping: &m}); err != nil {
		return m, false, err
	}
	have, was := history.Mapped(m.EffectiveDay)[m.TenantID]
	if have == m.SubscriptionID {
		return m, false, nil
	}
	history, err = g.add(ctx, history, registration.Added{Tenants: []registration.Mapping{m}})
	if err != nil {
		return m, false, err
	}
	return m, !was, nil
}
