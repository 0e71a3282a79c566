package handlers_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/handlers"
	"stackusage/shared/activation"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

// api calls the registration API as the host passes requests on, and reads the
// object that it answers.
func (r *rig) api(t testing.TB, method, path, body string, headers ...string) (int, map[string]any, http.Header) {
	t.Helper()
	w := httptest.NewRecorder()
	req := httptest.NewRequest(method, "/api/registrations"+path, strings.NewReader(body))
	if r.Settings.BehindAuthentication {
		req.Header.Set("X-MS-CLIENT-PRINCIPAL", principal(`{"auth_typ":"aad","claims":[{"typ":"preferred_username","val":"olga@example.com"}]}`))
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	r.router.ServeHTTP(w, req)
	var object map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &object); err != nil || w.Header().Get("Content-Type") != "application/json" {
		t.Fatalf("%s %s: %d %s is no JSON object", method, path, w.Code, w.Body)
	}
	return w.Code, object, w.Header()
}

// asks calls the API and fails the test unless the status is the wanted one.
func (r *rig) asks(t testing.TB, want int, method, path, body string, headers ...string) map[string]any {
	t.Helper()
	status, object, _ := r.api(t, method, path, body, headers...)
	if status != want {
		t.Fatalf("%s %s: %d %v, want %d", method, path, status, object, want)
	}
	return object
}

// refusedWith is the code of an error body.
func refusedWith(t testing.TB, object map[string]any, code, message string) {
	t.Helper()
	e, _ := object["error"].(map[string]any)
	if e["code"] != code || !strings.Contains(fmt.Sprint(e["message"]), message) || len(object) != 1 {
		t.Errorf("got %v, want %s: %s", object, code, message)
	}
}

// wished is a registration as a client puts it, with changes.
func wished(changes ...string) string {
	p := map[string]any{"cloudId": cloudID, "subscriptionId": payer, "subscriptionKind": "CSP", "billingModel": "PayAsYouUse",
		"region": "northwest", "effectiveDay": "2019-12-10", "start": "2019-12-10T22:00:00Z", "reason": "the stamp went live"}
	for i := 0; i < len(changes); i += 2 {
		p[changes[i]] = changes[i+1]
	}
	maps.DeleteFunc(p, func(_ string, v any) bool { return v == "" })
	text, _ := json.Marshal(map[string]any{"location": "global", "properties": p})
	return string(text)
}

