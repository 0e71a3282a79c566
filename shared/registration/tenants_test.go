package registration_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
	book := s.books[cloudID]
	t.Run("each day has its own mapping, and a removed one falls back", func(t *testing.T) {
		got := map[string]string{}
		for _, day := range []string{"20191214", "20191215", "20191231", "20200101", "20200109", "20200110"} {
			held, err := book.On(day)
			ok(t, err)
			got[day] = held.Tenants[tenant]
		}
		want := map[string]string{"20191214": "", "20191215": buyer, "20191231": buyer, "20200101": second, "20200109": second, "20200110": ""}
		if diff := cmp.Diff(want, got); diff != "" || len(book.Tenants) != 3 {
			t.Errorf("(-want +got):\n%s\n%+v", diff, book.Tenants)
		}
	})
	t.Run("removing it again is no error, and one that never was is", func(t *testing.T) {
		if _, err := g.Unmap(t.Context(), "hamburg", second, "20200111", registration.Note{}); err != nil {
			t.Error(err)
		}
		if _, err := g.Unmap(t.Context(), "hamburg", payer, "20200111", registration.Note{}); refusalOf(t, err).Code != "CustomerSubscriptionNotFound" {
			t.Error(err)
		}
	})
	t.Run("mappings rest while the registration is no CSP's", func(t *testing.T) {
		r := good()
		r.EffectiveDay = "20200105"
		book := put(t, g, r)
		if held, err := book.On("20200106"); err != nil || held.Tenants != nil {
			t.Errorf("%+v, %v", held, err)
		}
	})
}
