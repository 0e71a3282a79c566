package registrar_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

func TestPartsOfADay(t *testing.T) {
	ends, begins := at("2020-01-15T10:00:00Z"), at("2020-01-15T12:00:00Z")
	g, s := desk()
	put(t, g, good())
	_, err := g.RecordInfrastructure(t.Context(), s.histories[cloudID], registration.Part{Effective: registration.Effective{FirstDay: "20191210"}}, []string{provider}, registration.Note{})
	ok(t, err)
	_, err = g.End(t.Context(), "hamburg", ends, registration.Note{}, registrar.Condition{})
	ok(t, err)
	r := csp()
	r.Name, r.EffectiveDay, r.Start, r.SubscriptionID = "bremen", "20200115", begins, buyer
	put(t, g, r)
	_, _, err = g.Map(t.Context(), "bremen", registration.Mapping{TenantID: tenant, SubscriptionID: payer})
	ok(t, err)
	_, err = g.SetInfrastructure(t.Context(), "bremen", registration.InfrastructureEntry{Subscriptions: []string{secondProvider}})
	ok(t, err)
	t.Run("the hours before the end are the old one's, with all that it had, and the others the new one's", func(t *testing.T) {
		history := s.histories[cloudID]
		parts, err := history.Parts("20200115")
		ok(t, err)
		if len(parts) != 2 {
			t.Fatalf("%+v", parts)
		}
		old, held := parts[0], parts[1]
		if old.Name != "hamburg" || !old.Until.Equal(ends) || old.SubscriptionID != payer || len(old.Tenants) != 0 || old.FirstDay != "20191210" || old.Infrastructure[0] != provider {
			t.Errorf("old: %+v", old)
		}
		if held.Name != "bremen" || !held.Until.IsZero() || held.SubscriptionID != buyer || held.Tenants[tenant] != payer || held.FirstDay != "20200115" || held.Infrastructure[0] != secondProvider {
			t.Errorf("new: %+v", held)
		}
		if on, err := history.On("20200115"); err != nil || on.Name != "bremen" {
			t.Errorf("at the end of the day: %+v, %v", on, err)
		}
	})
	for _, c := range []struct{ name, day, owner string }{
		{"the day before the end", "20200114", "hamburg"}, {"before all", "20191201", "hamburg"}, {"the day after", "20200116", "bremen"},
	} {
		t.Run(c.name, func(t *testing.T) {
			parts, err := s.histories[cloudID].Parts(c.day)
			if err != nil || len(parts) != 1 || parts[0].Name != c.owner || !parts[0].Until.IsZero() {
				t.Errorf("%+v, %v", parts, err)
			}
		})
	}
	t.Run("a list that a closer records for the old one does not become the new one's", func(t *testing.T) {
		g, s := desk()
		put(t, g, good())
		_, err := g.End(t.Context(), "hamburg", ends, registration.Note{}, registrar.Condition{})
		ok(t, err)
		put(t, g, r)
		parts, err := s.histories[cloudID].Parts("20200115")
		ok(t, err)
		_, err = g.RecordInfrastructure(t.Context(), s.histories[cloudID], parts[0], []string{provider}, registration.Note{})
		ok(t, err)
		parts, err = s.histories[cloudID].Parts("20200115")
		if err != nil || !parts[0].InfrastructureKnown || parts[1].InfrastructureKnown {
			t.Errorf("%+v, %v", parts, err)
		}
	})
	t.Run("between an end and the next first hour usage is the next one's", func(t *testing.T) {
		g, s := desk()
		put(t, g, good())
		_, err := g.End(t.Context(), "hamburg", ends, registration.Note{}, registrar.Condition{})
		ok(t, err)
		later := r
		later.EffectiveDay, later.Start = "20200120", at("2020-01-20T05:00:00Z")
		put(t, g, later)
		for day, want := range map[string]int{"20200115": 2, "20200117": 1, "20200120": 1} {
			parts, err := s.histories[cloudID].Parts(day)
			if err != nil || len(parts) != want || parts[len(parts)-1].Name != "bremen" {
				t.Errorf("%s: %+v, %v", day, parts, err)
			}
		}
	})
	t.Run("an end that was taken back divides nothing", func(t *testing.T) {
		g, s := desk()
		put(t, g, good())
		_, err := g.End(t.Context(), "hamburg", ends, registration.Note{}, registrar.Condition{})
		ok(t, err)
		again := good()
		again.EffectiveDay, again.SubscriptionID = "20200115", buyer
		put(t, g, again)
		parts, err := s.histories[cloudID].Parts("20200115")
		if err != nil || len(parts) != 1 || parts[0].SubscriptionID != buyer {
			t.Errorf("%+v, %v", parts, err)
		}
	})
	t.Run("one by another name begins at the end of the one before if it names no start, and ends after it", func(t *testing.T) {
		g, s := desk()
		put(t, g, good())
		_, err := g.End(t.Context(), "hamburg", at("2020-01-15T14:00:00Z"), registration.Note{}, registrar.Condition{}) // the next hour
		ok(t, err)
		later := r
		later.Start = time.Time{}
		put(t, g, later)
		parts, err := s.histories[cloudID].Parts("20200115")
		if err != nil || len(parts) != 2 || !parts[1].Start.Equal(at("2020-01-15T14:00:00Z")) {
			t.Errorf("%+v, %v", parts, err)
		}
		_, err = g.End(t.Context(), "bremen", at("2020-01-14T14:00:00Z"), registration.Note{}, registrar.Condition{})
		if rejection := rejectionOf(t, err); rejection.Code != "InvalidEnd" || !strings.Contains(rejection.Message, "hamburg held then") {
			t.Error(rejection)
		}
	})
	t.Run("of no registration there is none", func(t *testing.T) {
		if _, err := (registration.History{}).Parts("20200115"); !errors.Is(err, registration.ErrUnknown) {
			t.Error(err)
		}
	})
}
