package handlers_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/daybook"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// longRegistered is a rig whose stack was registered days before the usage day.
func longRegistered(t testing.TB) *rig {
	t.Helper()
	r := newRig(t)
	_, _, err := r.registrar().Put(t.Context(), registrar.Change{Registration: registration.Registration{
		CloudID: cloudID, Name: "hamburg", EffectiveDay: "20191205", SubscriptionID: payer, SubscriptionKind: registration.EA,
		BillingModel: registration.PayAsYouUse, Region: "northwest", Start: hour22.Start().AddDate(0, 0, -5)}})
	ok(t, err)
	return r
}

func (r *rig) end(t testing.TB, at usage.Hour, confirmed bool) error {
	t.Helper()
	g := r.operator(confirmed)
	g.Grace = time.Hour // SettlingHours of the rig
	_, err := g.End(t.Context(), "hamburg", at.Start(), registration.Note{By: "olga", Reason: "the stack was gone"}, registrar.Condition{})
	return err
}

// sweptOut runs Sweep and what it announces until nothing is left to be done.
func (r *rig) sweptOut(t *testing.T, rnd *rand.Rand) {
	t.Helper()
	for range 3 {
		r.sweep(t)
		r.announced(t)
		r.settle(t, rnd)
	}
	r.finished(t)
}

// TestABackdatedEnd gives the same, whether it comes before the hours, before their
// day is closed or after it.
func TestABackdatedEnd(t *testing.T) {
	t.Parallel()
	ends := hour22 - 48
	for _, when := range []string{"before the hours", "before the day is closed", "after the day is closed", "after it was restated"} {
		t.Run(when, func(t *testing.T) {
			t.Parallel()
			r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
			b := newBilling(t, r)
			if when == "before the hours" {
				ok(t, r.end(t, ends, false))
			}
			var names []landing.Name
			for _, h := range allDay {
				names = append(names, r.ingest(t, h, rowsOf(h)...))
			}
			if when == "before the day is closed" {
				ok(t, r.end(t, ends, false)) // it needs no confirmation
			}
			if when != "before the hours" && when != "before the day is closed" {
				r.advance(72 * time.Hour) // hours before the day's first one never come
				r.settle(t, rnd)
				if len(paid(t, b)) == 0 {
					t.Fatal("nothing was billed")
				}
				needsConfirmation(t, r.end(t, ends, false))
			}
			if when == "after it was restated" {
				_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("another look"))
				ok(t, err)
				r.settle(t, rnd)
			}
			ok(t, r.end(t, ends, true))
			r.sweptOut(t, rnd)
			for who, quantity := range paid(t, b) {
				if quantity != "0" {
					t.Errorf("%s is left with %s", who, quantity)
				}
			}
			for _, n := range names {
				if got := r.hourRow(t, n).Verdict; got != hourlog.Unregistered {
					t.Errorf("%s: %s", n, got)
				}
			}
			t.Run("registered again, the hours count again", func(t *testing.T) {
				history, err := r.registry().History(t.Context(), cloudID)
				ok(t, err)
				reg := history.Registrations[0]
				reg.EffectiveDay = history.Registrations[1].EffectiveDay // the end is taken back
				_, _, err = r.operator(false).Put(t.Context(), registrar.Change{Registration: reg})
				ok(t, err)
				r.sweep(t)
				r.announced(t)
				r.advance(72 * time.Hour)
				r.sweptOut(t, rnd)
				for _, n := range names {
					if got := r.hourRow(t, n).Verdict; got != hourlog.Accepted {
						t.Errorf("%s: %s", n, got)
					}
				}
				want, _ := new(big.Rat).SetString("54.634277698583901")
				check(t, "charged", map[string]string{"2019-12-10 " + payer: want.RatString()}, paid(t, b))
			})
		})
	}
}

// TestABackdatedEndInsideADay keeps the hours before it, and the first ones after
// it, which report their rows.
func TestABackdatedEndInsideADay(t *testing.T) {
	t.Parallel()
	r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
	b := newBilling(t, r)
	day := theDay.First()
	for h := day; h < day+25; h++ {
		r.ingest(t, h, row(1, h-1, "1"))
	}
	r.advance(72 * time.Hour)
	r.settle(t, rnd)
	check(t, "before", map[string]string{"2019-12-09 " + payer: "1", "2019-12-10 " + payer: "24"}, paid(t, b))
	needsConfirmation(t, r.end(t, day+10, false))
	ok(t, r.end(t, day+10, true))
	r.sweptOut(t, rnd)
	// The hour after the end is accepted: SettlingHours is 1.
	check(t, "after", map[string]string{"2019-12-09 " + payer: "1", "2019-12-10 " + payer: "10"}, paid(t, b))
}

