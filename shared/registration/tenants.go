package registration

import (
	"context"
	"fmt"
	"strings"
)

func sameName(a, b string) bool { return a != "" && strings.EqualFold(a, b) }

// Map charges a directory tenant's usage to an Azure subscription of its own from
// a usage day on; today if m names none. A second mapping takes the place of the
// first from its day on. made is true if the tenant had none.
func (g *Registrar) Map(ctx context.Context, name string, m Mapping) (mapped Mapping, made bool, err error) {
	err = g.retry(ctx, func() error {
		mapped, made, err = g.mapTenant(ctx, name, m)
		return err
	})
	return mapped, made, err
}

// Unmap ends the mapping to an Azure subscription from a usage day on: the tenant
// falls back to the registration's. A mapping that is to begin later never does,
// and one that has ended already stays so.
func (g *Registrar) Unmap(ctx context.Context, name, subscriptionID, day string, why Note) (ended Mapping, err error) {
	err = g.retry(ctx, func() error {
		ended, err = g.unmap(ctx, name, subscriptionID, day, why)
		return err
	})
	return ended, err
}

func (g *Registrar) unmap(ctx context.Context, name, subscriptionID, day string, why Note) (Mapping, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return Mapping{}, err
	}
	if day == "" {
		day = dayOf(g.Now())
	}
	if ends := history.endings(subscriptionID, day, why); len(ends) > 0 {
		for _, m := range ends {
			held, err := On(history.Registrations, m.EffectiveDay)
			if err == nil {
				err = firstBroken(mappingRules, change{history: history, reg: held, mapping: &m, removes: true}, false)
			}
			if err != nil {
				return Mapping{}, err
			}
		}
		_, err := g.add(ctx, history, Added{Tenants: ends})
		return ends[0], err
	}
	for _, m := range history.Tenants {
		if m.SubscriptionID == subscriptionID {
			return Mapping{CloudID: history.CloudID, TenantID: m.TenantID, EffectiveDay: day, Note: why}, nil // it has ended
		}
	}
	return Mapping{}, &Rejection{"CustomerSubscriptionNotFound", NotFound,
		fmt.Sprintf("customer subscription %.60q is not mapped under registration %s; list its customer subscriptions", subscriptionID, history.Name())}
}

func (g *Registrar) mapTenant(ctx context.Context, name string, m Mapping) (Mapping, bool, error) {
	history, err := g.Named(ctx, name)
	if err != nil {
		return m, false, err
	}
	if m.EffectiveDay == "" {
		m.EffectiveDay = dayOf(g.Now())
	}
	m.CloudID = history.CloudID
	held, err := On(history.Registrations, m.EffectiveDay)
	if err != nil {
		return m, false, err
	}
	if err := firstBroken(mappingRules, change{history: history, reg: held, mapping: &m}, false); err != nil {
		return m, false, err
	}
	have, was := history.Mapped(m.EffectiveDay)[m.TenantID]
	if have == m.SubscriptionID {
		return m, false, nil
	}
	history, err = g.add(ctx, history, Added{Tenants: []Mapping{m}})
	if err != nil {
		return m, false, err
	}
	return m, !was, nil
}
