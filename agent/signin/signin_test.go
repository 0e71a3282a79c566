package signin_test

import (
	"net/http"
	"os"
	"strings"
	"testing"

	"stackusage/agent/signin"
)

func TestMain(m *testing.M) {
	signin.RetryAtOnce()
	os.Exit(m.Run())
}

func TestLoginEndpoint(t *testing.T) {
	for _, tc := range []struct {
		endpoint, tenant   string
		host, as, complain string
		public             bool
	}{
		{endpoint: "https://login.microsoftonline.com/", tenant: tenantID, host: "https://login.microsoftonline.com/", as: tenantID, public: true},
		{endpoint: "https://login.windows.net", tenant: tenantID, host: "https://login.windows.net/", as: tenantID, public: true},
		{endpoint: "https://login.windows.net/" + tenantID, host: "https://login.windows.net/", as: tenantID, public: true},
		{endpoint: "https://login.windows.net/" + tenantID + "/", tenant: strings.ToUpper(tenantID), host: "https://login.windows.net/", as: tenantID, public: true},
		{endpoint: "https://login.contoso.invalid:8443/", tenant: tenantID, host: "https://login.contoso.invalid:8443/", as: tenantID},
		{endpoint: "https://adfs.local.azurestack.external/adfs", host: "https://adfs.local.azurestack.external/", as: "adfs"},
		{endpoint: "https://adfs.local.azurestack.external/ADFS/", tenant: tenantID, host: "https://adfs.local.azurestack.external/", as: "adfs"},
		{endpoint: "https://login.windows.net/", complain: "tenantId is missing"},
		{endpoint: "https://login.windows.net/contoso.invalid", tenant: tenantID, complain: "another tenant"},
		{endpoint: "https://login.windows.net/a/b", tenant: tenantID, complain: "not of the form"},
		{endpoint: "http://login.windows.net/", tenant: tenantID, complain: "must be https"},
		{endpoint: "https://user:secret@login.windows.net/", tenant: tenantID, complain: "not of the form"},
		{endpoint: "login.windows.net", tenant: tenantID, complain: "not of the form"},
		{endpoint: "https://login.windows.net/?secret=1", tenant: tenantID, complain: "not of the form"},
		{endpoint: "https://%zz/", tenant: tenantID, complain: "not of the form"},
	} {
		t.Run(tc.endpoint, func(t *testing.T) {
			host, as, public, err := signin.AuthorityOf(tc.endpoint, tc.tenant)
			if tc.complain != "" {
				if err == nil {
					t.Fatalf("taken as %s %s", host, as)
				}
				mustSay(t, err.Error(), tc.complain)
				if strings.Contains(err.Error(), "secret") {
					t.Errorf("%v shows a secret", err)
				}
				return
			}
			if err != nil || host != tc.host || as != tc.as || public != tc.public {
				t.Errorf("%s %s public: %t, %v", host, as, public, err)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	secret := signin.Config{Method: signin.ClientSecret, TenantID: tenantID, ClientID: clientID, Secret: "abc"}
	for name, tc := range map[string]struct {
		change func(*signin.Config)
		says   string
	}{
		"a method that is unknown":       {func(c *signin.Config) { c.Method = "password" }, `"password"`},
		"no client id":                   {func(c *signin.Config) { c.ClientID = "" }, "clientId"},
		"no secret":                      {func(c *signin.Config) { c.Secret = "" }, "secret is missing"},
		"a secret with its line's end":   {func(c *signin.Config) { c.Secret = "abc\n" }, "white space"},
		"a byte order mark":              {func(c *signin.Config) { c.Secret = "\ufeffabc" }, "byte order mark"},
		"a secret in UTF-16":             {func(c *signin.Config) { c.Secret = "\xff\xfea\x00b\x00c\x00" }, "UTF-16"},
		"a secret of two lines":          {func(c *signin.Config) { c.Secret = "abc\nabc" }, "plain text"},
		"no certificate":                 {func(c *signin.Config) { c.Method, c.Secret = signin.ClientCertificate, "" }, "certificate is missing"},
		"a secret for another method":    {func(c *signin.Config) { c.Method = signin.ManagedIdentity }, "another method"},
		"a certificate beside a secret":  {func(c *signin.Config) { c.Certificate = []byte("x") }, "another method"},
		"no tenant":                      {func(c *signin.Config) { c.TenantID = "" }, "tenantId"},
		"a tenant that can be none":      {func(c *signin.Config) { c.TenantID = "a/b" }, "tenant"},
		"a negative time limit":          {func(c *signin.Config) { c.Timeout = -1 }, "negative"},
		"a certificate file that is bad": {func(c *signin.Config) { c.Method, c.Secret, c.Certificate = signin.ClientCertificate, "", []byte("x") }, "neither a PEM nor a PFX"},
	} {
		t.Run(name, func(t *testing.T) {
			conf := secret
			tc.change(&conf)
			_, err := signin.New(conf, http.DefaultClient)
			if err == nil {
				t.Fatal("taken")
			}
			mustSay(t, err.Error(), tc.says)
			if strings.Contains(err.Error(), "abc") {
				t.Errorf("%v shows the secret", err)
			}
		})
	}
	t.Run("no client", func(t *testing.T) {
		if _, err := signin.New(secret, nil); err == nil {
			t.Error("taken")
		}
	})
}

func TestAudienceThatIsNone(t *testing.T) {
	s := newStand(t)
	cred := s.credential(t, s.config(signin.ClientSecret))
	for _, audience := range []string{"", "a b", stackAudience + "/.default", "a\n"} {
		if _, err := signin.Token(cred, audience)(t.Context()); err == nil {
			t.Errorf("%q was taken", audience)
		}
	}
	if got := s.issued(t); len(got) > 0 {
		t.Errorf("issued %v", got)
	}
}

func FuzzReadRefusal(f *testing.F) {
	f.Add(400, []byte(`{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: x","error_codes":[7000215]}`))
	f.Add(400, []byte(`{"error":"invalid_client","error_description":"MSIS9622: Client authentication failed."}`))
	f.Add(401, []byte(`{"error":{"code":"x"}}`))
	f.Add(502, []byte("<html>"))
	f.Fuzz(func(t *testing.T, status int, text []byte) {
		e := signin.ReadRefusal(status, text, signin.ClientSecret)
		cause, advice := signin.Cause(e)
		if e.Kind == "" || cause == "" || strings.ContainsAny(e.Error()+cause+advice, "\r\n") || len(e.Detail) > 500 {
			t.Errorf("kind %q, cause %q, advice %q, error %q", e.Kind, cause, advice, e)
		}
	})
}
