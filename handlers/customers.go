package handlers

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/gorilla/mux"

	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
	"stackusage/shared/usage"
)

// CustomerResource is a directory tenant that is charged by an Azure subscription
// of its own, by the name of the subscription.
type CustomerResource struct {
	ID         string             `json:"id,omitempty"`   // shown
	Name       string             `json:"name,omitempty"` // shown
	Type       string             `json:"type,omitempty"` // shown
	Properties CustomerProperties `json:"properties"`
}

// CustomerProperties say whose the subscription is.
type CustomerProperties struct {
	TenantID     string `json:"tenantId"`
	EffectiveDay string `json:"effectiveDay,omitempty"` // asked for: 2019-12-10; today if left out
	Reason       string `json:"reason,omitempty"`
}

func customerOf(r registration.Registration, tenant, subscription string) CustomerResource {
	return CustomerResource{ID: resource.ID(r) + "/customerSubscriptions/" + subscription, Name: r.Name + "/" + subscription,
		Type: typeCustomer, Properties: CustomerProperties{TenantID: tenant}}
}

// customers lists who is mapped today.
func (a *App) customers(ctx context.Context, name string) (list []CustomerResource, err error) {
	history, err := a.registrar().Named(ctx, name)
	if err != nil {
		return nil, err
	}
	held, err := history.On(usage.HourOf(a.Now()).Day().Compact())
	if err != nil {
		return nil, err
	}
	list = []CustomerResource{}
	for tenant, subscription := range held.Tenants {
		list = append(list, customerOf(held.Registration, tenant, subscription))
	}
	slices.SortFunc(list, func(a, b CustomerResource) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func (a *App) customerSubscriptions(ctx context.Context, r *http.Request) (answer, error) {
	list, err := a.customers(ctx, mux.Vars(r)["name"])
	return answer{status: http.StatusOK, body: map[string]any{"value": list}}, err
}

// customerSubscription reads, makes, changes or ends a mapping.
func (a *App) customerSubscription(ctx context.Context, r *http.Request) (answer, error) {
	name, subscription := mux.Vars(r)["name"], mux.Vars(r)["customerSubscription"]
	switch r.Method {
	case http.MethodPut:
		return a.putCustomer(ctx, r, name, subscription)
	case http.MethodDelete:
		day, err := apiDay(r.URL.Query().Get("effectiveDay"))
		if err != nil {
			return answer{}, err
		}
		registrar, err := a.changing(r)
		if err != nil {
			return answer{}, err
		}
		_, err = registrar.Unmap(ctx, name, subscription, day, note(r, r.URL.Query().Get("reason")))
		return answer{status: http.StatusOK, body: struct{}{}}, err
	}
	list, err := a.customers(ctx, name)
	if err != nil {
		return answer{}, err
	}
	for _, c := range list {
		if strings.HasSuffix(c.Name, "/"+subscription) {
			return answer{status: http.StatusOK, body: c}, nil
		}
	}
	return answer{}, refuse(registration.NotFound, "CustomerSubscriptionNotFound", "customer subscription %.60q is not mapped under registration %.80q; list its customer subscriptions", subscription, name)
}

func (a *App) putCustomer(ctx context.Context, r *http.Request, name, subscription string) (answer, error) {
	var resource CustomerResource
	if err := readRequest(r, &resource); err != nil {
		return answer{}, err
	}
	p := resource.Properties
	day, err := apiDay(p.EffectiveDay)
	if err != nil {
		return answer{}, err
	}
	m := registration.Mapping{TenantID: strings.ToLower(p.TenantID), SubscriptionID: subscription, EffectiveDay: day, Note: note(r, p.Reason)}
	registrar, err := a.changing(r)
	if err != nil {
		return answer{}, err
	}
	m, made, err := registrar.Map(ctx, name, m)
	if err != nil {
		return answer{}, err
	}
	history, err := registrar.Named(ctx, name)
	if err != nil {
		return answer{}, err
	}
	held, err := history.On(m.EffectiveDay)
	if err != nil {
		return answer{}, err
	}
	status := http.StatusOK
	if made {
		status = http.StatusCreated
	}
	return answer{status: status, body: customerOf(held.Registration, m.TenantID, m.SubscriptionID)}, nil
}