func TestRegistrationAPI(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.Settings.BehindAuthentication = true
	r.reroute(t)
	t.Run("one that is not there", func(t *testing.T) {
		for _, call := range [][2]string{{"GET", "/hamburg"}, {"DELETE", "/hamburg"}, {"GET", "/hamburg/customerSubscriptions"}, {"PUT", "/hamburg/customerSubscriptions/" + contosoPays}, {"POST", "/hamburg/getActivationKey"}} {
			refusedWith(t, r.asks(t, 404, call[0], call[1], "{}"), "RegistrationNotFound", `no registration "hamburg"`)
		}
		if got := r.asks(t, 200, "GET", "", ""); len(got["value"].([]any)) != 0 {
			t.Errorf("%v", got)
		}
	})
	t.Run("PUT makes it, and the same again changes nothing", func(t *testing.T) {
		for _, want := range []int{201, 200} {
			status, got, header := r.api(t, "PUT", "/hamburg", wished())
			p := got["properties"].(map[string]any)
			if status != want || header.Get("ETag") != `"1"` || got["etag"] != `"1"` || p["usageReportingEnabled"] != true || p["by"] != "olga@example.com" ||
				p["reason"] != "the stamp went live" || p["effectiveSince"] != "2019-12-10" || got["type"] != "Microsoft.AzureStack/registrations" ||
				got["id"] != "/subscriptions/"+payer+"/resourceGroups/azurestack/providers/Microsoft.AzureStack/registrations/hamburg" {
				t.Errorf("%d %v %v", status, header, got)
			}
		}
	})
	t.Run("what was read can be sent back", func(t *testing.T) {
		got := r.asks(t, 200, "GET", "/HAMBURG", "")
		text, err := json.Marshal(got)
		ok(t, err)
		if again := r.asks(t, 200, "PUT", "/hamburg", string(text)); cmp.Diff(got, again) != "" {
			t.Error(cmp.Diff(got, again))
		}
	})
	t.Run("a change from a day on, of the version that was read", func(t *testing.T) {
		changed := wished("subscriptionId", contosoPays, "effectiveDay", "2020-01-01")
		refusedWith(t, r.asks(t, 412, "PUT", "/hamburg", changed, "If-Match", `"7"`), "PreconditionFailed", "has changed since it was read")
		refusedWith(t, r.asks(t, 412, "PUT", "/hamburg", changed, "If-None-Match", "*"), "PreconditionFailed", "already")
		refusedWith(t, r.asks(t, 412, "PUT", "/kiel", strings.Replace(changed, cloudID, deleted, 1), "If-Match", "*"), "PreconditionFailed", "no registration")
		got := r.asks(t, 200, "PUT", "/hamburg", changed, "If-Match", `"1"`)
		p := got["properties"].(map[string]any)
		if p["subscriptionId"] != contosoPays || len(p["history"].([]any)) != 2 || got["etag"] != `"2"` {
			t.Errorf("%v", got)
		}
		if rows := r.rows(t, table.Registrations); rows[cloudID+"/registration_20191210"]["subscriptionId"] != payer || rows[cloudID+"/registration_20200101"]["reason"] != "the stamp went live" {
			t.Errorf("%v", rows)
		}
	})
	t.Run("refusals of the table come with their code", func(t *testing.T) {
		for _, c := range []struct {
			status        int
			path, body    string
			code, message string
		}{
			{409, "/kiel", wished(), "CloudIdUpdateNotAllowed", "already registered as hamburg"},
			{409, "/hamburg", wished("cloudId", deleted), "CloudIdUpdateNotAllowed", "cannot be changed"},
			{400, "/hamburg", wished("azureEnvironmentName", "AzureChinaCloud"), "CloudNotAllowed", "AzureChinaCloud"},
			{400, "/hamburg", wished("subscriptionKind", "MSDN"), "SubscriptionKindNotAllowed", "CSP, EA"},
			{400, "/hamburg", wished("subscriptionKind", ""), "SubscriptionKindNotAllowed", "is missing"},
			{400, "/hamburg", wished("cloudId", ""), "InvalidCloudId", "GUID"},
			{400, "/hamburg", wished("effectiveDay", "20200101"), "InvalidEffectiveDay", "2019-12-10"},
			{400, "/hamburg", wished("start", "noon"), "InvalidStart", "2019-12-10T19:00:00Z"},
			{400, "/hamburg", wished("end", "noon"), "InvalidEnd", "2019-12-10T19:00:00Z"},
			{400, "/hamburg", strings.Replace(wished(), `"billingModel"`, `"usageReportingEnabled":false,"billingModel"`, 1), "UsageReportingRequired", "cannot be switched off"},
			{400, "/hamburg", "", "InvalidRequestContent", "not the JSON"},
			{400, "/hamburg", `{"properties":{"cloudId":"a","cloudId":"b"}}`, "InvalidRequestContent", "twice"},
			{400, "/hamburg", `{"properties":{"colour":"red"}}`, "InvalidRequestContent", "does not belong"},
			{413, "/hamburg", strings.Repeat(" ", 65<<10), "RequestEntityTooLarge", "longer than"},
		} {
			refusedWith(t, r.asks(t, c.status, "PUT", c.path, c.body), c.code, c.message)
		}
	})
	t.Run("customers", func(t *testing.T) {
		const path = "/hamburg/customerSubscriptions"
		mapping := `{"properties":{"tenantId":"` + strings.ToUpper(contoso) + `","effectiveDay":"2019-12-15"}}`
		if got := r.asks(t, 201, "PUT", path+"/"+contosoPays, mapping); got["name"] != "hamburg/"+contosoPays || got["properties"].(map[string]any)["tenantId"] != contoso {
			t.Errorf("%v", got)
		}
		r.asks(t, 200, "PUT", path+"/"+contosoPays, mapping)
		refusedWith(t, r.asks(t, 400, "PUT", path+"/"+strings.ToUpper(contosoPays), mapping), "InvalidCustomerSubscriptionId", "case matters")
		refusedWith(t, r.asks(t, 409, "PUT", path+"/"+contosoPays, strings.Replace(mapping, strings.ToUpper(contoso), fabrikam, 1)), "CustomerSubscriptionInUse", "remove")
		if got := r.asks(t, 200, "GET", path, ""); len(got["value"].([]any)) != 1 {
			t.Errorf("%v", got)
		}
		r.asks(t, 200, "GET", path+"/"+contosoPays, "")
		refusedWith(t, r.asks(t, 404, "GET", path+"/"+payer, ""), "CustomerSubscriptionNotFound", "not mapped")
		r.asks(t, 200, "PUT", path+"/"+payer, mapping) // a second one takes its place
		refusedWith(t, r.asks(t, 404, "GET", path+"/"+contosoPays, ""), "CustomerSubscriptionNotFound", "not mapped")
		for range 2 {
			r.asks(t, 200, "DELETE", path+"/"+payer, "")
		}
		refusedWith(t, r.asks(t, 404, "DELETE", path+"/"+deleted, ""), "CustomerSubscriptionNotFound", "not mapped")
		if got := r.asks(t, 200, "GET", path, ""); len(got["value"].([]any)) != 0 {
			t.Errorf("%v", got)
		}
	})
	t.Run("the key waits for the container, and says where it can be made", func(t *testing.T) {
		other := strings.Replace(cloudID, "b3", "b4", 1)
		r.LandingService = "https://landingusage.blob.core.windows.net/"
		r.reroute(t)
		r.asks(t, 201, "PUT", "/kiel", wished("cloudId", other))
		const who = `{"identity":{"tenantId":"` + contoso + `","clientId":"` + contosoPays + `","method":"clientSecret"},"stack":{"domain":"azurestack.external"}}`
		refusedWith(t, r.asks(t, 409, "POST", "/kiel/getActivationKey", who), "LandingContainerNotFound",
			"run: az storage container create --auth-mode login --account-name landingusage --name landing-"+other)
		ok(t, r.store.Blobs.Create(t.Context(), landing.Container(other)))
		refusedWith(t, r.asks(t, 400, "POST", "/kiel/getActivationKey", "{}"), "InvalidRequestContent", "stack.domain")
		key, err := activation.Decode(r.asks(t, 200, "POST", "/kiel/getActivationKey", who)["activationKey"].(string))
		ok(t, err)
		if key.Account != "landingusage" || key.Container != "landing-"+other || key.Stack.Region != "northwest" || key.Rules.BillingModel != "PayAsYouUse" || !key.Rules.FirstHour.Start().Equal(hour22.Start()) {
			t.Errorf("%+v", key)
		}
		r.asks(t, 200, "DELETE", "/kiel", "")
		r.advance(2 * time.Hour)
		refusedWith(t, r.asks(t, 409, "POST", "/kiel/getActivationKey", who), "RegistrationEnded", "register the stack again")
	})
	t.Run("DELETE ends it and keeps its history", func(t *testing.T) {
		first := r.asks(t, 200, "DELETE", "/hamburg?reason=scrapped", "")
		r.advance(3 * time.Hour)
		again := r.asks(t, 200, "DELETE", "/hamburg", "")
		end := first["properties"].(map[string]any)["end"]
		if end == nil || again["etag"] != first["etag"] || again["properties"].(map[string]any)["reason"] != "scrapped" {
			t.Errorf("first %v, again %v", first, again)
		}
		if rows := r.rows(t, table.Registrations); rows[cloudID+"/registration_20191210"] == nil {
			t.Errorf("%v", rows)
		}
	})
	t.Run("storage that does not answer is a 500 in the same form", func(t *testing.T) {
		r.failWrite(1, false)
		refusedWith(t, r.asks(t, 500, "PUT", "/bremen", wished("cloudId", subscription)), "InternalServerError", "the log says more")
		r.through(nil)
	})
}

