package main

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/azurestore"
	"stackusage/shared/landing"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// The one registration of the local stack.
const (
	cloudID             = "7e64b1f5-2c7d-4f0a-8a55-3d1f6b1c9e01"
	billingSubscription = "2f1c7c36-51b7-4b6f-9c0b-6a8f3f6d2a10"
)

// What the stack may be registered as.
const (
	asIntegrated = "integrated" // an integrated system, charged to an EA subscription
	asKit        = "kit"        // a Development Kit: reported, and never charged
	asCSP        = "csp"        // under CSP, each directory tenant with a subscription of its own
)

var registeredAs = []string{asIntegrated, asKit, asCSP}

// register does what a deployment and a registration do: the container, the rows
// that name the billing subscription, and by the same rules.
func (s *site) register(ctx context.Context) error {
	landed, err := azurestore.Connect(s.setting, "LandingStorage")
	if err != nil {
		return err
	}
	if err := s.usage.Tables.Create(ctx, table.Registrations); err != nil {
		return err
	}
	for _, l := range s.stacks {
		if err := landed.Blobs.Create(ctx, landing.Container(l.cloudID)); err != nil {
			return err
		}
		if l.name != "" {
			continue // the story registers it, as an operator does
		}
		if err := s.registerOne(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// registerOne registers the stack of a scenario that has one.
func (s *site) registerOne(ctx context.Context, l *local) error {
	first := l.stack.First()
	day := usage.HourOf(first).Day().Compact()
	why := registration.Note{By: "devstack", Reason: "the stack that is simulated here"}
	w := registrar.Change{Registration: registration.Registration{
		CloudID: l.cloudID, SubscriptionID: l.billing, SubscriptionKind: registration.EA,
		StackKind: registration.Integrated, BillingModel: registration.PayAsYouUse,
		EffectiveDay: day, Start: first, Region: l.stack.Region(), Note: why,
		// The hours that settle the last usage day are of a day of their own, which
		// expects no more than them.
		End: l.stack.End(),
	}}
	switch s.o.registration {
	case asKit:
		w.StackKind, w.BillingModel = registration.ASDK, registration.Development
	case asCSP:
		w.SubscriptionKind = registration.CSP
	}
	registrar := &registrar.Registrar{Store: registry.Registry{Tables: s.usage.Tables}, Now: time.Now}
	book, _, err := registrar.Put(ctx, w)
	if err != nil || s.o.registration != asCSP {
		return err
	}
	for _, tenant := range l.customers() {
		m := registration.Mapping{TenantID: tenant, SubscriptionID: customerSubscription(tenant), EffectiveDay: day, Note: why}
		if _, _, err := registrar.Map(ctx, book.Name(), m); err != nil {
			return err
		}
	}
	return nil
}

// customers are the directory tenants that the stack's users belong to.
func (l *local) customers() (tenants []string) {
	own := l.stack.InfrastructureSubscriptions()
	operators := func(sub azurestack.Subscription) bool { return slices.Contains(own, sub.SubscriptionID) }
	for _, sub := range slices.DeleteFunc(l.stack.Subscriptions(), operators) {
		if !slices.Contains(tenants, sub.TenantID) {
			tenants = append(tenants, sub.TenantID)
		}
	}
	return tenants
}

// customerSubscription is the Azure subscription that a directory tenant pays by.
func customerSubscription(tenant string) string {
	return uuid.NewSHA1(uuid.MustParse(billingSubscription), []byte(tenant)).String()
}
