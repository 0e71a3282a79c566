package signin_test

import (
	"context"
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"stackusage/agent/signin"
	"stackusage/agent/stackapi"
	"stackusage/agent/transport"
	"stackusage/internal/devstack/identity"
	"stackusage/internal/devstack/proxy"
)

// pfx locks a certificate the way that files made today are, and the old way.
func pfx(t *testing.T, how *pkcs12.Encoder, p pair, password string) []byte {
	t.Helper()
	data, err := how.Encode(p.key, p.cert, nil, password)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestTheStackAcceptsWhoSignedIn(t *testing.T) {
	s := newStand(t)
	classes := []struct {
		name, by string
		conf     signin.Config
	}{
		{"client secret", "secret", s.config(signin.ClientSecret)},
		{"client certificate in PEM", "certificate", s.config(signin.ClientCertificate)},
		{"client certificate in a PFX of today", "certificate", s.config(signin.ClientCertificate)},
		{"client certificate in a PFX of old, without a password", "certificate", s.config(signin.ClientCertificate)},
	}
	classes[2].conf.Certificate, classes[2].conf.CertificatePassword = pfx(t, pkcs12.Modern2023, registered(), "p"), "p"
	classes[3].conf.Certificate = pfx(t, pkcs12.LegacyDES, registered(), "")
	issuers := []struct{ name, login, tenant, audience string }{
		{"Entra ID", s.LoginEndpoint(), tenantID, stackAudience},
		{"AD FS", s.ADFSEndpoint(), identity.ADFS, adfsAudience},
	}
	for _, issuer := range issuers {
		stack, url := s.stack(t, issuer.login, issuer.audience)
		for _, class := range classes {
			t.Run(class.name+" at "+issuer.name, func(t *testing.T) {
				found, err := stackapi.Discover(t.Context(), s.client, url)
				if err != nil {
					t.Fatal(err)
				}
				if found.ADFS != (issuer.tenant == identity.ADFS) {
					t.Errorf("discovered AD FS: %t", found.ADFS)
				}
				conf := class.conf
				conf.LoginEndpoint = found.LoginEndpoint
				if found.ADFS {
					conf.TenantID = ""
				}
				cred := s.credential(t, conf)
				before := len(s.issued(t))
				ask := func(audience string) (map[string]string, error) {
					client, err := stackapi.New(stackapi.Config{
						Endpoint: url, ProviderSubscription: stack.Provider(), HTTP: s.client, Retries: -1,
						Token: signin.Token(cred, audience),
					})
					if err != nil {
						t.Fatal(err)
					}
					return client.Subscriptions(t.Context())
				}
				for range 2 { // the second with the token that was kept
					tenants, err := ask(found.Audience)
					if err != nil {
						t.Fatal(err)
					}
					if len(tenants) == 0 {
						t.Error("no subscriptions")
					}
				}
				want := []identity.Issued{{Tenant: issuer.tenant, ClientID: clientID, Audience: issuer.audience, By: class.by}}
				if diff := cmp.Diff(want, s.issued(t)[before:]); diff != "" {
					t.Errorf("tokens issued (-want +got)\n%s", diff)
				}

				_, err = ask(otherAudience)
				var answer *stackapi.Error
				if !errors.As(err, &answer) || answer.Status != http.StatusUnauthorized || answer.Code != "InvalidAuthenticationTokenAudience" {
					t.Errorf("with a token for another audience: %v", err)
				}
			})
		}
	}
}

func TestTheStackRefusesTokens(t *testing.T) {
	s := newStand(t)
	stack, url := s.stack(t, s.LoginEndpoint(), stackAudience)
	ask := func(token func(context.Context) (string, error)) error {
		client, err := stackapi.New(stackapi.Config{Endpoint: url, ProviderSubscription: stack.Provider(), HTTP: s.client, Retries: -1, Token: token})
		if err != nil {
			t.Fatal(err)
		}
		_, err = client.Subscriptions(t.Context())
		return err
	}
	t.Run("that have expired", func(t *testing.T) {
		s.put(t, "faults", identity.Faults{TokenLifetime: -60})
		defer s.put(t, "faults", identity.Faults{})
		err := ask(signin.Token(s.credential(t, s.config(signin.ClientSecret)), stackAudience))
		var answer *stackapi.Error
		if !errors.As(err, &answer) || answer.Code != "ExpiredAuthenticationToken" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("that another has signed", func(t *testing.T) {
		forger := newStand(t)
		err := ask(signin.Token(forger.credential(t, forger.config(signin.ClientSecret)), stackAudience))
		var answer *stackapi.Error
		if !errors.As(err, &answer) || answer.Code != "InvalidAuthenticationToken" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("that are missing", func(t *testing.T) {
		err := ask(nil)
		var answer *stackapi.Error
		if !errors.As(err, &answer) || answer.Status != http.StatusUnauthorized {
			t.Errorf("got %v", err)
		}
	})
}

// Behind a proxy the stand-in has Microsoft's name, and azidentity asks it all
// that it asks Microsoft.
func TestPublicCloudThroughAProxy(t *testing.T) {
	s := newStand(t, "login.microsoftonline.com")
	p, err := proxy.Start(s.Address())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	s.client = s.through(t, transport.Config{ProxyURL: p.URL()})
	conf := s.config(signin.ClientCertificate)
	conf.LoginEndpoint = "" // the global cloud's
	token, err := signin.Token(s.credential(t, conf), storage)(t.Context())
	if err != nil || token == "" {
		t.Fatalf("%q, %v", token, err)
	}
	if asked := p.Asked(); len(asked) == 0 || asked[0] != "CONNECT login.microsoftonline.com:443" {
		t.Errorf("the proxy was asked for %q", asked)
	}
}
