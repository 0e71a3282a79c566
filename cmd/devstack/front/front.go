// Package front is what the agent of a local stack meets, all of it over TLS and by
// sign-in: the issuer of tokens, the stack, to which it signs in as a service
// principal, and the landing storage, to which it signs in as a managed identity.
package front

import (
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/google/uuid"
	"go.yaml.in/yaml/v3"

	"stackusage/agent/transport"
	"stackusage/internal/devstack/bearer"
	"stackusage/internal/devstack/identity"
	"stackusage/internal/devstack/loopback"
	"stackusage/internal/devstack/storagerights"
)

// Audiences of the agent's tokens.
const (
	StackAudience   = "https://adminmanagement.devstack.invalid/stack"
	storageAudience = "https://storage.azure.com"
)

// Front serves until it is stopped.
type Front struct {
	Issuer  *identity.Server
	Client  *http.Client // trusts the issuer's authority
	Managed string       // client id of the agent's managed identity

	caFile            string // PEM file of the authority
	tenant, principal string
	secret, header    string
	certificate       tls.Certificate
	stops             []func()
}

// Start starts who issues the tokens. The folder gets the certificate of its authority.
func Start(dir string) (f *Front, err error) {
	f = &Front{
		Managed: uuid.NewString(), caFile: filepath.Join(dir, "ca.pem"),
		tenant: uuid.NewString(), principal: uuid.NewString(), secret: rand.Text(), header: rand.Text(),
	}
	f.Issuer, err = identity.Start(identity.Options{Directory: identity.Directory{
		Tenants: []identity.Tenant{{ID: f.tenant, Audiences: []string{StackAudience}, Clients: []identity.Client{{ID: f.principal, Secret: f.secret}}}},
		Managed: &identity.Managed{Header: f.header, Tenant: f.tenant, ClientID: f.Managed, Audiences: []string{storageAudience}},
	}})
	if err != nil {
		return nil, err
	}
	if err := f.trust(); err != nil {
		f.Stop()
		return nil, err
	}
	return f, nil
}

// trust makes the certificate of the servers, and the client that trusts it.
func (f *Front) trust() error {
	if err := os.WriteFile(f.caFile, f.Issuer.CA(), 0o644); err != nil {
		return err
	}
	cert, key, err := f.Issuer.ServerCertificate()
	if err != nil {
		return err
	}
	if f.certificate, err = tls.X509KeyPair(cert, key); err != nil {
		return err
	}
	f.Client, err = transport.New(transport.Config{CAFile: f.caFile})
	return err
}

// Stop ends everything that was started.
func (f *Front) Stop() {
	for _, stop := range f.stops {
		stop()
	}
	f.Issuer.Stop()
}

// Serve serves h over TLS on a loopback port; 0: one that the kernel chooses.
func (f *Front) Serve(port int, h http.Handler) (url string, err error) {
	address, stop, err := loopback.ServeOn(port, h, f.certificate)
	if err != nil {
		return "", err
	}
	f.stops = append(f.stops, stop)
	return "https://" + address, nil
}

// Landing serves the landing storage by sign-in, to a role that may only create
// blobs. Storage that takes tokens takes no requests without TLS, which everything else
// here makes; so whoever has the right token is let through with a signature for the one
// container.
func (f *Front) Landing(connection, name string) (address string, err error) {
	client, err := container.NewClientFromConnectionString(connection, name, nil)
	if err != nil {
		return "", err
	}
	signed, err := client.GetSASURL(sas.ContainerPermissions{Create: true, Write: true}, time.Now().Add(48*time.Hour), nil)
	if err != nil {
		return "", err
	}
	target, err := url.Parse(signed)
	if err != nil {
		return "", err
	}
	keys := bearer.Keys{URL: f.Issuer.KeysURL(), Client: f.Client}
	gate := storagerights.New(target, signing(target.RawQuery), storagerights.CreateOnly, 0)
	address, err = f.Serve(0, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if _, err := keys.Check(r.Context(), token, "", storageAudience); err != nil {
			w.Header().Set("x-ms-error-code", "InvalidAuthenticationInfo")
			http.Error(w, err.Error(), http.StatusUnauthorized)
			return
		}
		gate.ServeHTTP(w, r)
	}))
	account, _, _ := strings.Cut(strings.TrimPrefix(target.Path, "/"), "/")
	return address + "/" + account, err
}

// signing replaces the token of a request by a signature in its query.
type signing string

func (s signing) RoundTrip(r *http.Request) (*http.Response, error) {
	r.Header.Del("Authorization")
	r.URL.RawQuery = strings.TrimPrefix(r.URL.RawQuery+"&"+string(s), "&")
	return http.DefaultTransport.RoundTrip(r)
}

// Environment is what the platform gives the agent's process, for its managed
// identity.
func (f *Front) Environment() []string {
	return []string{"IDENTITY_ENDPOINT=" + f.Issuer.ManagedIdentityEndpoint(), "IDENTITY_HEADER=" + f.header}
}

// secretFile is the name of the file with the principal's secret, in the folder
// "secrets" beside the configuration.
const secretFile = "stack-client-secret"

// FillIn does what an operator does with the configuration that an activation key
// makes: it adds the sign-in to the stack and the secret for it.
func (f *Front) FillIn(config, spool string, infrastructure []string) error {
	secret := filepath.Join(filepath.Dir(config), "secrets", secretFile)
	if err := os.WriteFile(secret, []byte(f.secret+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the agent's secret: %w", err)
	}
	text, err := os.ReadFile(config)
	if err != nil {
		return err
	}
	all := map[string]any{}
	if err := yaml.Unmarshal(text, &all); err != nil {
		return fmt.Errorf("fill in %s: %w", config, err)
	}
	for name, values := range map[string]map[string]any{
		"stack": {
			"caFile": f.caFile, "infrastructureSubscriptions": infrastructure,
			"signIn": map[string]any{"method": "clientSecret", "tenantId": f.tenant, "clientId": f.principal, "secretFile": secretFile},
		},
		"storage": {"caFile": f.caFile},
		"spool":   {"dir": spool, "minFree": "1MiB"},
		"log":     {"level": "warn", "format": "text"},
		"metrics": {"listen": ""},
	} {
		section, ok := all[name].(map[string]any)
		if !ok {
			return fmt.Errorf("fill in %s: no section %s", config, name)
		}
		maps.Copy(section, values)
	}
	if text, err = yaml.Marshal(all); err != nil {
		return err
	}
	next := config + ".next" // agents may be activated side by side
	if err := os.WriteFile(next, text, 0o644); err != nil {
		return err
	}
	return os.Rename(next, config)
}
