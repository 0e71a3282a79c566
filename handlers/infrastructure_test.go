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
			`{"identity":{"tenantId":"`+contoso+`","clientId":"`+fabrikam+`","method":"clientSecret"},"stack":{"domain":"azurestack.external","region":"REGION","providerSubscription":"PROVIDER"}}`))
		history, err := r.registry().History(t.Context(), cloudID)
		if err != nil || len(history.Providers) != 1 || history.Providers[0] != providerSubscription || history.Version != 2 {
			t.Errorf("%+v, %v", history, err)
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
		refusedWith(t, r.asks(t, 400, "POST", "/hamburg/infrastructure", "{}"), "InvalidReason", "reason is missing")
		p := shown(t, r.asks(t, 200, "POST", "/hamburg/infrastructure", `{"properties":{"effectiveDay":"2019-12-10","against":"`+hash+`","reason":"the header is wrong"}}`))
		if against := p["confirmedAgainst"].([]any); len(against) != 1 || against[0] != hash {
			t.Errorf("%v", p)
		}
	})
	t.Run("what is no list is refused", func(t *testing.T) {
		refusedWith(t, r.asks(t, 400, "PUT", "/hamburg/infrastructure", `{"properties":{"subscriptions":["default"]}}`), "InvalidInfrastructureSubscription", "GUID")
	})
}

// TestInfrastructureWhoseWriteFails: each write fails once, before it is stored or
// after, and is repeated.
func TestInfrastructureWhoseWriteFails(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, method, path, body string }{
		{"set", "PUT", "/hamburg/infrastructure", `{"properties":{"subscriptions":["` + operators + `"],"effectiveDay":"2019-12-10","reason":"looked"}}`},
		{"confirm", "POST", "/hamburg/infrastructure", `{"properties":{"effectiveDay":"2019-12-10","against":"0123456789abcdef","reason":"looked"}}`},
		{"key", "POST", "/hamburg/getActivationKey", `{"identity":{"tenantId":"` + contoso + `","clientId":"` + fabrikam + `","method":"clientSecret"},"stack":{"domain":"azurestack.external","providerSubscription":"` + providerSubscription + `"}}`},
	} {
		for _, stored := range []bool{false, true} {
			t.Run(c.name+map[bool]string{false: ", not stored", true: ", stored and reported as failed"}[stored], func(t *testing.T) {
				t.Parallel()
				r := newRig(t)
				r.LandingService = "https://landingusage.blob.core.windows.net/"
				r.reroute(t)
				r.asks(t, 201, "PUT", "/hamburg", wished())
				history, err := r.registry().History(t.Context(), cloudID)
				ok(t, err)
				parts, err := history.Parts("20191210")
				ok(t, err)
				if c.name == "confirm" {
					_, err = r.registrar().RecordInfrastructure(t.Context(), history, parts[0], []string{operators}, registration.Note{By: "CloseDay"})
					ok(t, err)
				}
				was := r.version(t)
				r.failWrite(1, stored)
				r.asks(t, 500, c.method, c.path, c.body)
				r.through(nil)
				r.asks(t, 200, c.method, c.path, c.body)
				r.asks(t, 200, c.method, c.path, c.body)
				if got := r.version(t); got != was+1 {
					t.Errorf("%d changes were recorded, want 1", got-was)
				}
			})
		}
	}
}
