package handlers_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/internal/faultstore"
	"stackusage/shared/daybook"
	"stackusage/shared/openday"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/table"
)

// operator makes changes that may reach closed days.
func (r *rig) operator(confirmed bool) *registrar.Registrar {
	g := r.registrar()
	g.Closed, g.Confirmed = func(ctx context.Context, cloudID string) ([]registration.ClosedDay, error) {
		return daybook.ClosedDays(ctx, r.store.Tables, cloudID)
	}, confirmed
	return g
}

// recharge has another Azure subscription charged from the usage day on.
func (r *rig) recharge(t testing.TB, confirmed bool) error {
	t.Helper()
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	reg := history.Registrations[0]
	reg.SubscriptionID, reg.Note = otherPayer, registration.Note{By: "olga", Reason: "the contract moved"}
	_, _, err = r.operator(confirmed).Put(t.Context(), registrar.Change{Registration: reg})
	return err
}

// needsConfirmation fails the test unless a change is refused because it reaches
// the usage day.
func needsConfirmation(t testing.TB, err error) {
	t.Helper()
	var rejection *registration.Rejection
	if !errors.As(err, &rejection) || rejection.Code != "ClosedDaysAffected" || !strings.Contains(rejection.Message, "2019-12-10") || !strings.Contains(rejection.Message, "--confirm") {
		t.Fatalf("got %v, want a rejection that lists the day", err)
	}
}

// revision is the last one of the usage day.
func (r *rig) revision(t testing.TB) daybook.Revision {
	t.Helper()
	last, err := daybook.LastRevision(t.Context(), r.Tables, cloudID, theDay)
	ok(t, err)
	if last == nil {
		t.Fatal("the day is not closed")
		return daybook.Revision{} // what checks the code does not know that Fatal ends it
	}
	return *last
}

// version is the number of the registration's last change.
func (r *rig) version(t testing.TB) int64 {
	t.Helper()
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	return int64(history.Version)
}

// finished fails the test unless nothing is open, after another Sweep too.
func (r *rig) finished(t testing.TB) {
	t.Helper()
	r.sweep(t)
	marks, err := openday.List(t.Context(), r.Tables)
	if err != nil || len(marks) > 0 {
		t.Errorf("open: %+v, %v", marks, err)
	}
}

func TestABackdatedPayerReachesClosedDays(t *testing.T) {
	t.Parallel()
	r, rnd := newRig(t), rand.New(rand.NewPCG(1, 1))
	b := newBilling(t, r)
	r.registerAs(t, func(*registration.Registration) {})
	r.complete(t)
	r.settle(t, rnd)
	before := paid(t, b)
	t.Run("it is refused until it is confirmed, and nothing is recorded", func(t *testing.T) {
		needsConfirmation(t, r.recharge(t, false))
		history, err := r.registry().History(t.Context(), cloudID)
		if err != nil || history.Version != 2 { // made, and the list that CloseDay recorded
			t.Errorf("%+v, %v", history, err)
		}
		r.finished(t)
	})
	t.Run("once it is recorded, Sweep has the day restated, and whoever recorded it may have died", func(t *testing.T) {
		ok(t, r.recharge(t, true))
		r.sweep(t)
		r.settle(t, rnd)
		want := map[string]string{"2019-12-10 " + payer: "0", "2019-12-10 " + otherPayer: before["2019-12-10 "+payer]}
		check(t, "charged", want, paid(t, b))
		if last := r.revision(t); last.Number != 2 || last.Change != r.version(t) || last.By != "olga" || !strings.Contains(last.Reason, "the contract moved") {
			t.Errorf("%+v", last)
		}
		r.finished(t)
	})
	t.Run("a change that says what the day was settled by needs no confirmation", func(t *testing.T) {
		ok(t, r.recharge(t, false))
	})
	t.Run("a change that does not reach the day needs none", func(t *testing.T) {
		history, err := r.registry().History(t.Context(), cloudID)
		ok(t, err)
		held, err := history.Current()
		ok(t, err)
		held.EffectiveDay, held.SubscriptionID = "20191215", payer
		_, _, err = r.operator(false).Put(t.Context(), registrar.Change{Registration: held})
		ok(t, err)
		r.finished(t)
	})
}

