package handlers_test

import (
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/review"
	"stackusage/shared/status"
	"stackusage/shared/table"
)

// found lists the findings as operators see them: kind, and what was seen.
func (r *rig) found(t *testing.T) (texts []string) {
	t.Helper()
	histories, err := r.registry().Histories(t.Context())
	ok(t, err)
	all, err := review.Findings(t.Context(), r.Tables, r.store.Blobs, histories, 0)
	ok(t, err)
	for _, f := range all {
		texts = append(texts, strings.Join(append([]string{f.Kind, f.Day.String(), f.Observed.Tenant}, f.List...), " "))
	}
	return texts
}

// differing is a day that is charged to contoso, of which a later header says
// fabrikam.
func differing(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	newBilling(t, r)
	r.registerAs(t, func(*registration.Registration) {})
	_, err := r.registrar().SetInfrastructure(t.Context(), "hamburg", registration.InfrastructureEntry{EffectiveDay: "20191210", Subscriptions: []string{operators}})
	ok(t, err)
	for _, h := range allDay {
		r.tenantHour(t, h, map[string]string{subscription: contoso}, rowsOf(h)...)
	}
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	r.rowOfTheDay(t, hour00+5, landing.Header{Tenants: map[string]string{subscription: fabrikam}, ProviderSubscriptions: []string{operators}}, row(1, hour22, "0"))
	return r
}

func TestFindings(t *testing.T) {
	t.Parallel()
	r := differing(t)
	name := "hamburg"
	want := func(t *testing.T, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, r.found(t)); diff != "" {
			t.Errorf("found (-want +got):\n%s", diff)
		}
	}
	why := registration.Note{By: "olga", Reason: "looked at the stack"}
	want(t, "tenant 2019-12-10 "+fabrikam)
	t.Run("the status shows them", func(t *testing.T) {
		var s status.Status
		ok(t, json.Unmarshal([]byte(r.status(t, http.StatusOK)), &s))
		s.Findings = slices.DeleteFunc(s.Findings, func(f status.Finding) bool { return f.Code != status.DecisionWaits })
		if len(s.Findings) != 1 || !strings.HasPrefix(s.Findings[0].Text, review.Tenant+": ") || !strings.Contains(s.Findings[0].Text, fabrikam) {
			t.Errorf("%+v", s.Findings)
		}
	})
	t.Run("without a reason nothing is confirmed", func(t *testing.T) {
		if _, err := review.Confirm(t.Context(), r.Tables, r.Blobs, cloudID, theDay, reasoned.Decision{By: "olga"}); err == nil {
			t.Error("it is")
		}
		want(t, "tenant 2019-12-10 "+fabrikam)
	})
	t.Run("what an operator confirms is none any more, and changes no charge", func(t *testing.T) {
		confirmed, err := review.Confirm(t.Context(), r.Tables, r.Blobs, cloudID, theDay, because("it moved later"))
		ok(t, err)
		if len(confirmed) != 1 || confirmed[0].Tenant != fabrikam {
			t.Errorf("confirmed %+v", confirmed)
		}
		want(t)
		d := r.only(t, table.Decisions)
		if d["kind"] != "confirm" || d["what"] != subscription+"="+fabrikam+"@"+confirmed[0].ObservedAt.Format(time.RFC3339Nano) || d["reason"] != "it moved later" || d["by"] != "olga" || d["usageDay"] != "2019-12-10" {
			t.Errorf("decision %v", d)
		}
		confirmed, err = review.Confirm(t.Context(), r.Tables, r.Blobs, cloudID, theDay, because("again"))
		if ok(t, err); len(confirmed) != 0 {
			t.Errorf("confirmed again %+v", confirmed)
		}
	})
	t.Run("the same observation again is none, another one is", func(t *testing.T) {
		header := landing.Header{Tenants: map[string]string{subscription: fabrikam}, ProviderSubscriptions: []string{operators}}
		r.rowOfTheDay(t, hour00+6, header, row(1, hour22, "0"))
		want(t)
		header.Tenants = map[string]string{subscription: someTenants[2]}
		r.rowOfTheDay(t, hour00+7, header, row(1, hour22, "0"))
		want(t, "tenant 2019-12-10 "+someTenants[2])
		_, err := review.Confirm(t.Context(), r.Tables, r.Blobs, cloudID, theDay, because("that neither"))
		ok(t, err)
		want(t)
	})
	t.Run("another list of the headers asks for a decision until it is confirmed against, or is the registration's", func(t *testing.T) {
		r.rowOfTheDay(t, hour00+8, landing.Header{ProviderSubscriptions: []string{deleted}}, row(1, hour22, "0"))
		want(t, "infrastructure 2019-12-10  "+deleted)
		_, err := r.registrar().ConfirmInfrastructure(t.Context(), name, "20191210", registration.ListHash([]string{deleted}), why)
		ok(t, err)
		want(t)
		r.rowOfTheDay(t, hour00+9, landing.Header{ProviderSubscriptions: []string{subscription}}, row(1, hour22, "0"))
		want(t, "infrastructure 2019-12-10  "+subscription)
		_, err = r.registrar().SetInfrastructure(t.Context(), name, registration.InfrastructureEntry{EffectiveDay: "20191210", Subscriptions: []string{subscription}, Note: why})
		ok(t, err)
		if got := r.found(t); slices.Contains(got, "infrastructure 2019-12-10  "+subscription) {
			t.Errorf("found %v", got)
		}
	})
	r.verified(t)
}

