package handlers_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"stackusage/shared/daybook"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

// TestTheBillingModelOfAStatedDayChanges: what was charged is taken back as it
// was charged. A correction by the model of now would give nothing back for usage
// that cost money under the model before, or charge what was free.
func TestTheBillingModelOfAStatedDayChanges(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b, rnd := newBilling(t, r), rand.New(rand.NewPCG(1, 2))
	as := func(t *testing.T, m registration.BillingModel, why string) {
		t.Helper()
		r.registerAs(t, func(reg *registration.Registration) {
			reg.SubscriptionKind, reg.BillingModel = registration.EA, m
			if m == registration.Development {
				reg.StackKind = registration.ASDK
			}
		})
		_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because(why))
		ok(t, err)
		r.settle(t, rnd)
	}
	r.registerAs(t, func(*registration.Registration) {})
	r.ingest(t, hour22, row(1, hour22-1, "1"), row(2, hour22-1, "0"))
	r.ingest(t, hour23, row(1, hour22, "2"))
	r.ingest(t, hour00, row(1, hour23, "4"))
	r.settle(t, rnd)
	for _, step := range []struct {
		why   string
		model registration.BillingModel
	}{
		{"it was a kit all along", registration.Development},
		{"or licensed by the year", registration.Capacity},
		{"no, it was not", registration.PayAsYouUse},
	} {
		t.Run(step.why, func(t *testing.T) {
			as(t, step.model, step.why)
			got := paidBy(t, b, "billingModel")
			for m, sum := range got {
				want := "0"
				if m == "2019-12-10 "+string(step.model) {
					want = "7"
				}
				if sum != want {
					t.Errorf("%s: %s, want %s", m, sum, want)
				}
			}
			checkChains(t, b.records(t))
			r.verified(t)
			n := len(b.records(t))
			as(t, step.model, "is it the same?")
			if more := len(b.records(t)) - n; more != 0 {
				t.Errorf("%d records more", more)
			}
		})
	}
	t.Run("a late row after a change", func(t *testing.T) {
		as(t, registration.Development, "a kit after all")
		r.ingest(t, hour00+5, row(1, hour22, "8"))
		r.settle(t, rnd)
		got := paidBy(t, b, "billingModel")
		check(t, "billed", map[string]string{"2019-12-10 PayAsYouUse": "0", "2019-12-10 Capacity": "0", "2019-12-10 Development": "15"}, got)
		r.verified(t)
	})
}

// TestCarriedUsageKeepsItsBillingModel: usage of a day is charged as it was settled,
// in whichever day it is stated, and whatever the registration says now.
func TestCarriedUsageKeepsItsBillingModel(t *testing.T) {
	t.Parallel()
	l := expired(t) // stated under pay-as-you-use, and taken by nobody
	history, err := l.Registrations.History(t.Context(), cloudID)
	ok(t, err)
	kit, stamp := history.Registrations[0], history.Registrations[0]
	kit.EffectiveDay, kit.BillingModel, kit.StackKind = "20191210", registration.Development, registration.ASDK
	stamp.EffectiveDay = "20191213"
	for _, reg := range []registration.Registration{kit, stamp} {
		_, _, err = l.registrar().Put(t.Context(), registrar.Change{Registration: reg})
		ok(t, err)
	}
	l.carried(t, theDay, december(14), "commerce was away")
	got := paidBy(t, l.billing, "billingModel")
	if len(got) == 0 {
		t.Fatal("nothing was carried")
	}
	for m, sum := range got {
		if !strings.HasSuffix(m, " PayAsYouUse") {
			t.Errorf("%s: %s", m, sum)
		}
	}
	l.verified(t)
}
