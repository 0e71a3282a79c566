package signin_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"stackusage/agent/signin"
	"stackusage/agent/transport"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
	"stackusage/internal/devstack/identity"
)

const (
	tenantID = "8d6b3a6e-1d0c-4b9a-9f43-0c7f3f5a7f11"
	clientID = "2f1c9a54-6c0b-4a34-8f0e-6a5d0f9b1c22"

	stackAudience = "https://management.contoso.onmicrosoft.com/4de154de-f8a8-4017-af41-df619da68155"
	adfsAudience  = "https://management.adfs.azurestack.local/4de154de-f8a8-4017-af41-df619da68155"
	otherAudience = "https://graph.contoso.invalid/" // with the slash that some have
	storage       = "https://storage.azure.com"
)

// pair is a certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  *rsa.PrivateKey
}

func (p pair) pem() []byte {
	return append(identity.CertificatePEM(p.cert), identity.KeyPEM(p.key)...)
}

// Made once, as keys are slow to make.
var (
	registered = sync.OnceValue(func() pair { return newPair(time.Now().AddDate(1, 0, 0)) })
	expiring   = sync.OnceValue(func() pair { return newPair(time.Now().Add(10 * time.Minute)) })
	stranger   = sync.OnceValue(func() pair { return newPair(time.Now().AddDate(1, 0, 0)) })
)

func newPair(notAfter time.Time) pair {
	cert, key, err := identity.ClientCertificate("agent", time.Now().Add(-24*time.Hour), notAfter)
	if err != nil {
		panic(err)
	}
	return pair{cert, key}
}

// stand is an issuer, a stack that believes it, and the agent's way to both.
type stand struct {
	*identity.Server
	secret    string
	directory identity.Directory
	client    *http.Client
	caFile    string
}

func newStand(t *testing.T, hosts ...string) *stand {
	t.Helper()
	s := &stand{secret: rand.Text()}
	app := identity.Client{ID: clientID, Secret: s.secret, Certificates: []string{
		string(identity.CertificatePEM(registered().cert)), string(identity.CertificatePEM(expiring().cert)),
	}}
	s.directory = identity.Directory{
		Tenants: []identity.Tenant{
			{ID: tenantID, Audiences: []string{stackAudience, otherAudience, storage}, Clients: []identity.Client{app}},
			{ID: identity.ADFS, Audiences: []string{adfsAudience, otherAudience}, Clients: []identity.Client{app}},
		},
		// A client id of its own: azidentity keeps the tokens of managed identities
		// for the whole process.
		Managed: &identity.Managed{Header: rand.Text(), Tenant: tenantID, ClientID: rand.Text(), Audiences: []string{storage}},
	}
	var err error
	s.Server, err = identity.Start(identity.Options{Directory: s.directory, Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.caFile = write(t, "ca.pem", s.CA())
	s.client = s.through(t, transport.Config{})
	return s
}

// through is the agent's client with more settings.
func (s *stand) through(t *testing.T, conf transport.Config) *http.Client {
	t.Helper()
	conf.CAFile = s.caFile
	client, err := transport.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	return client
}

// stack serves a stack over TLS, which the issuer at login signs people in to.
func (s *stand) stack(t *testing.T, login, audience string) (stack *azurestack.Stack, url string) {
	t.Helper()
	source, err := scenarios.Generate("three-days", 1)
	if err != nil {
		t.Fatal(err)
	}
	stack, err = azurestack.New(source, azurestack.Options{
		KeysURL: s.KeysURL(), KeysClient: s.client, LoginEndpoint: login, Audience: audience,
	})
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := s.ServerCertificate()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := tls.X509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewUnstartedServer(stack)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.StartTLS()
	t.Cleanup(server.Close)
	return stack, server.URL
}

// config is how the application signs in.
func (s *stand) config(method string) signin.Config {
	conf := signin.Config{Method: method, TenantID: tenantID, ClientID: clientID, LoginEndpoint: s.LoginEndpoint()}
	switch method {
	case signin.ClientSecret:
		conf.Secret = s.secret
	case signin.ClientCertificate:
		conf.Certificate = registered().pem()
	case signin.ManagedIdentity:
		conf.ClientID = s.directory.Managed.ClientID
	}
	return conf
}

// machine makes this process a machine with a managed identity.
func (s *stand) machine(t *testing.T) {
	t.Setenv("IDENTITY_ENDPOINT", s.ManagedIdentityEndpoint())
	t.Setenv("IDENTITY_HEADER", s.directory.Managed.Header)
}

func (s *stand) credential(t *testing.T, conf signin.Config) azcore.TokenCredential {
	t.Helper()
	cred, err := signin.New(conf, s.client)
	if err != nil {
		t.Fatal(err)
	}
	return cred
}

// put opens one of the issuer's doors.
func (s *stand) put(t *testing.T, door string, v any) {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "https://"+s.Address()+"/_devstack/"+door, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s", door, resp.Status)
	}
}

// issued is what the issuer has given out.
func (s *stand) issued(t *testing.T) []identity.Issued {
	t.Helper()
	resp, err := s.client.Get("https://" + s.Address() + "/_devstack/issued")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body struct{ Issued []identity.Issued }
	if err := json.NewDecoder(resp.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return body.Issued
}

func write(t *testing.T, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func mustSay(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
}
