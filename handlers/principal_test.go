package handlers_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"unicode"

	"stackusage/handlers"
)

func principal(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func TestPrincipal(t *testing.T) {
	claims := func(list string) string {
		return principal(`{"auth_typ":"aad","claims":[` + list + `],"name_typ":"n","role_typ":"r"}`)
	}
	for _, c := range []struct{ name, header, want, wrong string }{
		{"a user by the name that signs in", claims(`{"typ":"oid","val":"1"},{"typ":"preferred_username","val":"olga@example.com"}`), "olga@example.com", ""},
		{"a user by the long names", claims(`{"typ":"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn","val":"olga@example.com"}`), "olga@example.com", ""},
		{"an application by its client id", claims(`{"typ":"sub","val":"1"},{"typ":"appid","val":"2f1c"}`), "application 2f1c", ""},
		{"an identity by its object", claims(`{"typ":"http://schemas.microsoft.com/identity/claims/objectidentifier","val":"77"}`), "principal 77", ""},
		{"a name of several lines", claims(`{"typ":"upn","val":"olga\r\n{\"level\":\"INFO\"}"}`), `olga {"level":"INFO"}`, ""},
		{"a name that turns the text round", claims(`{"typ":"upn","val":"olga\u202emoc.elpmaxe"}`), "olga moc.elpmaxe", ""},
		{"a name that nobody sees", claims(`{"typ":"upn","val":"\u200b\u2066\ufeff"},{"typ":"oid","val":"77"}`), "principal 77", ""},
		{"nobody", claims(``), "", "names no user and no application"},
		{"an empty name", claims(`{"typ":"upn","val":" "}`), "", "names no user and no application"},
		{"another provider", principal(`{"auth_typ":"facebook","claims":[{"typ":"upn","val":"olga"}]}`), "", `auth_typ is "facebook", not aad`},
		{"no provider", principal(`{}`), "", `auth_typ is "", not aad`},
		{"something twice", principal(`{"auth_typ":"aad","claims":[],"claims":[{"typ":"upn","val":"olga"}]}`), "", "not a client principal"},
		{"no JSON", principal(`olga`), "", "not a client principal"},
		{"no base64", `{"auth_typ":"aad"}`, "", "not base64"},
		{"too long", strings.Repeat("A", 64<<10+4), "", "longer than 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := handlers.DecodePrincipal(c.header)
			if got != c.want || (err == nil) != (c.wrong == "") || err != nil && !strings.Contains(err.Error(), c.wrong) {
				t.Errorf("got %q, %v", got, err)
			}
		})
	}
}

func FuzzPrincipal(f *testing.F) {
	f.Add([]byte(`{"auth_typ":"aad","claims":[{"typ":"upn","val":"olga@example.com"},{"typ":"exp","val":"1"}],"name_typ":"n","role_typ":"r"}`))
	f.Add([]byte(`{"auth_typ":"aad","claims":[{"typ":"appid","val":"\ud800\u0000x"}]}`))
	f.Add([]byte(`{"auth_typ":"aad","claims":[{"typ":"appid","val":"a\u0000\u001bb"}]}`))
	f.Add([]byte(`{"auth_typ":"aad","claims":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		name, err := handlers.DecodePrincipal(base64.StdEncoding.EncodeToString(text))
		if (err == nil) == (name == "") || len(name) > 820 || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsGraphic(r) }) {
			t.Errorf("%q: %v", name, err)
		}
		if _, err := handlers.DecodePrincipal(string(text)); err == nil && len(text) > 64<<10 {
			t.Error("too long, and read")
		}
	})
}

// TestSignedIn: the header counts where the platform sets it, and nowhere else.
func TestSignedIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	olga := principal(`{"auth_typ":"aad","claims":[{"typ":"upn","val":"olga@example.com"}]}`)
	by := func(got map[string]any) any { return got["properties"].(map[string]any)["by"] }
	t.Run("without the setting, what a caller writes there says nothing", func(t *testing.T) {
		got := r.asks(t, 201, "PUT", "/hamburg", wished(), "X-MS-CLIENT-PRINCIPAL", olga, "X-MS-CLIENT-PRINCIPAL-NAME", "olga@example.com")
		if by(got) != "function key" {
			t.Errorf("by %v", by(got))
		}
	})
	r.Settings.BehindAuthentication = true
	r.reroute(t)
	for _, c := range []struct {
		name, header string
		status       int
		code, says   string
	}{
		{"no principal", "", 401, "AuthenticationFailed", "BEHIND_APP_SERVICE_AUTH"},
		{"one that is none", "olga", 401, "AuthenticationFailed", "must come from App Service authentication"},
		{"one of nobody", principal(`{"auth_typ":"aad","claims":[]}`), 403, "AuthorizationFailed", "call with a token that has the claim"},
	} {
		t.Run(c.name+" is refused", func(t *testing.T) {
			status, got, _ := r.api(t, "PUT", "/hamburg", wished("reason", "forged"), "X-MS-CLIENT-PRINCIPAL", c.header, "X-MS-CLIENT-PRINCIPAL-NAME", "olga@example.com")
			if status != c.status {
				t.Errorf("%d", status)
			}
			refusedWith(t, got, c.code, c.says)
		})
	}
	t.Run("two principals are refused", func(t *testing.T) {
		req := httptest.NewRequest("GET", "/api/registrations", nil)
		req.Header["X-Ms-Client-Principal"] = []string{olga, olga}
		w := httptest.NewRecorder()
		r.router.ServeHTTP(w, req)
		if w.Code != 401 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	t.Run("the Status function asks too", func(t *testing.T) {
		for header, want := range map[string]int{"": 401, olga: 200} {
			req := httptest.NewRequest("GET", "/api/status", nil)
			req.Header.Set("X-MS-CLIENT-PRINCIPAL", header)
			w := httptest.NewRecorder()
			r.router.ServeHTTP(w, req)
			if w.Code != want {
				t.Errorf("%q: %d %s", header, w.Code, w.Body)
			}
		}
	})
	t.Run("what the host calls by itself needs none", func(t *testing.T) {
		w := httptest.NewRecorder()
		r.router.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/Sweep", strings.NewReader(`{"Data":{"timer":"{}"},"Metadata":{}}`)))
		if w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	})
	t.Run("who is signed in is recorded", func(t *testing.T) {
		if got := r.asks(t, 200, "PUT", "/hamburg", wished("region", "north"), "X-MS-CLIENT-PRINCIPAL", olga); by(got) != "olga@example.com" {
			t.Errorf("by %v", by(got))
		}
	})
}