// TestRegistrationCrashes: whichever write of a change fails, the same request
// again has the same end.
func TestRegistrationCrashes(t *testing.T) {
	t.Parallel()
	call := func(method, path, text string) func(*rig) (int, string) {
		return func(r *rig) (int, string) {
			w := httptest.NewRecorder()
			r.router.ServeHTTP(w, httptest.NewRequest(method, "/api/registrations"+path, strings.NewReader(text)))
			if w.Code == http.StatusCreated {
				w.Code = http.StatusOK
			}
			return w.Code, w.Body.String()
		}
	}
	for name, step := range map[string]struct {
		prepare func(t *testing.T, r *rig)
		step    func(*rig) (int, string)
	}{
		"a new registration": {func(*testing.T, *rig) {}, call("PUT", "/hamburg", wished())},
		"a change": {func(t *testing.T, r *rig) { r.asks(t, 201, "PUT", "/hamburg", wished()) },
			call("PUT", "/hamburg", wished("subscriptionId", contosoPays, "effectiveDay", "2020-01-01"))},
		"its end": {func(t *testing.T, r *rig) { r.asks(t, 201, "PUT", "/hamburg", wished()) }, call("DELETE", "/hamburg?end=2020-02-01T00:00:00Z", "")},
		"a mapping": {func(t *testing.T, r *rig) { r.asks(t, 201, "PUT", "/hamburg", wished()) },
			call("PUT", "/hamburg/customerSubscriptions/"+contosoPays, `{"properties":{"tenantId":"`+contoso+`"}}`)},
		"the end of a mapping": {func(t *testing.T, r *rig) {
			r.asks(t, 201, "PUT", "/hamburg", wished())
			r.mapTenant(t, contoso, contosoPays, "20200101")
		}, call("DELETE", "/hamburg/customerSubscriptions/"+contosoPays, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			eachWriteFailed(t, func(t *testing.T) *rig {
				r := newRig(t)
				step.prepare(t, r)
				return r
			}, step.step, sameStorage)
		})
	}
}

// FuzzRegistrationRequest: no body makes the API answer anything but JSON with a
// status of its own, and what it takes is what it shows.
func FuzzRegistrationRequest(f *testing.F) {
	for _, seed := range []string{wished(), wished("end", "2020-01-01T00:00:00Z"), "{}", "null", "[]", `{"properties":null}`, `{"properties":{"history":[{"cloudId":"x"}]}}`, "\xff", `{"properties":{"effectiveDay":"0000-00-00"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		w, err := handlers.DecodeChange(text)
		if err != nil {
			if !strings.Contains(err.Error(), ": ") {
				t.Errorf("%v", err)
			}
			return
		}
		if err := w.Registration.Validate(); err == nil && (w.CloudID != strings.ToLower(w.CloudID) || len(w.CloudID) != 36) {
			t.Errorf("%+v", w)
		}
	})
}
