package registry_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"stackusage/internal/memstore"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	payer   = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
)

func entry(day string) registration.Registration {
	return registration.Registration{
		CloudID: cloudID, EffectiveDay: day, SubscriptionID: payer, BillingModel: registration.PayAsYouUse,
		Region: "northwest", Start: time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC),
	}.Filled()
}

var ignoreChange = cmpopts.IgnoreFields(registration.Note{}, "Change")

func TestRegistrations(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := memstore.NewTables(table.Registrations)
	entries := registry.Registry{Tables: tables}
	history := func() []registration.Registration {
		t.Helper()
		all, err := entries.Registrations(ctx, cloudID)
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
		other.CloudID, other.Name = "00000000-de02-43a4-903d-eb74f8258b01", ""
		for _, r := range []registration.Registration{entry("20200301"), entry("20191210"), other} {
			ok(t, entries.Put(ctx, r))
		}
		ok(t, tables.Apply(ctx, table.Registrations, cloudID, table.Op{Verb: table.Put, Row: table.Row{
			Partition: cloudID, Key: "tenant_11111111-cfe9-4fcf-b90c-87f2af292fc9_20191210", Props: table.Props{"subscriptionId": payer}}}))
		ok(t, entries.Put(ctx, entry("20191210"))) // said before
		if diff := cmp.Diff([]registration.Registration{entry("20191210"), entry("20200301")}, history(), ignoreChange); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
	})
	t.Run("another entry for the same day is kept beside the first, and holds", func(t *testing.T) {
		moved := entry("20200301")
		moved.Region = "southeast"
		ok(t, entries.Put(ctx, moved))
		moved.Number = 1
		if diff := cmp.Diff([]registration.Registration{entry("20191210"), entry("20200301"), moved}, history(), ignoreChange); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
		if held, err := registration.On(history(), "20200301"); err != nil || held.Region != "southeast" {
			t.Errorf("holds %+v, %v", held, err)
		}
	})
	t.Run("a row of before there were kinds and names is read as what it stood for", func(t *testing.T) {
		const old = "0badcafe-de02-43a4-903d-eb74f8258b01"
		ok(t, tables.Apply(ctx, table.Registrations, old, table.Op{Verb: table.Insert, Row: table.Row{Partition: old, Key: "registration_20191210", Props: table.Props{
			"subscriptionId": payer, "billingModel": "PayAsYouUse", "region": "northwest", "start": entry("").Start}}}))
		want := entry("20191210")
		want.CloudID, want.Name = old, "AzureStack-"+old
		got, err := entries.Registrations(ctx, old)
		ok(t, err)
		if diff := cmp.Diff([]registration.Registration{want}, got); diff != "" {
			t.Errorf("history (-want +got):\n%s", diff)
		}
	})
	t.Run("an entry that is not valid is not stored", func(t *testing.T) {
		bad := entry("20210101")
		bad.BillingModel = "Free"
		if err := entries.Put(ctx, bad); err == nil || len(history()) != 3 {
			t.Errorf("got error %v and %d entries", err, len(history()))
		}
	})
	t.Run("a row that was spoilt by hand is an error that names it", func(t *testing.T) {
		ok(t, tables.Apply(ctx, table.Registrations, cloudID, table.Op{Verb: table.Put, Row: table.Row{
			Partition: cloudID, Key: "registration_20220101", Props: table.Props{"subscriptionId": "mine"}}}))
		_, err := entries.Registrations(ctx, cloudID)
		if err == nil || !strings.Contains(err.Error(), "row registration_20220101") || !strings.Contains(err.Error(), `subscriptionId "mine"`) {
			t.Errorf("got %v, want the row and what is wrong with it", err)
		}
	})
	t.Run("a table that does not answer is an error, not an unknown cloudId", func(t *testing.T) {
		if _, err := (registry.Registry{Tables: memstore.NewTables()}).Registrations(ctx, cloudID); err == nil {
			t.Error("no error without a table: every hour would be unregistered")
		}
	})
}