// TestAnyBackdatedChangeNeedsConfirmation: everything that decides who pays and
// what is free.
func TestAnyBackdatedChangeNeedsConfirmation(t *testing.T) {
	t.Parallel()
	r, rnd := newRig(t), rand.New(rand.NewPCG(1, 1))
	newBilling(t, r)
	r.registerAs(t, func(*registration.Registration) {})
	r.complete(t)
	r.settle(t, rnd)
	for name, change := range map[string]func(g *registrar.Registrar) error{
		"billing model": func(g *registrar.Registrar) error {
			on := true
			_, _, err := g.Put(t.Context(), registrar.Change{Reporting: &on, Registration: registration.Registration{CloudID: cloudID, Name: "hamburg", EffectiveDay: "20191210", SubscriptionID: payer,
				SubscriptionKind: registration.CSP, BillingModel: registration.Capacity, Region: "northwest", Start: hour22.Start()}})
			return err
		},
		"tenant": func(g *registrar.Registrar) error {
			_, _, err := g.Map(t.Context(), "hamburg", registration.Mapping{TenantID: contoso, SubscriptionID: contosoPays, EffectiveDay: "20191209"})
			return err
		},
		"infrastructure": func(g *registrar.Registrar) error {
			_, err := g.SetInfrastructure(t.Context(), "hamburg", registration.InfrastructureEntry{Subscriptions: []string{subscription}, EffectiveDay: "20191210"})
			return err
		},
		"end": func(g *registrar.Registrar) error {
			_, err := g.End(t.Context(), "hamburg", hour23.Start(), registration.Note{}, registrar.Condition{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { needsConfirmation(t, change(r.operator(false))) })
	}
	t.Run("in the API, too", func(t *testing.T) {
		body := wished("subscriptionId", otherPayer)
		refusedWith(t, r.asks(t, 409, "PUT", "/hamburg", body), "ClosedDaysAffected", "confirm=true")
		refusedWith(t, r.asks(t, 400, "PUT", "/hamburg?confirm=yes", body), "InvalidConfirm", "true or false")
		refusedWith(t, r.asks(t, 409, "DELETE", "/hamburg?end=2019-12-10T23:00:00Z", ""), "ClosedDaysAffected", "2019-12-10")
		mapping := `{"properties":{"tenantId":"` + contoso + `","effectiveDay":"2019-12-01"}}`
		refusedWith(t, r.asks(t, 409, "PUT", "/hamburg/customerSubscriptions/"+contosoPays, mapping), "ClosedDaysAffected", "2019-12-10")
		r.asks(t, 201, "PUT", "/hamburg/customerSubscriptions/"+contosoPays+"?confirm=true", mapping)
		r.asks(t, 200, "DELETE", "/hamburg/customerSubscriptions/"+contosoPays+"?effectiveDay=2019-12-01", "") // as the day was settled
		r.asks(t, 200, "PUT", "/hamburg?confirm=true", body)
	})
}

func TestABackdatedChangeOfADayThatReportedNothing(t *testing.T) {
	t.Parallel()
	r, rnd := newRig(t), rand.New(rand.NewPCG(1, 1))
	b := newBilling(t, r)
	r.registerAs(t, func(reg *registration.Registration) { reg.BillingModel, reg.ReportingOff = registration.Capacity, true })
	r.complete(t)
	r.settle(t, rnd)
	ok(t, r.operator(false).Store.Append(t.Context(), registration.History{CloudID: cloudID, Version: 1}, registration.Added{})) // a change of nothing
	on := true
	_, _, err := r.operator(false).Put(t.Context(), registrar.Change{Reporting: &on, Registration: registration.Registration{CloudID: cloudID, Name: "hamburg", EffectiveDay: "20191210",
		SubscriptionID: otherPayer, SubscriptionKind: registration.CSP, BillingModel: registration.PayAsYouUse, Region: "northwest", Start: hour22.Start()}})
	ok(t, err) // it has charged nobody
	r.sweep(t)
	r.settle(t, rnd)
	if got := paid(t, b); len(got) != 1 || got["2019-12-10 "+otherPayer] == "" {
		t.Errorf("charged %v", got)
	}
	if last := r.revision(t); last.Change != r.version(t) {
		t.Errorf("%+v", last)
	}
	r.finished(t)
}

// TestACloserThatReadTheRegistrationBefore commits a revision by the registration
// that it read, after another one was recorded: Sweep finds that out by the number.
func TestACloserThatReadTheRegistrationBefore(t *testing.T) {
	t.Parallel()
	for _, first := range []bool{true, false} { // the first revision, or one that an operator asks for
		name := map[bool]string{true: "first revision", false: "restatement"}[first]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, rnd := newRig(t), rand.New(rand.NewPCG(1, 1))
			b := newBilling(t, r)
			r.registerAs(t, func(*registration.Registration) {})
			r.complete(t)
			if !first {
				r.settle(t, rnd)
				_, err := daybook.AskRestate(t.Context(), r.Tables, cloudID, theDay, because("another look"))
				ok(t, err)
			}
			var once sync.Once
			r.through(func(op faultstore.Operation, do func() error) error {
				if op.Write && op.Name == table.UsageDays {
					once.Do(func() { ok(t, r.recharge(t, true)) })
				}
				return do()
			})
			r.done(t, "CloseDay", dayMessage(theDay))
			r.through(nil)
			if last := r.revision(t); last.Change != r.version(t)-1 {
				t.Fatalf("the closer read %d changes of %d", last.Change, r.version(t))
			}
			r.settle(t, rnd)
			r.sweep(t)
			r.settle(t, rnd)
			if got := paid(t, b); got["2019-12-10 "+payer] != "0" || got["2019-12-10 "+otherPayer] == "0" {
				t.Errorf("charged %v", got)
			}
			if last := r.revision(t); last.Change != r.version(t) {
				t.Errorf("%+v", last)
			}
			r.finished(t)
		})
	}
}

