package handlers_test

import (
	"bytes"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

const (
	contoso     = "dbab3982-796f-4d03-9908-044c08aef8a2" // a directory tenant
	contosoPays = "e09a4e93-29a7-4eba-a6d4-76202383f07f"
	fabrikam    = "5f3c1d2e-796f-4d03-9908-044c08aef8a2"
	deleted     = "11111111-cfe9-4fcf-b90c-87f2af292fc9" // a stack subscription that later hours do not know
	operators   = "22222222-cfe9-4fcf-b90c-87f2af292fc9" // the stack's own
)

// of is a row of another stack subscription.
func of(subscriptionID, row string) string {
	return strings.ReplaceAll(row, subscription, subscriptionID)
}

// tenantHour ingests an hour whose header maps subscriptions to tenants.
func (r *rig) tenantHour(t testing.TB, h usage.Hour, tenants map[string]string, rows ...string) {
	t.Helper()
	r.headedHour(t, landing.Header{ReportedStart: h.Start(), CollectedAt: h.End(), ProviderSubscriptions: []string{operators}, Tenants: tenants}, rows...)
}

// headedHour ingests an hour with a header.
func (r *rig) headedHour(t testing.TB, header landing.Header, rows ...string) landing.Name {
	t.Helper()
	header.CloudID, header.Region = cloudID, "northwest"
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, header)
	ok(t, err)
	for _, row := range rows {
		ok(t, w.Row([]byte(row)))
	}
	name, _, err := w.Close(1)
	ok(t, err)
	r.drop(t, name, file.Bytes())
	r.done(t, "IngestHour", landedMessage(name))
	return name
}

// registrar makes changes as the API and the tool do.
func (r *rig) registrar() *registrar.Registrar {
	return &registrar.Registrar{Store: r.registry(), Now: r.Now}
}

func (r *rig) registerAs(t testing.TB, change func(*registration.Registration)) {
	t.Helper()
	reg := registration.Registration{CloudID: cloudID, Name: "hamburg", EffectiveDay: "20191210", SubscriptionID: payer,
		SubscriptionKind: registration.CSP, BillingModel: registration.PayAsYouUse, Region: "northwest", Start: hour22.Start()}
	change(&reg)
	reporting := !reg.ReportingOff
	_, _, err := r.registrar().Put(t.Context(), registrar.Change{Registration: reg, Reporting: &reporting})
	ok(t, err)
}

