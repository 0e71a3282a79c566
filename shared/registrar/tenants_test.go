package registrar_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/registrar"
	"stackusage/shared/registration"
)

func TestTenants(t *testing.T) {
	const second = "f09a4e93-29a7-4eba-a6d4-76202383f07f"
	g, s := desk()
	put(t, g, csp())
	do := func(subscription, day string) {
		t.Helper()
		_, _, err := g.Map(t.Context(), "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: subscription, EffectiveDay: day})
		ok(t, err)
	}
	do(buyer, "20191215")
	do(buyer, "20191220") // holds already
	do(second, "20200101")
	_, err := g.Unmap(t.Context(), "hamburg", second, "20200110", registration.Note{Reason: "left"})
	ok(t, err)
	history := s.histories[cloudID]
	t.Run("each day has its own mapping, and a removed one falls back", func(t *testing.T) {
		got := map[string]string{}
		for _, day := range []string{"20191214", "20191215", "20191231", "20200101", "20200109", "20200110"} {
			held, err := history.On(day)
			ok(t, err)
			got[day] = held.Tenants[tenant]
		}
		want := map[string]string{"20191214": "", "20191215": buyer, "20191231": buyer, "20200101": second, "20200109": second, "20200110": ""}
		if diff := cmp.Diff(want, got); diff != "" || len(history.Tenants) != 3 {
			t.Errorf("(-want +got):\n%s\n%+v", diff, history.Tenants)
		}
	})
	t.Run("an entry holds until its tenant is charged otherwise", func(t *testing.T) {
		for _, c := range []struct{ subscription, from, until string }{
			{buyer, "20191215", "20200101"}, {buyer, "20191231", "20200101"}, {second, "20200101", "20200110"}, {"", "20200110", ""}, {"", "20191201", "20191215"},
		} {
			if got := history.Until(registration.Mapping{TenantID: tenant, SubscriptionID: c.subscription, EffectiveDay: c.from}); got != c.until {
				t.Errorf("%+v: until %q", c, got)
			}
		}
		renamed := history
		renamed.Registrations = append(slices.Clone(history.Registrations), registration.Registration{CloudID: cloudID, Name: "bremen", EffectiveDay: "20191225"})
		if got := renamed.Until(registration.Mapping{TenantID: tenant, SubscriptionID: buyer, EffectiveDay: "20191215"}); got != "20191225" {
			t.Errorf("under a registration that another follows: until %q", got)
		}
	})
	t.Run("removing it again is no error, and one that never was is", func(t *testing.T) {
		if _, err := g.Unmap(t.Context(), "hamburg", second, "20200111", registration.Note{}); err != nil {
			t.Error(err)
		}
		if _, err := g.Unmap(t.Context(), "hamburg", payer, "20200111", registration.Note{}); rejectionOf(t, err).Code != "CustomerSubscriptionNotFound" {
			t.Error(err)
		}
	})
	t.Run("mappings rest while the registration is no CSP's", func(t *testing.T) {
		r := good()
		r.EffectiveDay = "20200105"
		history := put(t, g, r)
		if held, err := history.On("20200106"); err != nil || held.Tenants != nil {
			t.Errorf("%+v, %v", held, err)
		}
	})
}

func TestPlannedMappings(t *testing.T) {
	const second = "f09a4e93-29a7-4eba-a6d4-76202383f07f"
	other := strings.Replace(tenant, "db", "dc", 1)
	start := func(t *testing.T) (*registrar.Registrar, func(tenant, subscription, day string) error, func(day string) map[string]string) {
		g, s := desk()
		put(t, g, csp())
		mapping := func(tenant, subscription, day string) error {
			_, _, err := g.Map(t.Context(), "hamburg", registration.Mapping{TenantID: tenant, SubscriptionID: subscription, EffectiveDay: day})
			return err
		}
		on := func(day string) map[string]string {
			held, err := s.histories[cloudID].On(day)
			ok(t, err)
			return held.Tenants
		}
		return g, mapping, on
	}
	t.Run("one that is to begin never does once it is removed", func(t *testing.T) {
		g, mapping, on := start(t)
		ok(t, mapping(tenant, buyer, "20200201"))
		ended, err := g.Unmap(t.Context(), "hamburg", buyer, "", registration.Note{})
		ok(t, err)
		if got := on("20200301"); len(got) != 0 || ended.EffectiveDay != "20200201" {
			t.Errorf("charged %v, ended %+v", got, ended)
		}
	})
	t.Run("one that is to come again ends with the one that holds", func(t *testing.T) {
		g, mapping, on := start(t)
		ok(t, mapping(tenant, buyer, "20191215"))
		ok(t, mapping(tenant, second, "20200201"))
		ok(t, mapping(tenant, buyer, "20200301"))
		_, err := g.Unmap(t.Context(), "hamburg", buyer, "20200101", registration.Note{})
		ok(t, err)
		for day, want := range map[string]string{"20191231": buyer, "20200101": "", "20200201": second, "20200301": ""} {
			if got := on(day)[tenant]; got != want {
				t.Errorf("%s: charged %q, want %q", day, got, want)
			}
		}
	})
	t.Run("a subscription is of one tenant on days to come, too", func(t *testing.T) {
		_, mapping, on := start(t)
		ok(t, mapping(tenant, buyer, "20200201"))
		if rejection := rejectionOf(t, mapping(other, buyer, "20200101")); rejection.Code != "CustomerSubscriptionInUse" || !strings.Contains(rejection.Message, "20200201") {
			t.Error(rejection)
		}
		ok(t, mapping(other, second, "20200115")) // from then on the other has its own
		ok(t, mapping(other, buyer, "20200110"))
		if got := on("20200201"); got[tenant] != buyer || got[other] != second {
			t.Errorf("charged %v", got)
		}
	})
}

func TestMappingsBelongToARegistration(t *testing.T) {
	g, s := desk()
	put(t, g, csp())
	for _, m := range []registration.Mapping{
		{TenantID: tenant, SubscriptionID: buyer, EffectiveDay: "20191215"},
		{TenantID: strings.Replace(tenant, "db", "dc", 1), SubscriptionID: strings.Replace(buyer, "e0", "e1", 1), EffectiveDay: "20200401"},
	} {
		_, _, err := g.Map(t.Context(), "hamburg", m)
		ok(t, err)
	}
	_, err := g.End(t.Context(), "hamburg", now.Truncate(time.Hour), registration.Note{}, registrar.Condition{})
	ok(t, err)
	g.Now = func() time.Time { return now.Add(time.Minute) }
	r := csp()
	r.Name, r.EffectiveDay, r.Start = "bremen", "20200115", time.Time{}
	put(t, g, r)
	for day, want := range map[string]int{"20200114": 1, "20200115": 0, "20200501": 0} {
		held, err := s.histories[cloudID].On(day)
		if err != nil || len(held.Tenants) != want {
			t.Errorf("%s: %v, %v; want %d", day, held.Tenants, err, want)
		}
	}
	_, made, err := g.Map(t.Context(), "bremen", registration.Mapping{TenantID: tenant, SubscriptionID: buyer})
	if held, _ := s.histories[cloudID].On("20200116"); err != nil || !made || held.Tenants[tenant] != buyer {
		t.Errorf("%v, made %t: %v", held.Tenants, made, err)
	}
}