// TestABackdatedChangeWhoseWriteFails: each write of the change fails once, before
// it is stored or after, and the operator repeats it.
func TestABackdatedChangeWhoseWriteFails(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		t.Run(map[bool]string{false: "not stored", true: "stored, reported as failed"}[stored], func(t *testing.T) {
			t.Parallel()
			r, rnd := newRig(t), rand.New(rand.NewPCG(1, 1))
			b := newBilling(t, r)
			r.asks(t, 201, "PUT", "/hamburg", wished())
			r.complete(t)
			r.settle(t, rnd)
			r.failWrite(1, stored)
			r.asks(t, 500, "PUT", "/hamburg?confirm=true", wished("subscriptionId", otherPayer))
			r.through(nil)
			if stored { // the operator is gone
				r.sweep(t)
				r.settle(t, rnd)
			}
			r.asks(t, 200, "PUT", "/hamburg?confirm=true", wished("subscriptionId", otherPayer))
			r.sweep(t)
			r.settle(t, rnd)
			if got := paid(t, b); got["2019-12-10 "+payer] != "0" || got["2019-12-10 "+otherPayer] == "0" {
				t.Errorf("charged %v", got)
			}
			if last := r.revision(t); last.Number != 2 || last.Change != r.version(t) {
				t.Errorf("%+v", last)
			}
			r.finished(t)
		})
	}
}

// TestSweepThatFailsToAskForARestatement asks again, and the day is restated once.
func TestSweepThatFailsToAskForARestatement(t *testing.T) {
	t.Parallel()
	for _, stored := range []bool{false, true} {
		t.Run(map[bool]string{false: "not stored", true: "stored, reported as failed"}[stored], func(t *testing.T) {
			t.Parallel()
			r, rnd := newRig(t), rand.New(rand.NewPCG(1, 1))
			newBilling(t, r)
			r.registerAs(t, func(*registration.Registration) {})
			r.complete(t)
			r.settle(t, rnd)
			ok(t, r.recharge(t, true))
			r.advance(time.Hour) // Sweep asks once an hour
			var once sync.Once
			r.through(func(op faultstore.Operation, do func() error) error {
				fails := false
				if op.Write && op.Name == table.OpenDays {
					once.Do(func() { fails = true })
				}
				if fails && !stored {
					return errFault
				}
				err := do()
				if fails {
					return errFault
				}
				return err
			})
			if status, _ := r.post("/Sweep", `{"Data":{"timer":{"IsPastDue":false}},"Metadata":{}}`); status != http.StatusInternalServerError {
				t.Errorf("Sweep: %d", status)
			}
			r.through(nil)
			r.sweep(t)
			r.settle(t, rnd)
			if last := r.revision(t); last.Number != 2 || last.Change != r.version(t) {
				t.Errorf("%+v", last)
			}
			r.finished(t)
		})
	}
}
