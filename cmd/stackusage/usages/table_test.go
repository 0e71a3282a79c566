package usages

import (
	"strings"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/outcome"
	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestTable: what is in the bill stands above its total, and the rest below it.
func TestTable(t *testing.T) {
	meters, err := meter.BuiltIn()
	ok(t, err)
	account := memstore.New()
	ok(t, account.Tables.Create(t.Context(), table.Names()...))
	ok(t, account.Blobs.Create(t.Context(), table.Containers()...))
	const cloudID, subscription = "b31316d4-de02-43a4-903d-eb74f8258b01", "11111111-1111-4111-8111-111111111111"
	s := closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(),
		Billing: cloudID, Model: registration.PayAsYouUse, Tenants: map[string]string{subscription: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"}}
	first := usage.HourOf(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)).Day()
	for i, uri := range []string{"/resourceGroups/rg/providers/a/b/web", "/resourceGroups/rg/providers/a/c/web", "/resourceGroups/other/providers/a/b/db", "/providers/a/b/c"} {
		q, err := usage.ParseQuantity([]string{"100.5", "0.0001", "3", "40.00001"}[i])
		ok(t, err)
		s.Use(usage.Record{Hour: first.First() + usage.Hour(24*i), Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: meter.BaseVM, ResourceURI: "/subscriptions/" + subscription + uri}})
		say := []string{outcome.Accepted, outcome.Accepted, "", outcome.Rejected}[i]
		ok(t, s.Close(t.Context(), first+usage.Day(i), closeddays.Revision{Outcome: func(int, daily.Record) outcome.Result { return outcome.Result{Status: say} }}))
	}
	list, err := prices.Read(strings.NewReader("effective,meter_id,meter_name,unit,usd_rate,source_note\n2017-01-01," + meter.BaseVM + ",,,0.008,\n"))
	ok(t, err)
	printed := func(by string, list *prices.List, top int) string {
		t.Helper()
		o := usagereport.Options{Month: usage.Month(first), Prices: list, TempDir: t.TempDir(), Top: top, Now: first.Start().AddDate(0, 0, 9),
			Registrations: []registration.History{{CloudID: cloudID, Registrations: []registration.Registration{{CloudID: cloudID, Name: "hamburg", EffectiveDay: "20240301", Start: first.Start(), End: first.Start().AddDate(0, 0, 5)}}}}}
		o.By, err = usagereport.ParseDimensions(by)
		ok(t, err)
		r, err := usagereport.Run(t.Context(), &usagelines.Reader{Tables: account.Tables, Blobs: account.Blobs, Meters: meters}, o)
		ok(t, err)
		defer r.Close()
		var out strings.Builder
		ok(t, printTable(&out, r, o, false))
		return strings.ReplaceAll(out.String(), "/subscriptions/"+subscription, "SUB")
	}
	for name, c := range map[string]struct{ got, want string }{
		"with prices": {printed("resource", list, 0), `
hamburg, 2024-03-01 to 2024-03-31 (4 of 5 days closed), USD

RESOURCE                                 WHAT        AMOUNT
web (rg)                                           0.80
SUB/resourceGroups/rg/providers/a/c/web           <0.01
total                                              0.80
db (other)                               pending   0.02
c                                        declined  0.32
hamburg, 2024-03: not closed yet: 2024-03-05
numbers are rounded here; --output json has every digit
`},
		"without prices": {printed("subscription", nil, 0), `
hamburg, 2024-03-01 to 2024-03-31 (4 of 5 days closed), quantities only

SUBSCRIPTION  METER               WHAT      QUANTITY  UNIT
11111111      Base VM Size Hours            100.5001  vCPU hours
11111111      Base VM Size Hours  pending     3       vCPU hours
11111111      Base VM Size Hours  declined   40       vCPU hours
hamburg, 2024-03: not closed yet: 2024-03-05
there are no prices, so there are no amounts: --prices, --bill and STACKUSAGE_PRICES name them
numbers are rounded here; --output json has every digit
`},
	} {
		if squeeze(c.got) != squeeze(strings.TrimPrefix(c.want, "\n")) {
			t.Errorf("%s: got\n%s\nwant%s", name, c.got, c.want)
		}
	}
	if text := printed("resource", list, 1); !strings.Contains(squeeze(text), "(1 other) <0.01") {
		t.Errorf("output:\n%s", text)
	}
}

func squeeze(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}