// TestAnEndWhoseExclusionFails: each write of IngestHour fails once, in both ways.
func TestAnEndWhoseExclusionFails(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t, func(t *testing.T) *rig {
		r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
		newBilling(t, r)
		r.ingest(t, hour22, rowsOf(hour22)...)
		r.advance(72 * time.Hour)
		r.settle(t, rnd)
		ok(t, r.end(t, hour22-48, true))
		return r
	}, func(r *rig) (int, string) {
		return r.call("IngestHour", landedMessage(r.landedHour(t)))
	}, func(t *testing.T, want, got *rig) {
		if diff := cmp.Diff(want.dump(t), got.dump(t)); diff != "" {
			t.Errorf("(-without a fault +with one):\n%s", diff)
		}
	})
}

// landedHour is the only file that landed.
func (r *rig) landedHour(t testing.TB) landing.Name {
	t.Helper()
	for h, err := range hourlog.All(t.Context(), r.Tables, cloudID) {
		ok(t, err)
		return landing.Name{CloudID: h.ID.CloudID, Hour: h.ID.Hour, SHA16: h.ID.SHA16}
	}
	t.Fatal("nothing landed")
	return landing.Name{}
}

// TestAStackRegisteredToSomebodyElseOnTheDayOfAnEnd is split by the usage hour of
// each row, and both are accepted their hours.
func TestAStackRegisteredToSomebodyElseOnTheDayOfAnEnd(t *testing.T) {
	t.Parallel()
	const buyer = "99999999-2222-4333-8444-555555555555"
	day := theDay.First()
	// The hours of the day, the last ones of the old registration after its end.
	for _, order := range []string{"end first", "hours first", "closed first"} {
		t.Run(order, func(t *testing.T) {
			t.Parallel()
			r, rnd := longRegistered(t), rand.New(rand.NewPCG(1, 1))
			b := newBilling(t, r)
			sold := func(t *testing.T, confirmed bool) {
				t.Helper()
				ok(t, r.end(t, day+10, confirmed))
				_, _, err := r.operator(confirmed).Put(t.Context(), registrar.Change{Registration: registration.Registration{
					CloudID: cloudID, Name: "newowner", EffectiveDay: "20191210", SubscriptionID: buyer, SubscriptionKind: registration.EA,
					BillingModel: registration.PayAsYouUse, Region: "northwest", Start: (day + 15).Start()}})
				ok(t, err)
			}
			hours := func(t *testing.T) {
				t.Helper()
				for _, h := range []struct {
					reported usage.Hour
					rows     []string
				}{
					{day + 5, []string{row(1, day+4, "100")}},                      // the old owner's
					{day + 10, []string{row(1, day+9, "10"), row(1, day+10, "2")}}, // in the settling hour: used before the end, and after it
					{day + 12, []string{row(1, day+9, "1000")}},                    // nobody is registered
					{day + 16, []string{row(1, day+15, "1"), row(1, day+8, "20")}}, // the new owner reports what the old one used
				} {
					r.ingest(t, h.reported, h.rows...)
				}
			}
			switch order {
			case "end first":
				sold(t, false)
				hours(t)
			case "hours first":
				hours(t)
				sold(t, false)
			case "closed first":
				hours(t)
				r.advance(72 * time.Hour)
				r.settle(t, rnd)
				needsConfirmation(t, r.end(t, day+10, false))
				sold(t, true)
			}
			r.sweep(t)
			r.announced(t)
			r.advance(72 * time.Hour)
			r.sweptOut(t, rnd)
			check(t, "charged", map[string]string{"2019-12-10 " + payer: "130", "2019-12-10 " + buyer: "3"}, paid(t, b))
		})
	}
}

// TestExpectedHoursOfTwoRegistrationsOnADay: those of the first up to its end, and
// of the second from its start on.
func TestExpectedHoursOfTwoRegistrationsOnADay(t *testing.T) {
	t.Parallel()
	r := longRegistered(t)
	day := theDay.First()
	ok(t, r.end(t, day+10, false))
	_, _, err := r.registrar().Put(t.Context(), registrar.Change{Registration: registration.Registration{
		CloudID: cloudID, Name: "newowner", EffectiveDay: "20191210", SubscriptionID: otherPayer, SubscriptionKind: registration.EA,
		BillingModel: registration.PayAsYouUse, Region: "northwest", Start: (day + 15).Start()}})
	ok(t, err)
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	expected, accepted := "", ""
	for h := day - 1; h < day+24; h++ {
		if history.Expects(h.Start()) {
			expected += fmt.Sprintf(" %d", h-day)
		}
		if history.Accepts(h.Start(), time.Hour) {
			accepted += fmt.Sprintf(" %d", h-day)
		}
	}
	if want := " -1 0 1 2 3 4 5 6 7 8 9 15 16 17 18 19 20 21 22 23"; expected != want {
		t.Errorf("expected%s, want%s", expected, want)
	}
	if want := " -1 0 1 2 3 4 5 6 7 8 9 10 15 16 17 18 19 20 21 22 23"; accepted != want {
		t.Errorf("accepted%s, want%s", accepted, want)
	}
}
