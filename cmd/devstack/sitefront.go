package main

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/google/uuid"

	"stackusage/agent/transport"
	"stackusage/internal/devstack/bearer"
	"stackusage/internal/devstack/identity"
	"stackusage/internal/devstack/storagerights"
	"stackusage/shared/landing"
)

// Audiences of the agent's tokens.
const (
	stackAudience   = "https://adminmanagement.devstack.invalid/stack"
	storageAudience = "https://storage.azure.com"
)

// front is what the agent meets, all of it over TLS and by sign-in: the stack as a
// service principal, the landing storage as a managed identity.
type front struct {
	issuer               *identity.Server
	client               *http.Client // trusts the issuer's authority
	caFile               string       // PEM file of it
	tenant, principal    string
	secret, managed      string
	managedHeader        string
	certificate          tls.Certificate
	stackURL, landingURL string
}

// startIssuer starts who issues the tokens.
func (s *site) startIssuer() (err error) {
	f := &s.front
	f.tenant, f.principal, f.managed = uuid.NewString(), uuid.NewString(), uuid.NewString()
	f.secret, f.managedHeader = rand.Text(), rand.Text()
	f.issuer, err = identity.Start(identity.Options{Directory: identity.Directory{
		Tenants: []identity.Tenant{{ID: f.tenant, Audiences: []string{stackAudience}, Clients: []identity.Client{{ID: f.principal, Secret: f.secret}}}},
		Managed: &identity.Managed{Header: f.managedHeader, Tenant: f.tenant, ClientID: f.managed, Audiences: []string{storageAudience}},
	}})
	if err != nil {
		return err
	}
	s.closers = append(s.closers, f.issuer.Stop)
	f.caFile = filepath.Join(s.dir, "ca.pem")
	if err := os.WriteFile(f.caFile, f.issuer.CA(), 0o644); err != nil {
		return err
	}
	cert, key, err := f.issuer.ServerCertificate()
	if err != nil {
		return err
	}
	if f.certificate, err = tls.X509KeyPair(cert, key); err != nil {
		return err
	}
	f.client, err = transport.New(transport.Config{CAFile: f.caFile})
	return err
}

// serveTLS serves h over TLS on a loopback port that the kernel chooses.
func (s *site) serveTLS(h http.Handler) (url string, err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: 30 * time.Second, ErrorLog: log.New(io.Discard, "", 0), // of agents that end
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{s.front.certificate}, MinVersion: tls.VersionTLS12},
	}
	go server.ServeTLS(ln, "", "")
	s.closers = append(s.closers, func() { server.Close() })
	return "https://" + ln.Addr().String(), nil
}

// startLanding serves the landing storage by sign-in, to a role that may only create
// blobs. Storage that takes tokens takes no requests without TLS, which everything else
// here makes; so whoever has the right token is let through with a signature for the one
// container.
func (s *site) startLanding() error {
	client, err := container.NewClientFromConnectionString(s.settings["LandingStorage"], landing.Container(cloudID), nil)
	if err != nil {
		return err
	}
	signed, err := client.GetSASURL(sas.ContainerPermissions{Create: true, Write: true}, time.Now().Add(48*time.Hour), nil)
	if err != nil {
		return err
	}
	target, err := url.Parse(signed)
	if err != nil {
		return err
	}
	keys := bearer.Keys{URL: s.front.issuer.KeysURL(), Client: s.front.client}
	gate := storagerights.New(target, signing(target.RawQuery), storagerights.CreateOnly, 0)
	address, err := s.serveTLS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := keys.Check(r.Context(), token, "", storageAudience); err != nil {
			w.Header().Set("x-ms-error-code", "InvalidAuthenticationInfo")
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		gate.ServeHTTP(w, r)
	}))
	account, _, _ := strings.Cut(strings.TrimPrefix(target.Path, "/"), "/")
	s.front.landingURL = address + "/" + account
	return err
}

// signing replaces the token of a request by a signature in its query.
type signing string

func (s signing) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Del("Authorization")
	r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&"+string(s), "&")
	return http.DefaultTransport.RoundTrip(r)
}

// agentEnvironment is what the platform gives the agent's process, for its managed
// identity.
func (f *front) agentEnvironment() []string {
	return []string{"IDENTITY_ENDPOINT=" + f.issuer.ManagedIdentityEndpoint(), "IDENTITY_HEADER=" + f.managedHeader}
}

// settings is what an operator adds to the configuration that an activation key
// makes.
func (f *front) settings(spool string, infrastructure []string) map[string]map[string]any {
	return map[string]map[string]any{
		"stack": {
			"caFile": f.caFile, "infrastructureSubscriptions": infrastructure,
			"signIn": map[string]any{"method": "clientSecret", "tenantId": f.tenant, "clientId": f.principal, "secretFile": secretFile},
		},
		"storage": {"caFile": f.caFile},
		"spool":   {"dir": spool, "minFree": "1MiB"},
		"log":     {"level": "warn", "format": "text"},
		"metrics": {"listen": ""},
	}
}

// secretFile is the name of the file with the principal's secret, in the folder
// "secrets" beside the configuration.
const secretFile = "stack-client-secret"

func (f *front) writeSecret(config string) error {
	file := filepath.Join(filepath.Dir(config), "secrets", secretFile)
	if err := os.WriteFile(file, []byte(f.secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the agent's secret: %w", err)
	}
	return nil
}
