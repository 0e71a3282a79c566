package signin_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"stackusage/agent/signin"
	"stackusage/agent/transport"
	"stackusage/internal/devstack/identity"
)

// fail signs in and returns the error, which must not show the secret.
func (s *stand) fail(t *testing.T, conf signin.Config, audience string) error {
	t.Helper()
	_, err := signin.Token(s.credential(t, conf), audience)(t.Context())
	if err == nil {
		t.Fatal("signed in")
	}
	cause, advice := signin.Cause(err)
	for _, text := range []string{err.Error(), cause, advice} {
		if conf.Secret != "" && strings.Contains(text, conf.Secret) {
			t.Errorf("%q shows the secret", text)
		}
		if strings.Contains(text, "\n") {
			t.Errorf("%q is not one line", text)
		}
	}
	return err
}

func TestCause(t *testing.T) {
	s := newStand(t)
	type conf = signin.Config
	atADFS := func(c *conf) { c.LoginEndpoint, c.TenantID = s.ADFSEndpoint(), "" }
	cases := []struct {
		name     string
		method   string
		change   func(*conf)
		audience string
		faults   identity.Faults
		kind     signin.Kind
		cause    string
		advice   string
	}{
		{"a wrong secret", signin.ClientSecret, func(c *conf) { c.Secret = "not the secret" }, stackAudience, identity.Faults{},
			signin.WrongSecret, "the client secret is wrong (AADSTS7000215)", "the value (not the id) of a secret"},
		{"a wrong secret at AD FS", signin.ClientSecret, func(c *conf) { atADFS(c); c.Secret = "not the secret" }, adfsAudience, identity.Faults{},
			signin.WrongSecret, "the client secret or the client id is wrong (MSIS9622)", "the value (not the id) of a secret"},
		{"a certificate that is not registered", signin.ClientCertificate, func(c *conf) { c.Certificate = stranger().pem() }, stackAudience, identity.Faults{},
			signin.WrongCertificate, "not registered with the application (AADSTS700027)", "Register this certificate"},
		{"a certificate that is not registered at AD FS", signin.ClientCertificate, func(c *conf) { atADFS(c); c.Certificate = stranger().pem() }, adfsAudience, identity.Faults{},
			signin.WrongCertificate, "not registered, or the client id is wrong (MSIS9622)", "Register this certificate"},
		{"an expired certificate", signin.ClientCertificate, func(c *conf) {
			c.Certificate, c.Now = expiring().pem(), func() time.Time { return time.Now().Add(2 * time.Hour) }
		}, stackAudience, identity.Faults{},
			signin.ExpiredCertificate, "the client certificate has expired: it was valid until 20", "Make a new certificate"},
		// By a clock that is so little ahead that the assertion still holds.
		{"an expired certificate, as the issuer's clock has it", signin.ClientCertificate, func(c *conf) {
			c.Certificate = expiring().pem()
		}, stackAudience, identity.Faults{ClockOffset: 14 * 60},
			signin.ExpiredCertificate, "the client certificate has expired or is not yet valid (AADSTS700027)", "Make a new certificate"},
		{"a wrong audience", signin.ClientSecret, nil, stackAudience + "x", identity.Faults{},
			signin.WrongAudience, stackAudience + `x" is unknown there (AADSTS500011)`, "/metadata/endpoints"},
		{"an audience with a slash too many", signin.ClientSecret, nil, stackAudience + "/", identity.Faults{},
			signin.WrongAudience, stackAudience + `/" is unknown there`, "to the last slash"},
		{"a wrong audience at AD FS", signin.ClientCertificate, atADFS, stackAudience, identity.Faults{},
			signin.WrongAudience, stackAudience + `" is unknown there (MSIS9602)`, "/metadata/endpoints"},
		{"an unknown tenant", signin.ClientSecret, func(c *conf) { c.TenantID = "fabrikam.example" }, stackAudience, identity.Faults{},
			signin.UnknownTenant, `the tenant "fabrikam.example" is unknown there (AADSTS90002)`, "Check tenantId"},
		{"an unknown client", signin.ClientSecret, func(c *conf) { c.ClientID = tenantID }, stackAudience, identity.Faults{},
			signin.UnknownClient, "is unknown in tenant", "Check clientId"},
		{"a clock that is behind", signin.ClientCertificate, nil, stackAudience, identity.Faults{ClockOffset: 3600},
			signin.ClockOff, "behind the issuer's (AADSTS700024)", "NTP"},
		{"a clock that is ahead", signin.ClientCertificate, nil, stackAudience, identity.Faults{ClockOffset: -3600},
			signin.ClockOff, "ahead of the issuer's (AADSTS700024)", "NTP"},
		{"an issuer out of order", signin.ClientSecret, nil, stackAudience, identity.Faults{Status: http.StatusServiceUnavailable},
			signin.Unavailable, "out of order or busy", "Wait"},
		{"an issuer that asks for a long wait", signin.ClientSecret, nil, stackAudience, identity.Faults{Status: http.StatusTooManyRequests, RetryAfter: 3600},
			signin.Unavailable, "out of order or busy", "Wait"},
		{"an issuer that never answers", signin.ClientSecret, func(c *conf) { c.Timeout = 200 * time.Millisecond }, stackAudience, identity.Faults{Hang: true},
			signin.TimedOut, "does not answer in time", "firewall"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			s.put(t, "faults", tc.faults)
			defer s.put(t, "faults", identity.Faults{})
			c := s.config(tc.method)
			if tc.change != nil {
				tc.change(&c)
			}
			mustBe(t, s.fail(t, c, tc.audience), tc.kind, tc.cause, tc.advice)
		})
	}
	t.Run("an issuer that is out of order once is asked again", func(t *testing.T) {
		s.put(t, "faults", identity.Faults{Status: http.StatusServiceUnavailable, Times: 1})
		if _, err := signin.Token(s.credential(t, s.config(signin.ClientSecret)), stackAudience)(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Run("a secret that has expired", func(t *testing.T) {
		d := s.directory
		d.Tenants = []identity.Tenant{{ID: tenantID, Audiences: []string{stackAudience}, Clients: []identity.Client{{ID: clientID, Secret: s.secret, SecretExpired: true}}}}
		s.put(t, "directory", d)
		defer s.put(t, "directory", s.directory)
		mustBe(t, s.fail(t, s.config(signin.ClientSecret), stackAudience), signin.ExpiredSecret, "the client secret has expired (AADSTS7000222)", "Make a new secret")
	})
}

func mustBe(t *testing.T, err error, kind signin.Kind, words, advised string) {
	t.Helper()
	var e *signin.Error
	if !errors.As(err, &e) {
		t.Fatalf("got %T %v", err, err)
	}
	if e.Kind != kind {
		t.Errorf("%s, want %s: %v", e.Kind, kind, err)
	}
	cause, advice := signin.Cause(err)
	mustSay(t, cause, words)
	mustSay(t, advice, advised)
}

func TestCauseOfABrokenConnection(t *testing.T) {
	s := newStand(t)
	conf := s.config(signin.ClientSecret)
	closed := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		return ln.Addr().String()
	}()
	t.Run("no such host", func(t *testing.T) {
		conf := conf
		conf.LoginEndpoint = "https://login.azurestack.invalid/"
		mustBe(t, s.fail(t, conf, stackAudience), signin.UnknownHost, "login.azurestack.invalid cannot be resolved", "DNS")
	})
	t.Run("a closed port", func(t *testing.T) {
		conf := conf
		conf.LoginEndpoint = "https://" + closed + "/"
		mustBe(t, s.fail(t, conf, stackAudience), signin.Unreachable, closed+" cannot be reached", "firewall")
	})
	t.Run("a server without TLS", func(t *testing.T) {
		plain := httptest.NewServer(http.NotFoundHandler())
		defer plain.Close()
		conf := conf
		conf.LoginEndpoint = strings.Replace(plain.URL, "http:", "https:", 1)
		mustBe(t, s.fail(t, conf, stackAudience), signin.Unreachable, "speaks plain HTTP", "port")
	})
	t.Run("an authority that is not trusted", func(t *testing.T) {
		stranger := newStand(t)
		conf := conf
		conf.LoginEndpoint = stranger.LoginEndpoint()
		mustBe(t, s.fail(t, conf, stackAudience), signin.UntrustedCertificate, "not trusted", "caFile")
	})
	t.Run("a proxy that is away", func(t *testing.T) {
		behind := *s
		behind.client = s.through(t, transport.Config{ProxyURL: "http://" + closed})
		conf := conf
		conf.LoginEndpoint = "https://login.azurestack.invalid/"
		mustBe(t, behind.fail(t, conf, stackAudience), signin.ProxyBroken, "proxy", "proxy.url")
	})
	t.Run("a caller that gives up is no cause", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := signin.Token(s.credential(t, conf), stackAudience)(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("of the stack's own address", func(t *testing.T) {
		_, err := s.client.Get("https://" + closed)
		cause, advice := signin.Cause(err)
		mustSay(t, cause, "cannot be reached")
		mustSay(t, advice, "firewall")
	})
	t.Run("of an error of another kind there is only the text", func(t *testing.T) {
		cause, advice := signin.Cause(errors.New("disk full"))
		if cause != "disk full" || advice != "" {
			t.Errorf("%q, %q", cause, advice)
		}
	})
}

// answering is a client whose every request is answered alike.
type answering func(*http.Request) *http.Response

func (a answering) RoundTrip(req *http.Request) (*http.Response, error) { return a(req), nil }

// What comes in place of an issuer's answer may quote the request or hold a token.
func TestCauseOfAnAnswerThatIsNoIssuers(t *testing.T) {
	const jwt = "eyJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJ4In0.c2ln"
	const secret = "p%ss word+1"
	// What would do for an issuer's configuration and for a token.
	const everything = `{"issuer":"https://login.contoso.invalid/","authorization_endpoint":"https://login.contoso.invalid/a",` +
		`"token_endpoint":"https://login.contoso.invalid/t","token_type":"Bearer","expires_in":3600,"access_token":"x"}`
	for name, tc := range map[string]struct {
		status int
		body   string
		kind   signin.Kind
		says   string
	}{
		"a page that tells of a block":       {http.StatusForbidden, "<html>\nblocked by\n policy: client_secret=" + secret + "&" + url.QueryEscape(secret) + "</html>", signin.Unknown, "blocked by policy: client_secret=***&***"},
		"a token that is cut":                {http.StatusOK, `{"access_token":"` + jwt, signin.Unknown, "not what an issuer of tokens answers"},
		"an error that quotes a token":       {http.StatusBadRequest, `{"error":"invalid_request","error_description":"AADSTS90014: bad ` + jwt + ` Trace ID: x"}`, signin.Unknown, "bad ***"},
		"a code that is not known":           {http.StatusBadRequest, `{"error":"x","error_description":"AADSTS123: new words"}`, signin.Unknown, "new words"},
		"an answer that is longer than read": {http.StatusOK, strings.Repeat(" ", 2<<20) + everything, signin.Unknown, "not what an issuer of tokens answers"},
		"a redirect":                         {http.StatusFound, "", signin.Unknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: answering(func(req *http.Request) *http.Response {
				return &http.Response{StatusCode: tc.status, Header: http.Header{}, Request: req, Body: io.NopCloser(strings.NewReader(tc.body))}
			})}
			cred, err := signin.New(signin.Config{
				Method: signin.ClientSecret, TenantID: tenantID, ClientID: clientID, Secret: secret, LoginEndpoint: "https://login.contoso.invalid/",
			}, client)
			if err != nil {
				t.Fatal(err)
			}
			_, err = signin.Token(cred, stackAudience)(t.Context())
			if err == nil {
				t.Fatal("signed in")
			}
			_, advice := signin.Cause(err)
			mustBe(t, err, tc.kind, "", tc.says)
			for _, leak := range []string{secret, url.QueryEscape(secret), jwt} {
				if text := err.Error() + advice; strings.Contains(text, leak) {
					t.Errorf("%q shows %q", text, leak)
				}
			}
		})
	}
}

func TestManagedIdentity(t *testing.T) {
	s := newStand(t)
	s.machine(t)
	t.Run("that is not assigned", func(t *testing.T) {
		conf := s.config(signin.ManagedIdentity)
		conf.ClientID = clientID
		mustBe(t, s.fail(t, conf, storage), signin.NoManagedIdentity, "no such managed identity", "Assign a managed identity")
	})
	t.Run("for a wrong audience", func(t *testing.T) {
		mustBe(t, s.fail(t, s.config(signin.ManagedIdentity), "https://storage.invalid"), signin.WrongAudience, "https://storage.invalid", "audience")
	})
	t.Run("on a machine without one", func(t *testing.T) {
		t.Setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/")
		conf := s.config(signin.ManagedIdentity)
		mustBe(t, s.fail(t, conf, storage), signin.NoManagedIdentity, "no such managed identity", "another method")
	})
}
