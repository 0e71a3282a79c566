package identity_test

import (
	"context"
	"crypto"
	"crypto/sha1"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"stackusage/internal/devstack/identity"
)

const (
	tenant   = "contoso.invalid"
	app      = "2f1c9a54-6c0b-4a34-8f0e-6a5d0f9b1c22"
	audience = "https://management.contoso.invalid/x"
	password = "correct horse"
)

type stand struct {
	*identity.Server
	client *http.Client
}

func newStand(t testing.TB, d identity.Directory) *stand {
	t.Helper()
	s, err := identity.Start(identity.Options{Directory: d})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(s.CA()) {
		t.Fatal("the authority is no certificate")
	}
	return &stand{s, &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}}}}
}

func directory(certs ...string) identity.Directory {
	client := identity.Client{ID: app, Secret: password, Certificates: certs}
	return identity.Directory{Tenants: []identity.Tenant{
		{ID: tenant, Audiences: []string{audience}, Clients: []identity.Client{client}},
		{ID: identity.ADFS, Audiences: []string{audience}, Clients: []identity.Client{client}},
	}}
}

// do asks and returns what the answer says.
func (s *stand) do(t testing.TB, method, path string, body io.Reader, form bool) (int, http.Header, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+s.Address()+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if form {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer := map[string]any{}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "application/json") {
		if err := json.Unmarshal(text, &answer); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	return resp.StatusCode, resp.Header, answer
}

func (s *stand) token(t testing.TB, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	status, _, answer := s.do(t, http.MethodPost, path, strings.NewReader(form.Encode()), true)
	return status, answer
}

const entra = "/" + tenant + "/oauth2/v2.0/token"

func grant(more ...string) url.Values {
	form := url.Values{
		"grant_type": {"client_credentials"}, "client_id": {app}, "client_secret": {password},
		"scope": {audience + "/.default openid offline_access profile"},
	}
	for i := 0; i < len(more); i += 2 {
		form.Set(more[i], more[i+1])
	}
	return form
}

func TestRefusals(t *testing.T) {
	s := newStand(t, directory())
	for name, tc := range map[string]struct {
		path  string
		form  url.Values
		error string
		says  string
	}{
		"a wrong secret":       {entra, grant("client_secret", "x"), "invalid_client", "AADSTS7000215"},
		"no secret":            {entra, grant("client_secret", ""), "invalid_client", "AADSTS7000218"},
		"an unknown audience":  {entra, grant("scope", audience+"//.default"), "invalid_resource", "AADSTS500011"},
		"a scope of a user":    {entra, grant("scope", audience+"/user_impersonation"), "invalid_scope", "AADSTS1002012"},
		"two audiences":        {entra, grant("scope", "a/.default b/.default"), "invalid_scope", "AADSTS1002012"},
		"an unknown client":    {entra, grant("client_id", tenant), "unauthorized_client", "AADSTS700016"},
		"an unknown tenant":    {"/fabrikam.invalid/oauth2/v2.0/token", grant(), "invalid_tenant", "AADSTS90002"},
		"AD FS as a tenant":    {"/adfs/oauth2/v2.0/token", grant(), "invalid_tenant", "AADSTS90002"},
		"another grant":        {entra, grant("grant_type", "password"), "unsupported_grant_type", "AADSTS70003"},
		"AD FS: wrong secret":  {"/adfs/oauth2/token/", grant("client_secret", "x"), "invalid_client", "MSIS9622"},
		"AD FS: no client":     {"/adfs/oauth2/token/", grant("client_id", "x"), "invalid_client", "MSIS9622"},
		"AD FS: wrong request": {"/adfs/oauth2/token/", grant("scope", "x/.default"), "invalid_resource", "MSIS9602"},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := s.token(t, tc.path, tc.form)
			description, _ := answer["error_description"].(string)
			if status < 400 || answer["error"] != tc.error || !strings.HasPrefix(description, tc.says+": ") {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
}

func TestTokens(t *testing.T) {
	s := newStand(t, directory())
	for path, issuer := range map[string]string{entra: "https://sts.windows.net/" + tenant + "/", "/adfs/oauth2/token/": "http://" + s.Address() + "/adfs/services/trust"} {
		status, answer := s.token(t, path, grant())
		text, _ := answer["access_token"].(string)
		if status != http.StatusOK || answer["token_type"] != "Bearer" {
			t.Fatalf("%d %v", status, answer)
		}
		claims := jwt.MapClaims{}
		if _, _, err := jwt.NewParser().ParseUnverified(text, claims); err != nil {
			t.Fatal(err)
		}
		if claims["aud"] != audience || claims["iss"] != issuer || claims["appid"] != app {
			t.Errorf("%s: %v", path, claims)
		}
	}
}

func TestAssertions(t *testing.T) {
	now := time.Now()
	cert, key, err := identity.ClientCertificate("app", now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	old, oldKey, err := identity.ClientCertificate("app", now.Add(-2*time.Hour), now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	s := newStand(t, directory(string(identity.CertificatePEM(cert)), string(identity.CertificatePEM(old))))
	sign := func(method jwt.SigningMethod, cert *x509.Certificate, key crypto.PrivateKey, change jwt.MapClaims, header map[string]any) url.Values {
		claims := jwt.MapClaims{
			"aud": "https://" + s.Address() + entra, "iss": app, "sub": app, "jti": "1",
			"nbf": now.Unix(), "exp": now.Add(10 * time.Minute).Unix(),
		}
		maps.Copy(claims, change)
		token := jwt.NewWithClaims(method, claims)
		sum := sha1.Sum(cert.Raw)
		token.Header["x5t"] = base64.StdEncoding.EncodeToString(sum[:])
		maps.Copy(token.Header, header)
		text, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return grant("client_secret", "", "client_assertion", text, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
	}
	rs := jwt.SigningMethodRS256
	for name, tc := range map[string]struct {
		form url.Values
		says string
	}{
		"a good one":                {sign(rs, cert, key, nil, nil), ""},
		"a certificate of the past": {sign(rs, old, oldKey, nil, nil), "AADSTS700027: Client assertion contains an invalid signature. [Reason - The key used is expired."},
		"another's key":             {sign(rs, cert, oldKey, nil, nil), "AADSTS700027"},
		"for another endpoint":      {sign(rs, cert, key, jwt.MapClaims{"aud": "https://login.invalid/"}, nil), "AADSTS700023"},
		"for an hour ago":           {sign(rs, cert, key, jwt.MapClaims{"exp": now.Add(-time.Hour).Unix()}, nil), "AADSTS700024"},
		"for an hour from now":      {sign(rs, cert, key, jwt.MapClaims{"nbf": now.Add(time.Hour).Unix()}, nil), "AADSTS700024"},
		"for ever":                  {sign(rs, cert, key, jwt.MapClaims{"exp": nil}, nil), "AADSTS700027"},
		"of another client":         {sign(rs, cert, key, jwt.MapClaims{"iss": tenant, "sub": tenant}, nil), "AADSTS700027"},
		"signed with a password":    {sign(jwt.SigningMethodHS256, cert, []byte(password), nil, nil), "AADSTS700027"},
		"a chain of another":        {sign(rs, cert, key, nil, map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(old.Raw)}}), "AADSTS700027"},
		"its own chain":             {sign(rs, cert, key, nil, map[string]any{"x5c": []string{base64.StdEncoding.EncodeToString(cert.Raw)}}), ""},
	} {
		t.Run(name, func(t *testing.T) {
			status, answer := s.token(t, entra, tc.form)
			description, _ := answer["error_description"].(string)
			if (status == http.StatusOK) != (tc.says == "") || !strings.HasPrefix(description, tc.says) {
				t.Errorf("%d %v", status, answer)
			}
		})
	}
}

func TestDoors(t *testing.T) {
	s := newStand(t, identity.Directory{})
	put := func(t *testing.T, door, body string) int {
		t.Helper()
		status, _, _ := s.do(t, http.MethodPut, "/_devstack/"+door, strings.NewReader(body), false)
		return status
	}
	t.Run("a directory takes the place of the one before", func(t *testing.T) {
		if status, _ := s.token(t, entra, grant()); status == http.StatusOK {
			t.Fatal("known before")
		}
		text, err := json.Marshal(directory())
		if err != nil {
			t.Fatal(err)
		}
		if status := put(t, "directory", string(text)); status != http.StatusOK {
			t.Fatal(status)
		}
		if status, answer := s.token(t, entra, grant()); status != http.StatusOK {
			t.Errorf("%d %v", status, answer)
		}
	})
	t.Run("faults end after their times", func(t *testing.T) {
		if status := put(t, "faults", `{"status":503,"times":2,"retryAfter":3}`); status != http.StatusOK {
			t.Fatal(status)
		}
		for _, want := range []int{503, 503, 200} {
			if status, _ := s.token(t, entra, grant()); status != want {
				t.Errorf("%d, want %d", status, want)
			}
		}
	})
	t.Run("a clock that is off shows in the Date header", func(t *testing.T) {
		put(t, "faults", `{"clockOffset":-7200}`)
		defer put(t, "faults", `{}`)
		_, header, _ := s.do(t, http.MethodGet, "/discovery/keys", nil, false)
		date, err := http.ParseTime(header.Get("Date"))
		if behind := time.Since(date); err != nil || behind < 7100*time.Second || behind > 7500*time.Second {
			t.Errorf("%s, %v", behind, err)
		}
	})
	t.Run("a request that hangs ends with its caller", func(t *testing.T) {
		put(t, "faults", `{"hang":true}`)
		defer put(t, "faults", `{}`)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.KeysURL(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp, err := s.client.Do(req); err == nil {
			t.Errorf("answered %s", resp.Status)
		}
	})
	t.Run("what makes no sense is refused", func(t *testing.T) {
		for door, body := range map[string]string{
			"directory": `{"tenants":[{"id":"a/b"}]}`,
			"faults":    `{"status":200}`,
		} {
			if status := put(t, door, body); status != http.StatusBadRequest {
				t.Errorf("%s %s: %d", door, body, status)
			}
		}
		for _, body := range []string{`{"tenant":[]}`, `{"tenants":[{"id":"a"},{"id":"A"}]}`, `{"tenants":[{"id":"a","clients":[{"id":"b","certificates":["x"]}]}]}`, `x`} {
			if status := put(t, "directory", body); status != http.StatusBadRequest {
				t.Errorf("%s: %d", body, status)
			}
		}
	})
}

func FuzzTokenRequest(f *testing.F) {
	s := newStand(f, directory())
	f.Add("client_credentials", app, "x", "", audience+"/.default")
	f.Add("client_credentials", app, "", "eyJhbGciOiJub25lIn0.e30.", audience+"/.default")
	f.Fuzz(func(t *testing.T, kind, client, secret, assertion, scope string) {
		status, answer := s.token(t, entra, url.Values{
			"grant_type": {kind}, "client_id": {client}, "client_secret": {secret}, "client_assertion": {assertion}, "scope": {scope},
			"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
		})
		if status < 400 && secret != password || status >= 500 || answer["error"] == nil && status >= 400 {
			t.Errorf("%d %v", status, answer)
		}
	})
}