func TestAListThatCloseDayRecordedAsksToBeConfirmed(t *testing.T) {
	t.Parallel()
	r := stated(t)
	if got := r.found(t); !slices.Equal(got, []string{"unconfirmed 2019-12-10 "}) {
		t.Errorf("found %q", got)
	}
	_, err := r.registrar().ConfirmInfrastructure(t.Context(), registration.DefaultName(cloudID), "20191210", "", registration.Note{By: "olga", Reason: "there are none"})
	ok(t, err)
	if got := r.found(t); len(got) != 0 {
		t.Errorf("found %v", got)
	}
}

func TestTheListOfACanaryAsksNobody(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registerAs(t, func(reg *registration.Registration) { reg.NoHoursExpected = true })
	r.ingest(t, hour22, row(1, hour22-1, "1"))
	r.advance(90 * time.Hour)
	r.done(t, "CloseDay", dayMessage(theDay))
	if r.settlement(t, theDay); len(r.found(t)) != 0 {
		t.Errorf("found %v", r.found(t))
	}
}

func TestConfirmCrashes(t *testing.T) {
	t.Parallel()
	eachWriteFailed(t, differing,
		func(r *rig) (int, string) {
			if _, err := review.Confirm(t.Context(), r.Tables, r.Blobs, cloudID, theDay, because("it moved later")); err != nil {
				return http.StatusInternalServerError, err.Error()
			}
			return http.StatusOK, ""
		},
		func(t *testing.T, _, r *rig) {
			t.Helper()
			if got := r.found(t); len(got) != 0 || len(r.rows(t, table.Decisions)) != 1 {
				t.Errorf("found %v, decided %v", got, r.rows(t, table.Decisions))
			}
		})
}

func TestOnlyASettledDayIsConfirmed(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.registerAs(t, func(reg *registration.Registration) {
		reg.SubscriptionKind, reg.BillingModel, reg.ReportingOff = registration.EA, registration.Capacity, true
	})
	for _, close := range []func(){func() {}, func() { r.complete(t); r.done(t, "CloseDay", dayMessage(theDay)) }} {
		close()
		if _, err := review.Confirm(t.Context(), r.Tables, r.Blobs, cloudID, theDay, because("?")); err == nil {
			t.Error("confirmed")
		}
	}
	if p := r.only(t, table.UsageDays); p["settlement"] != nil || p["catalogue"] != nil || p["change"] != nil {
		t.Errorf("a day with reporting off is settled: %v", p)
	}
}