func (r *rig) mapTenant(t testing.TB, tenant, subscription, day string) {
	t.Helper()
	_, _, err := r.registrar().Map(t.Context(), "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: subscription, EffectiveDay: day})
	ok(t, err)
}

// paid is what each Azure subscription was charged for, by usage day, over all
// records.
func paid(t *testing.T, b billing) map[string]string {
	t.Helper()
	return paidBy(t, b, "billingSubscriptionId")
}

// paidBy is what commerce was told, by day and a property of the records.
func paidBy(t *testing.T, b billing, property string) map[string]string {
	t.Helper()
	sums := model{}
	for _, c := range rawRecords(t, b) {
		sums.add(c[property].(string), c["usageDate"].(string), c["quantity"].(string))
	}
	return sums.text()
}

func check(t *testing.T, what string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestTenantsAreCharged(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b, rnd := newBilling(t, r), rand.New(rand.NewPCG(1, 2))
	r.registerAs(t, func(*registration.Registration) {})
	r.mapTenant(t, contoso, contosoPays, "20191201")
	r.mapTenant(t, strings.ToLower("C0FFEE00-796f-4d03-9908-044c08aef8a2"), "99999999-29a7-4eba-a6d4-76202383f07f", "20191201")
	r.tenantHour(t, hour22, map[string]string{subscription: fabrikam, deleted: contoso}, row(1, hour22-1, "1"), of(deleted, row(2, hour22-1, "2")), of(operators, row(3, hour22-1, "4")))
	r.tenantHour(t, hour23, map[string]string{strings.ToUpper(subscription): contoso, operators: contoso}, row(1, hour22, "8"))
	r.tenantHour(t, hour00, nil, row(1, hour23, "16"), of(fabrikam, row(4, hour23, "32")))
	r.settle(t, rnd)
	t.Run("the map that was read nearest to the end of the day decides, and all else is the registration's", func(t *testing.T) {
		check(t, "charged", map[string]string{"2019-12-10 " + contosoPays: "27", "2019-12-10 " + payer: "36"}, paid(t, b))
		r.verified(t)
	})
	restate := func(t *testing.T, why string) {
		t.Helper()
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because(why))
		ok(t, err)
		r.settle(t, rnd)
	}
	t.Run("a change from the next day on leaves the day as it was", func(t *testing.T) {
		r.mapTenant(t, contoso, "77777777-29a7-4eba-a6d4-76202383f07f", "20191211")
		n := len(b.records(t))
		restate(t, "is it the same?")
		if got := len(b.records(t)); got != n {
			t.Errorf("%d records more", got-n)
		}
	})
	t.Run("a mapping that is removed from the day on reverses its lines and charges the registration's", func(t *testing.T) {
		_, err := r.registrar().Unmap(t.Context(), "hamburg", contosoPays, "20191210", registration.Note{By: "olga", Reason: "never was a customer"})
		ok(t, err)
		restate(t, "the mapping was wrong")
		check(t, "charged", map[string]string{"2019-12-10 " + contosoPays: "0", "2019-12-10 " + payer: "63"}, paid(t, b))
		checkChains(t, b.records(t))
		r.verified(t)
	})
}

func TestReportingIsOff(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b, rnd := newBilling(t, r), rand.New(rand.NewPCG(1, 2))
	capacity := func(change func(*registration.Registration)) {
		r.registerAs(t, func(reg *registration.Registration) {
			reg.SubscriptionKind, reg.BillingModel, reg.ReportingOff = registration.EA, registration.Capacity, true
			change(reg)
		})
	}
	capacity(func(*registration.Registration) {})
	r.ingest(t, hour22, row(1, hour22-1, "1"), row(2, hour22-1, "0"))
	name := r.ingest(t, hour23, row(1, hour22, "2"))
	r.ingest(t, hour00, row(1, hour23, "4"))
	r.settle(t, rnd)
	revision := func(n int) table.Props {
		return r.rows(t, table.UsageDays)[cloudID+"/20191210_000"+string(rune('0'+n))]
	}
	t.Run("hours are kept and counted, the day is stated, and nothing is forwarded", func(t *testing.T) {
		if got := b.records(t); len(got) > 0 {
			t.Errorf("commerce took %v", got)
		}
		if h := r.hourRow(t, name); h.Verdict != hourlog.Accepted || h.Reporting != "off" {
			t.Errorf("%+v", h)
		}
		if p := revision(1); p["reporting"] != "off" || p["rows"] != int64(4) || p["records"] != int64(0) || p["batches"] != int64(0) {
			t.Errorf("%v", p)
		}
		r.verified(t)
	})
	t.Run("a late row makes another revision that is not forwarded", func(t *testing.T) {
		r.ingest(t, hour00+5, row(3, hour22, "8"))
		r.settle(t, rnd)
		if p := revision(2); p["reporting"] != "off" || p["rows"] != int64(5) || len(b.records(t)) > 0 {
			t.Errorf("%v", p)
		}
		r.verified(t)
	})
	t.Run("switched on from a later day, it stays at home", func(t *testing.T) {
		capacity(func(reg *registration.Registration) { reg.EffectiveDay, reg.ReportingOff = "20191211", false })
		r.sweepSince(t, r.Now().Add(-25*time.Hour))
		r.settle(t, rnd)
		for _, c := range b.records(t) {
			if c.UsageDate == theDay.String() {
				t.Errorf("%+v", c)
			}
		}
	})
	t.Run("switched on from its day, all of it goes out as usage, once, lines of zero too", func(t *testing.T) {
		capacity(func(reg *registration.Registration) { reg.ReportingOff, reg.Reason = false, "the auditors want it" })
		for range 3 {
			r.sweepSince(t, r.Now().Add(-25*time.Hour))
			r.settle(t, rnd)
		}
		sums, n := model{}, 0
		for _, c := range b.records(t) {
			if c.UsageDate == theDay.String() {
				sums.add("all", "", c.Quantity)
				if n++; c.Kind != "usage" || c.Corrects != "" {
					t.Errorf("%+v", c)
				}
			}
		}
		if got := sums.text()[" all"]; got != "15" || n != 3 {
			t.Errorf("billed %s in %d records, want 15 in 3", got, n)
		}
		if p := revision(3); p["reporting"] != nil || !strings.Contains(p["reason"].(string), "usage reporting is on from 20191210: the auditors want it") {
			t.Errorf("%v", p)
		}
		if revision(4) != nil {
			t.Errorf("stated again: %v", revision(4))
		}
		r.verified(t)
	})
	t.Run("switched off again, what was billed stays, and a late row is kept", func(t *testing.T) {
		capacity(func(reg *registration.Registration) {})
		n := len(b.records(t))
		r.ingest(t, hour00+8, row(1, hour22, "16"))
		r.settle(t, rnd)
		if p := revision(4); p["reporting"] != "off" || len(b.records(t)) != n {
			t.Errorf("%v", p)
		}
		r.verified(t)
	})
	t.Run("and on once more, it goes out as a correction", func(t *testing.T) {
		capacity(func(reg *registration.Registration) { reg.ReportingOff = false })
		r.sweepSince(t, r.Now().Add(-25*time.Hour))
		r.settle(t, rnd)
		all := b.records(t)
		if last := all[len(all)-1]; last.Kind != "correction" || last.Quantity != "16" {
			t.Errorf("%+v", last)
		}
		checkChains(t, all)
		r.verified(t)
	})
}

func TestTheCalendarOfARegistration(t *testing.T) {
	t.Parallel()
	t.Run("a day on which the registration ended waits for no hour after it", func(t *testing.T) {
		r := newRig(t)
		r.registerAs(t, func(reg *registration.Registration) { reg.End = hour23.Start() })
		r.ingest(t, hour22, rowsOf(hour22)...)
		r.done(t, "CloseDay", dayMessage(theDay))
		if p := r.only(t, table.UsageDays); p["complete"] != true {
			t.Errorf("%v", p)
		}
	})
	t.Run("an hour of long after the end waits until the stamp is registered again", func(t *testing.T) {
		r := newRig(t)
		r.registerAs(t, func(reg *registration.Registration) { reg.End = hour23.Start() })
		last := r.ingest(t, hour23, rowsOf(hour23)...) // the rows of the last hour
		late := r.ingest(t, hour23+1, rowsOf(hour23+1)...)
		if v, w := r.hourRow(t, last).Verdict, r.hourRow(t, late).Verdict; v != hourlog.Accepted || w != hourlog.Unregistered {
			t.Errorf("%s, %s", v, w)
		}
		r.take(t, "usage-landed")
		if n := r.swept(t, 61*time.Minute); n != 0 {
			t.Errorf("%d announced without need", n)
		}
		r.registerAs(t, func(*registration.Registration) {})
		r.sweepSince(t, r.Now().Add(-61*time.Minute))
		r.announced(t)
		if v := r.hourRow(t, late).Verdict; v != hourlog.Accepted {
			t.Errorf("%s", v)
		}
	})
	t.Run("hours of an unknown stamp count once it is registered", func(t *testing.T) {
		r := newRig(t)
		name := r.ingest(t, hour22, rowsOf(hour22)...)
		r.registerAs(t, func(*registration.Registration) {})
		r.sweepSince(t, r.Now().Add(-61*time.Minute))
		r.announced(t)
		if v := r.hourRow(t, name).Verdict; v != hourlog.Accepted {
			t.Errorf("%s", v)
		}
	})
}