func TestRegistrarOnTables(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	tables := memstore.NewTables(table.Registrations)
	entries := registry.Registry{Tables: tables}
	g := &registrar.Registrar{Store: entries, Now: func() time.Time { return time.Date(2020, 1, 15, 13, 30, 0, 0, time.UTC) }}
	want := entry("20191210")
	want.Name, want.SubscriptionKind = "hamburg", registration.CSP
	want.Note = registration.Note{By: "olga", Reason: "new stamp"}
	on := true
	_, made, err := g.Put(ctx, registrar.Change{Registration: want, Reporting: &on})
	ok(t, err)
	tenant := registration.Mapping{TenantID: "dbab3982-796f-4d03-9908-044c08aef8a2", SubscriptionID: "e09a4e93-29a7-4eba-a6d4-76202383f07f"}
	_, _, err = g.Map(ctx, "Hamburg", tenant)
	ok(t, err)
	_, err = g.Unmap(ctx, "hamburg", tenant.SubscriptionID, "20200115", registration.Note{})
	ok(t, err)
	_, err = g.End(ctx, "hamburg", want.Start.AddDate(0, 6, 0), registration.Note{Reason: "scrapped"}, registrar.Condition{})
	ok(t, err)
	_, err = g.RecordProvider(ctx, "hamburg", payer, registration.Note{})
	ok(t, err)
	history, err := entries.History(ctx, cloudID)
	ok(t, err)
	parts, err := history.Parts("20191210")
	ok(t, err)
	_, err = g.RecordInfrastructure(ctx, history, parts[0], []string{payer}, registration.Note{By: "CloseDay"})
	ok(t, err)
	_, err = g.RecordInfrastructure(ctx, history, parts[0], []string{tenant.SubscriptionID}, registration.Note{By: "CloseDay"})
	if !errors.Is(err, registration.ErrChanged) {
		t.Errorf("the second closer: %v", err)
	}
	hash := registration.ListHash([]string{tenant.SubscriptionID})
	_, err = g.ConfirmInfrastructure(ctx, "hamburg", "20191210", hash, registration.Note{By: "olga", Reason: "looked"})
	ok(t, err)
	t.Run("what was said is read back, each entry a row and each change a number", func(t *testing.T) {
		history, err := entries.History(ctx, cloudID)
		ok(t, err)
		at := time.Date(2020, 1, 15, 13, 30, 0, 0, time.UTC)
		want.At, want.Change = at, 1
		ended := want
		ended.EffectiveDay, ended.End, ended.Note = "20200610", want.Start.AddDate(0, 6, 0), registration.Note{Reason: "scrapped", At: at, Change: 4}
		first := registration.Mapping{CloudID: cloudID, TenantID: tenant.TenantID, EffectiveDay: "20200115", Note: registration.Note{At: at, Change: 2}, SubscriptionID: tenant.SubscriptionID}
		removed := first
		removed.Number, removed.Change, removed.SubscriptionID = 1, 3, ""
		recorded := registration.InfrastructureEntry{CloudID: cloudID, EffectiveDay: "20191210", Note: registration.Note{By: "CloseDay", At: at, Change: 6}, Subscriptions: []string{payer}}
		confirmed := recorded
		confirmed.Note, confirmed.Confirmed, confirmed.Against = registration.Note{Number: 1, By: "olga", Reason: "looked", At: at, Change: 7}, true, []string{hash}
		all := registration.History{CloudID: cloudID, Version: 7, Registrations: []registration.Registration{want, ended}, Tenants: []registration.Mapping{first, removed},
			Infrastructure: []registration.InfrastructureEntry{recorded, confirmed}, Providers: []string{payer}}
		if diff := cmp.Diff(all, history); diff != "" || !made {
			t.Errorf("made %t, history (-want +got):\n%s", made, diff)
		}
		histories, err := entries.Histories(ctx)
		ok(t, err)
		if diff := cmp.Diff([]registration.History{all}, histories); diff != "" {
			t.Errorf("histories (-want +got):\n%s", diff)
		}
	})
	t.Run("of two changes of one version the second is told", func(t *testing.T) {
		history, err := entries.History(ctx, cloudID)
		ok(t, err)
		later := want
		later.EffectiveDay = "20200401"
		ok(t, entries.Append(ctx, history, registration.Added{Registrations: []registration.Registration{later}}))
		later.EffectiveDay = "20200501" // another row, and yet too late
		if err := entries.Append(ctx, history, registration.Added{Registrations: []registration.Registration{later}}); !errors.Is(err, registration.ErrChanged) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("what a change adds while the rows are read is left for the next reading", func(t *testing.T) {
		const torn = "6badcafe-de02-43a4-903d-eb74f8258b01"
		ok(t, entries.Put(ctx, func() registration.Registration { r := entry("20191210"); r.CloudID, r.Name = torn, ""; return r }()))
		row, err := tables.Get(ctx, table.Registrations, torn, "registration_20191210")
		ok(t, err)
		row.Key, row.Props["change"] = "registration_20200101", int64(2) // and change_000002 was not there yet
		ok(t, tables.Apply(ctx, table.Registrations, torn, table.Op{Verb: table.Insert, Row: row}))
		if history, err := entries.History(ctx, torn); err != nil || len(history.Registrations) != 1 || history.Version != 1 {
			t.Errorf("%+v, %v", history, err)
		}
	})
	t.Run("names", func(t *testing.T) {
		for name, holder := range map[string]string{"HAMBURG": cloudID, "kiel": "", "a/b#c?": "", registration.DefaultName(payer): payer} {
			if got, err := entries.Holder(ctx, name); err != nil || got != holder {
				t.Errorf("%s: %q, %v", name, got, err)
			}
		}
		other := want
		other.CloudID = "0badcafe-de02-43a4-903d-eb74f8258b01"
		err := entries.Append(ctx, registration.History{CloudID: other.CloudID}, registration.Added{Registrations: []registration.Registration{other}})
		if !errors.Is(err, registration.ErrTaken) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a row key that is none is an error", func(t *testing.T) {
		for _, key := range []string{"registration_20191210_0001", "registration_20191210_2", "tenant_x_20191210", "registration_x"} {
			const spoilt = "5badcafe-de02-43a4-903d-eb74f8258b01"
			row := table.Row{Partition: spoilt, Key: key, Props: table.Props{"subscriptionId": payer, "billingModel": "PayAsYouUse", "start": want.Start}}
			ok(t, tables.Apply(ctx, table.Registrations, spoilt, table.Op{Verb: table.Insert, Row: row}))
			if _, err := entries.History(ctx, spoilt); err == nil || !strings.Contains(err.Error(), key) {
				t.Errorf("%s: %v", key, err)
			}
			got, err := tables.Get(ctx, table.Registrations, spoilt, key)
			ok(t, err)
			ok(t, tables.Apply(ctx, table.Registrations, spoilt, table.Op{Verb: table.Delete, Row: got}))
		}
	})
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
