package handlers_test

import (
	"strings"
	"testing"

	"stackusage/shared/registration"
)

const providerSubscription = "5a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b15"

func TestInfrastructureAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	refusedWith(t, r.asks(t, 404, "GET", "/hamburg/infrastructure", ""), "RegistrationNotFound", "hamburg")
	r.asks(t, 201, "PUT", "/hamburg", wished())
	shown := func(t *testing.T, object map[string]any) map[string]any {
		t.Helper()
		p, is := object["properties"].(map[string]any)
		if !is {
			t.Fatalf("%v", object)
		}
		return p
	}
	t.Run("none is known at first", func(t *testing.T) {
		if p := shown(t, r.asks(t, 200, "GET", "/hamburg/infrastructure", "")); p["subscriptions"] != nil || p["confirmed"] != false || p["hash"] != nil {
			t.Errorf("%v", p)
		}
	})
	t.Run("an activation key records its provider subscription", func(t *testing.T) {
		r.LandingService = "https://landingusage.blob.core.windows.net/"
		r.asks(t, 200, "POST", "/hamburg/getActivationKey", strings.NewReplacer("REGION", "northwest", "PROVIDER", strings.ToUpper(providerSubscription)).Replace(
			`{"identity":{"tenantId":"`+contoso+`","clientId":"`+fabrikam+`","method":"clientSecret"},"stamp":{"domain":"azurestack.external","region":"REGION","providerSubscription":"PROVIDER"}}`))
		book, err := r.store.Tables.Book(t.Context(), cloudID)
		if err != nil || len(book.Providers) != 1 || book.Providers[0] != providerSubscription || book.Version != 2 {
			t.Errorf("%+v, %v", book, err)
		}
	})
	t.Run("a list is set with a reason, and shown", func(t *testing.T) {
		r.asks(t, 200, "PUT", "/hamburg/infrastructure", `{"properties":{"subscriptions":["`+strings.ToUpper(operators)+`"],"effectiveDay":"2019-12-10","reason":"looked"}}`)
		p := shown(t, r.asks(t, 200, "GET", "/hamburg/infrastructure", ""))
		history := p["history"].([]any)
		if entry := history[0].(map[string]any); p["hash"] != registration.ListHash([]string{operators}) || p["confirmed"] != true || len(history) != 1 || entry["reason"] != "looked" || entry["effectiveDay"] != "2019-12-10" {
			t.Errorf("%v", p)
		}
	})
	t.Run("it is confirmed against the list of a header", func(t *testing.T) {
		hash := registration.ListHash(nil)
		p := shown(t, r.asks(t, 200, "POST", "/hamburg/infrastructure", `{"properties":{"effectiveDay":"2019-12-10","against":"`+hash+`","reason":"the header is wrong"}}`))
		if against := p["confirmedAgainst"].([]any); len(against) != 1 || against[0] != hash {
			t.Errorf("%v", p)
		}
	})
	t.Run("what is no list is refused", func(t *testing.T) {
		refusedWith(t, r.asks(t, 400, "PUT", "/hamburg/infrastructure", `{"properties":{"subscriptions":["default"]}}`), "InvalidInfrastructureSubscription", "GUID")
	})
}
