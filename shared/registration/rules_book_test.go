package registration_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

// brokenInBook are the ways to break rules that look at what there is.
var brokenInBook = []struct {
	rule, code, want string
	there            reg
	do               func(ctx context.Context, g *registrar.Registrar) error
}{
	{"a name has one cloudId", "CloudIdUpdateNotAllowed", "cannot be changed", good(), func(ctx context.Context, g *registrar.Registrar) error {
		r := good()
		r.Name, r.CloudID = "HAMBURG", strings.Replace(cloudID, "b3", "b4", 1)
		_, _, err := g.Put(ctx, registrar.Change{Registration: r})
		return err
	}},
	{"a cloudId has one registration", "CloudIdUpdateNotAllowed", "already registered as hamburg", good(), func(ctx context.Context, g *registrar.Registrar) error {
		r := good()
		r.Name, r.EffectiveDay = "bremen", "20200301"
		_, _, err := g.Put(ctx, registrar.Change{Registration: r})
		return err
	}},
	{"a registration begins when the one before it has ended", "InvalidStart", "hamburg ended at 2020-01-15T10:00Z", good(), func(ctx context.Context, g *registrar.Registrar) error {
		_, err := g.End(ctx, "hamburg", at("2020-01-15T10:00:00Z"), registration.Note{}, registrar.Condition{})
		if err == nil {
			r := good()
			r.Name, r.EffectiveDay, r.Start = "bremen", "20200115", at("2020-01-15T09:00:00Z")
			_, _, err = g.Put(ctx, registrar.Change{Registration: r})
		}
		return err
	}},
	{"a tenant is a GUID in lower case", "InvalidTenantId", "must be a GUID", csp(), mapped("contoso", buyer)},
	{"the customer's subscription is a GUID in lower case", "InvalidCustomerSubscriptionId", "the letters' case matters", csp(), mapped(tenant, strings.ToUpper(buyer))},
	{"the customer's subscription is a GUID in lower case", "InvalidCustomerSubscriptionId", "must be a GUID", csp(), mapped(tenant, "")},
	{"a tenant and its subscription are some", "InvalidCustomerSubscriptionId", "names nobody", csp(), mapped(tenant, nobody)},
	{"a mapping's effective day is a day", "InvalidEffectiveDay", "must be of the form", csp(), func(ctx context.Context, g *registrar.Registrar) error {
		_, _, err := g.Map(ctx, "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: buyer, EffectiveDay: "soon"})
		return err
	}},
	{"a mapping's effective day is of this age", "InvalidEffectiveDay", "2000 to 2999", csp(), func(ctx context.Context, g *registrar.Registrar) error {
		_, _, err := g.Map(ctx, "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: buyer, EffectiveDay: "15000101"})
		return err
	}},
	{"tenants are mapped under CSP only", "UnauthorizedCspRegistration", "only a CSP can map tenants", good(), mapped(tenant, buyer)},
	{"tenants are mapped under pay-as-you-use only", "CustomerSubscriptionsNotAllowed", "billing model Capacity", func() reg {
		r := csp()
		r.BillingModel = registration.Capacity
		return r
	}(), mapped(tenant, buyer)},
	{"a customer's subscription is of one tenant", "CustomerSubscriptionInUse", "remove that mapping first", csp(), func(ctx context.Context, g *registrar.Registrar) error {
		return errors.Join(mapped(tenant, buyer)(ctx, g), mapped(strings.Replace(tenant, "db", "dc", 1), buyer)(ctx, g))
	}},
	{"an infrastructure subscription is a GUID in lower case", "InvalidInfrastructureSubscription", "must be a GUID", good(), infrastructure(registration.InfrastructureEntry{Subscriptions: []string{"default"}})},
	{"an infrastructure subscription is one", "InvalidInfrastructureSubscription", "names nobody", good(), infrastructure(registration.InfrastructureEntry{Subscriptions: []string{nobody}})},
	{"a list of infrastructure subscriptions fits a column", "InvalidInfrastructureSubscription", "at most 500", good(), infrastructure(registration.InfrastructureEntry{Subscriptions: many(501)})},
	{"an infrastructure list's effective day is a day", "InvalidEffectiveDay", "must be of the form", good(), infrastructure(registration.InfrastructureEntry{EffectiveDay: "soon"})},
	{"an infrastructure list's effective day is of this age", "InvalidEffectiveDay", "2000 to 2999", good(), infrastructure(registration.InfrastructureEntry{EffectiveDay: "15000101"})},
	{"a list is confirmed against the hash of a list", "InvalidListHash", "16 hex digits", good(), func(ctx context.Context, g *registrar.Registrar) error {
		_, err := g.SetInfrastructure(ctx, "hamburg", registration.InfrastructureEntry{Subscriptions: []string{provider}})
		if err == nil {
			_, err = g.ConfirmInfrastructure(ctx, "hamburg", "", "the other one", registration.Note{})
		}
		return err
	}},
	{"who and why fit one line, of an infrastructure list too", "InvalidReason", "line break", good(), infrastructure(registration.InfrastructureEntry{Note: registration.Note{Reason: "a\nb"}})},
	{"a provider subscription is a GUID", "InvalidProviderSubscription", "must be a GUID", good(), func(ctx context.Context, g *registrar.Registrar) error {
		_, err := g.RecordProvider(ctx, "hamburg", "default", registration.Note{})
		return err
	}},
	{"who and why fit one line, of a mapping too", "InvalidReason", "line break", csp(), func(ctx context.Context, g *registrar.Registrar) error {
		_, _, err := g.Map(ctx, "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: buyer, Note: registration.Note{Reason: "a\rb"}})
		return err
	}},
}

func mapped(tenant, subscription string) func(ctx context.Context, g *registrar.Registrar) error {
	return func(ctx context.Context, g *registrar.Registrar) error {
		_, _, err := g.Map(ctx, "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: subscription})
		return err
	}
}

func infrastructure(e registration.InfrastructureEntry) func(ctx context.Context, g *registrar.Registrar) error {
	return func(ctx context.Context, g *registrar.Registrar) error {
		_, err := g.SetInfrastructure(ctx, "hamburg", e)
		return err
	}
}

func many(n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("%08x%s", i, provider[8:]))
	}
	return all
}

func TestRulesOfBook(t *testing.T) {
	for _, b := range brokenInBook {
		t.Run(b.rule+": "+b.want, func(t *testing.T) {
			g, _ := desk()
			r := b.there
			on := true
			_, _, err := g.Put(t.Context(), registrar.Change{Registration: r, Reporting: &on})
			ok(t, err)
			if rejection := rejectionOf(t, b.do(t.Context(), g)); rejection.Code != b.code || !strings.Contains(rejection.Message, b.want) {
				t.Errorf("got %v, want %s: %s", rejection, b.code, b.want)
			}
		})
	}
}
