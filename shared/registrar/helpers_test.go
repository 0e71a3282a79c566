package registrar_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

type reg = registration.Registration

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

	payer  = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	tenant = "dbab3982-796f-4d03-9908-044c08aef8a2"
	buyer  = "e09a4e93-29a7-4eba-a6d4-76202383f07f"

	provider       = "5a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b15"
	secondProvider = "6a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b16"
)

func good() registration.Registration {
	return registration.Registration{
		CloudID: cloudID, Name: "hamburg", EffectiveDay: "20191210", SubscriptionID: payer, SubscriptionKind: registration.EA, Cloud: registration.AzureCloud,
		StackKind: registration.Integrated, BillingModel: registration.PayAsYouUse, Start: time.Date(2019, 12, 10, 5, 0, 0, 0, time.UTC), Region: "northwest",
	}
}

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return t
}

func rejectionOf(t *testing.T, err error) *registration.Rejection {
	t.Helper()
	var rejection *registration.Rejection
	if !errors.As(err, &rejection) {
		t.Fatalf("got %v, want a rejection", err)
	}
	return rejection
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
