package azurestore_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/ledger"
	"stackusage/shared/registration"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	payer   = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
)

func entry(day string) registration.Registration {
	return registration.Registration{
		CloudID: cloudID, EffectiveDay: day, SubscriptionID: payer, BillingModel: registration.PayAsYouUse,
		Region: "northwest", Start: time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC),
	}
}

func TestRegistrations(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := connect(t).Tables
	ok(t, tables.Create(ctx, ledger.TableRegistrations))
	history := func() []registration.Registration {
		t.Helper()
		all, err := tables.Registrations(ctx, cloudID)
		ok(t, err)
		return all
	}
	t.Run("an unknown cloudId has no history", func(t *testing.T) {
		if got := history(); got != nil {
			t.Errorf("got %v", got)
		}
	})
	t.Run("entries come back oldest first, without the rows of tenants", func(t *testing.T) {
		other := entry("20191210")
		other.CloudID = "00000000-de02-43a4-903d-eb74f8258b01"
		for _, r := range []registration.Registration{entry("20200301"), entry("20191210"), other} {
			ok(t, tables.PutRegistration(ctx, r))
		}
		ok(t, tables.Apply(ctx, ledger.TableRegistrations, cloudID, ledger.Op{Verb: ledger.Put, Row: ledger.Row{
			Partition: cloudID, Key: "tenant_11111111-cfe9-4fcf-b90c-87f2af292fc9_20191210", Props: ledger.Props{"subscriptionId": payer}}}))
		if diff := cmp.Diff([]registration.Registration{entry("20191210"), entry("20200301")}, history()); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
	})
	t.Run("an entry may be put again", func(t *testing.T) {
		moved := entry("20200301")
		moved.Region = "southeast"
		ok(t, tables.PutRegistration(ctx, moved))
		if diff := cmp.Diff([]registration.Registration{entry("20191210"), moved}, history()); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
	})
	t.Run("an entry that is not valid is not stored", func(t *testing.T) {
		bad := entry("20210101")
		bad.BillingModel = "Free"
		if err := tables.PutRegistration(ctx, bad); err == nil || len(history()) != 2 {
			t.Errorf("got error %v and %d entries", err, len(history()))
		}
	})
	t.Run("a row that was spoilt by hand is an error that names it", func(t *testing.T) {
		ok(t, tables.Apply(ctx, ledger.TableRegistrations, cloudID, ledger.Op{Verb: ledger.Put, Row: ledger.Row{
			Partition: cloudID, Key: "registration_20220101", Props: ledger.Props{"subscriptionId": "mine"}}}))
		_, err := tables.Registrations(ctx, cloudID)
		if err == nil || !strings.Contains(err.Error(), "row registration_20220101") || !strings.Contains(err.Error(), `subscriptionId "mine"`) {
			t.Errorf("got %v, want the row and what is wrong with it", err)
		}
	})
	t.Run("a table that does not answer is an error, not an unknown cloudId", func(t *testing.T) {
		if _, err := connect(t).Tables.Registrations(ctx, cloudID); err == nil {
			t.Error("no error without a table: every hour would be unregistered")
		}
	})
}
