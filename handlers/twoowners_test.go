package handlers_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

// TestADayOfTwoRegistrations: a registration ends inside a day and another one
// begins. Each pays for the usage hours that are its own, whenever they are
// reported, also where partials are made again.
func TestADayOfTwoRegistrations(t *testing.T) {
	t.Parallel()
	const other = "99999999-2222-4333-8444-555555555555"
	day := theDay.First()
	for name, gone := range map[string]bool{"with its partials": false, "when they are gone": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			b := newBilling(t, r)
			r.registerAs(t, func(reg *registration.Registration) {
				reg.Start, reg.EffectiveDay = day.Start().AddDate(0, 0, -5), "20191205"
				reg.SubscriptionKind = registration.EA
			})
			_, err := r.registrar().End(t.Context(), "hamburg", (day + 10).Start(), registration.Note{By: "o", Reason: "sold"}, registrar.Condition{})
			ok(t, err)
			_, _, err = r.registrar().Put(t.Context(), registrar.Change{Registration: registration.Registration{CloudID: cloudID, Name: "newowner",
				EffectiveDay: "20191210", SubscriptionID: other, SubscriptionKind: registration.EA, BillingModel: registration.PayAsYouUse,
				Region: "northwest", Start: (day + 15).Start()}})
			ok(t, err)
			r.ingest(t, day+5, row(1, day+4, "100"), row(2, day+5, "20"))
			r.ingest(t, day+10, row(1, day+9, "8")) // reported in the settling hours after the end
			r.ingest(t, day+16, row(1, day+9, "0.5"), row(1, day+15, "1"), row(3, day+16, "2"))
			r.advance(72 * time.Hour)
			want := map[string]string{"2019-12-10 " + payer: "257/2", "2019-12-10 " + other: "3"}
			if gone {
				r.App.Blobs = r.withoutPartials()
				r.reroute(t)
			}
			r.untilNothingIsOpen(t, rand.New(rand.NewPCG(1, 1)))
			check(t, "paid", want, paid(t, b))
		})
	}
}
