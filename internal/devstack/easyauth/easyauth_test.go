package easyauth_test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stackusage/internal/devstack/easyauth"
	"stackusage/internal/devstack/identity"
)

const (
	tenant   = "8d6b3a6e-1d0c-4b9a-9f43-0c7f3f5a7f11"
	caller   = "2f1c9a54-6c0b-4a34-8f0e-6a5d0f9b1c22"
	other    = "5b0e4f0a-0f3d-4f0b-8a52-7a0b5c9d1e33"
	audience = "api://stackusage"
)

// issuer is an Entra ID, with what asks it.
type issuer struct {
	*identity.Server
	client *http.Client
}

func start(t *testing.T) issuer {
	t.Helper()
	clients := []identity.Client{{ID: caller, Secret: "x"}, {ID: other, Secret: "x"}}
	s, err := identity.Start(identity.Options{Directory: identity.Directory{Tenants: []identity.Tenant{
		{ID: tenant, Audiences: []string{audience, "api://another"}, Clients: clients},
		{ID: "fabrikam", Audiences: []string{audience}, Clients: clients},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(s.CA())
	return issuer{s, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}}}
}

func (i issuer) token(t *testing.T, tenant, client, audience string) string {
	t.Helper()
	resp, err := i.client.PostForm(i.LoginEndpoint()+tenant+"/oauth2/v2.0/token", url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {"x"}, "scope": {audience + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.AccessToken == "" {
		t.Fatalf("no token: %s %v", resp.Status, err)
	}
	return answer.AccessToken
}

// lifetime makes the next tokens live so many seconds; 0 is as usual.
func (i issuer) lifetime(t *testing.T, seconds int) {
	t.Helper()
	text, _ := json.Marshal(identity.Faults{TokenLifetime: seconds})
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+i.Address()+"/_devstack/faults", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := i.client.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%v %v", resp, err)
	}
	resp.Body.Close()
}

func TestFront(t *testing.T) {
	entra, stranger := start(t), start(t)
	var got http.Header // what reached the app
	app := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Clone() }))
	t.Cleanup(app.Close)
	front, err := easyauth.New(easyauth.Options{
		App: app.URL, Issuer: "https://sts.windows.net/" + tenant + "/", Audiences: []string{audience}, Callers: []string{caller},
		KeysURL: entra.KeysURL(), Client: entra.client,
	})
	if err != nil {
		t.Fatal(err)
	}
	call := func(authorization string) *httptest.ResponseRecorder {
		got = nil
		req := httptest.NewRequest(http.MethodGet, "/api/status", nil)
		if authorization != "" {
			req.Header.Set("Authorization", authorization)
		}
		req.Header.Set("X-MS-CLIENT-PRINCIPAL", "forged")
		req.Header.Set("X-MS-CLIENT-PRINCIPAL-NAME", "olga@example.com")
		req.Header.Set("x-ms-token-aad-access-token", "forged")
		w := httptest.NewRecorder()
		front.ServeHTTP(w, req)
		return w
	}
	sign := func(method jwt.SigningMethod, key any) string {
		text, err := jwt.NewWithClaims(method, jwt.MapClaims{
			"iss": "https://sts.windows.net/" + tenant + "/", "aud": audience, "appid": caller, "exp": time.Now().Add(time.Hour).Unix(),
		}).SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	good := entra.token(t, tenant, caller, audience)
	entra.lifetime(t, -600)
	expired := entra.token(t, tenant, caller, audience)
	entra.lifetime(t, 0)
	parts := strings.Split(good, ".")
	for name, tc := range map[string]struct {
		authorization string
		status        int
	}{
		"no token":                         {"", 401},
		"another scheme":                   {"Basic eDp5", 401},
		"no token at all":                  {"Bearer x", 401},
		"one that has expired":             {"Bearer " + expired, 401},
		"one for another audience":         {"Bearer " + entra.token(t, tenant, caller, "api://another"), 401},
		"one of another tenant":            {"Bearer " + entra.token(t, "fabrikam", caller, audience), 401},
		"one that another has signed":      {"Bearer " + stranger.token(t, tenant, caller, audience), 401},
		"one that nobody has signed":       {"Bearer " + sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType), 401},
		"one that a password has signed":   {"Bearer " + sign(jwt.SigningMethodHS256, []byte("password")), 401},
		"one with other words in it":       {"Bearer " + parts[0] + "." + strings.Split(expired, ".")[1] + "." + parts[2], 401},
		"one of an application not listed": {"Bearer " + entra.token(t, tenant, other, audience), 403},
	} {
		t.Run(name+" does not reach the app", func(t *testing.T) {
			if w := call(tc.authorization); w.Code != tc.status || w.Header().Get("WWW-Authenticate") == "" || got != nil {
				t.Errorf("%d, %v reached the app", w.Code, got)
			}
		})
	}
	t.Run("a good one does, and says who it is; what the caller wrote does not", func(t *testing.T) {
		if w := call("Bearer " + good); w.Code != http.StatusOK || got == nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		text, err := base64.StdEncoding.DecodeString(got.Get("X-MS-CLIENT-PRINCIPAL"))
		if err != nil || !strings.Contains(string(text), `{"typ":"appid","val":"`+caller+`"}`) || !strings.Contains(string(text), `"auth_typ":"aad"`) {
			t.Errorf("principal %s, %v", text, err)
		}
		if got.Get("X-MS-CLIENT-PRINCIPAL-NAME") != "" || got.Get("X-Ms-Token-Aad-Access-Token") != "" || got.Get("X-MS-CLIENT-PRINCIPAL-IDP") != "aad" {
			t.Errorf("headers %v", got)
		}
	})
	t.Run("without an issuer it is not made", func(t *testing.T) {
		if _, err := easyauth.New(easyauth.Options{App: app.URL, Audiences: []string{audience}}); err == nil {
			t.Error("no error")
		}
	})
}
