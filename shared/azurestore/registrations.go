package azurestore

import (
	"context"
	"fmt"
	"strings"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/registration"
)

const registrationPrefix = "registration_"

// Registrations reads the history of a registration, oldest first; empty if
// the cloudId is not registered.
func (t *Tables) Registrations(ctx context.Context, cloudID string) ([]registration.Registration, error) {
	var history []registration.Registration
	for row, err := range t.List(ctx, ledger.TableRegistrations, cloudID, registrationPrefix, "registration`") {
		if err != nil {
			return nil, fmt.Errorf("read registration %s: %w", cloudID, err)
		}
		text := func(column string) string { s, _ := row.Props[column].(string); return s }
		start, _ := row.Props["start"].(time.Time)
		r := registration.Registration{
			CloudID:        row.Partition,
			EffectiveDay:   strings.TrimPrefix(row.Key, registrationPrefix),
			SubscriptionID: text("subscriptionId"),
			BillingModel:   registration.BillingModel(text("billingModel")),
			Region:         text("region"),
			Start:          start,
		}
		if err := r.Validate(); err != nil {
			return nil, fmt.Errorf("read registration %s: row %s: %w", cloudID, row.Key, err)
		}
		history = append(history, r)
	}
	return history, nil
}

// PutRegistration stores one entry of a registration's history.
func (t *Tables) PutRegistration(ctx context.Context, r registration.Registration) error {
	if err := r.Validate(); err != nil {
		return err
	}
	row := ledger.Row{Partition: r.CloudID, Key: registrationPrefix + r.EffectiveDay, Props: ledger.Props{
		"subscriptionId": r.SubscriptionID, "billingModel": string(r.BillingModel), "region": r.Region, "start": r.Start.UTC(),
	}}
	return t.Apply(ctx, ledger.TableRegistrations, r.CloudID, ledger.Op{Verb: ledger.Put, Row: row})
}
