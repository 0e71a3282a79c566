package usagereport_test

import (
	"context"
	"math/big"
	"strings"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/internal/memstore"
	"stackusage/shared/meter"
	"stackusage/shared/prices"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
)

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	own     = "09065051-cfe9-4fcf-b90c-87f2af292fc9" // the stack's
	subA    = "11111111-1111-4111-8111-111111111111"
	subB    = "22222222-2222-4222-8222-222222222222"
	subC    = "33333333-3333-4333-8333-333333333333" // of no tenant
	tenantA = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
	tenantB = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"

	tables    = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
	baseVM    = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
	windowsVM = "9cd92d4c-bafd-4492-b278-bedc2de8232a"
	addresses = "f271a8a3-88c4-4d93-956a-063e1d2fa80b" // without a price
)

// priceList has a rate that changes in mid-month.
const priceList = `effective,meter_id,meter_name,unit,usd_rate,source_note
2017-01-01,` + tables + `,,,0.000025,
2017-01-01,` + baseVM + `,,,0.008,
2017-01-01,` + windowsVM + `,,,0.046,
2024-03-10,` + baseVM + `,,,0.009,
2017-01-01,` + addresses + `,,,,no published rate
`

func rateOf(meterID string, day usage.Day) string {
	switch {
	case meterID == tables:
		return "0.000025"
	case meterID == baseVM && day.String() >= "2024-03-10":
		return "0.009"
	case meterID == baseVM:
		return "0.008"
	}
	return ""
}

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func month(t testing.TB, text string) usage.Month {
	t.Helper()
	m, err := usage.ParseMonth(text)
	ok(t, err)
	return m
}

// scene is a stack in memory, and the rows that the test gave it.
type scene struct {
	closeddays.Stack
	reader *usagelines.Reader
	rows   []usage.Record
}

func newScene(t testing.TB) *scene {
	meters, err := meter.BuiltIn()
	ok(t, err)
	account := memstore.New()
	ok(t, account.Tables.Create(context.Background(), table.Names()...))
	ok(t, account.Blobs.Create(context.Background(), table.Containers()...))
	return &scene{
		Stack: closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(),
			Billing: "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11", Model: registration.PayAsYouUse, Infrastructure: []string{own},
			Tenants: map[string]string{subA: tenantA, subB: tenantB, own: tenantB}},
		reader: &usagelines.Reader{Tables: account.Tables, Blobs: account.Blobs, Meters: meters},
	}
}

func (s *scene) use(t testing.TB, day, subscription, resource, meterID, tags, quantity string) {
	t.Helper()
	d, err := usage.ParseDay(day)
	ok(t, err)
	q, err := usage.ParseQuantity(quantity)
	ok(t, err)
	r := usage.Record{Hour: d.First() + 3, Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: meterID, Tags: tags,
		ResourceURI: "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + resource}}
	s.Use(r)
	s.rows = append(s.rows, r)
}

func (s *scene) closeAll(t testing.TB) {
	t.Helper()
	days := map[usage.Day]bool{}
	for _, r := range s.rows {
		if !days[r.Hour.Day()] {
			days[r.Hour.Day()] = true
			ok(t, s.Close(t.Context(), r.Hour.Day(), closeddays.Revision{}))
		}
	}
}

func (s *scene) options(t testing.TB, by string) usagereport.Options {
	t.Helper()
	list, err := prices.Read(strings.NewReader(priceList))
	ok(t, err)
	o := usagereport.Options{Month: month(t, "2024-03"), Prices: list, TempDir: t.TempDir(), Now: time.Date(2024, 4, 20, 0, 0, 0, 0, time.UTC),
		Registrations: []registration.History{{CloudID: cloudID, Registrations: []registration.Registration{{CloudID: cloudID, Name: "hamburg",
			EffectiveDay: "20240101", Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)}}}}}
	o.By, err = usagereport.ParseDimensions(by)
	ok(t, err)
	return o
}

func report(t testing.TB, s *scene, o usagereport.Options) (*usagereport.Report, []usagereport.Row) {
	t.Helper()
	r, err := usagereport.Run(t.Context(), s.reader, o)
	ok(t, err)
	t.Cleanup(func() { ok(t, r.Close()) })
	var rows []usagereport.Row
	for row, err := range r.Rows() {
		ok(t, err)
		rows = append(rows, row)
	}
	return r, rows
}

func rat(t testing.TB, text string) *big.Rat {
	t.Helper()
	n, is := new(big.Rat).SetString(text)
	if !is {
		t.Fatalf("number %q", text)
	}
	return n
}
