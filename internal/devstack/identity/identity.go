// Package identity is a stand-in for what issues tokens: Microsoft Entra ID, the
// AD FS of a disconnected stack, and the endpoint that Azure gives its own
// machines for managed identities. It speaks TLS with a throw-away authority
// made in memory, and is met over HTTP only.
//
//	/common/discovery/instance                            which authority is real
//	/{tenant}/v2.0/.well-known/openid-configuration       Entra ID
//	/{tenant}/oauth2/v2.0/token
//	/adfs/.well-known/openid-configuration, /adfs/oauth2/token/
//	/discovery/keys                                       public keys of the tokens
//	/msi/token                                            managed identity (App Service form)
//	/_devstack/{directory,faults,issued}                  doors of ours
//
// It serves the client credentials grant, with a secret or with an assertion
// signed by a registered certificate, to whoever the Directory knows. Where the
// real ones are lenient it is strict: an audience is known by its exact text.
package identity

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"stackusage/internal/devstack/loopback"
)

// ADFS is the tenant that stands for an AD FS.
const ADFS = "adfs"

// Options set how the issuer starts. The zero value knows nobody.
type Options struct {
	Directory Directory

	// Hosts are names beside localhost and 127.0.0.1 that its certificate is for,
	// such as login.microsoftonline.com behind a test's proxy.
	Hosts []string

	// Now is the issuer's clock; nil means time.Now.
	Now func() time.Time
}

// Server is a running issuer.
type Server struct {
	now     func() time.Time
	key     *rsa.PrivateKey // signs tokens
	ca      *authority
	address string
	stop    func()

	mu        sync.Mutex
	directory Directory
	faults    Faults
	issued    []Issued
}

// Start listens on a loopback port of the kernel's choice.
func Start(opts Options) (*Server, error) {
	if err := opts.Directory.check(); err != nil {
		return nil, fmt.Errorf("start identity: %w", err)
	}
	s := &Server{now: opts.Now, directory: opts.Directory}
	if s.now == nil {
		s.now = time.Now
	}
	var err error
	if s.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		return nil, fmt.Errorf("start identity: %w", err)
	}
	if s.ca, err = newAuthority(); err != nil {
		return nil, fmt.Errorf("start identity: %w", err)
	}
	certPEM, keyPEM, err := s.ServerCertificate(opts.Hosts...)
	if err != nil {
		return nil, err
	}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return nil, fmt.Errorf("start identity: %w", err)
	}
	if s.address, s.stop, err = loopback.Serve(s.handler(), cert); err != nil {
		return nil, fmt.Errorf("start identity: %w", err)
	}
	return s, nil
}

// Stop ends the issuer and every request to it.
func (s *Server) Stop() { s.stop() }

// Address is where it listens, host:port.
func (s *Server) Address() string { return s.address }

// LoginEndpoint is the Entra ID's address, and ADFSEndpoint that of the AD FS, in
// the form that a stack's metadata has them.
func (s *Server) LoginEndpoint() string { return "https://" + s.address + "/" }

// ADFSEndpoint: see LoginEndpoint.
func (s *Server) ADFSEndpoint() string { return "https://" + s.address + "/adfs" }

// KeysURL is where the public keys of its tokens are, as a JSON Web Key Set.
func (s *Server) KeysURL() string { return "https://" + s.address + "/discovery/keys" }

// ManagedIdentityEndpoint is what IDENTITY_ENDPOINT is set to on an App Service.
func (s *Server) ManagedIdentityEndpoint() string { return "https://" + s.address + "/msi/token" }

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /common/discovery/instance", s.serveInstance)
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.serveConfiguration)
	mux.HandleFunc("GET /adfs/.well-known/openid-configuration", s.serveConfiguration)
	mux.HandleFunc("POST /{tenant}/oauth2/v2.0/token", s.serveToken)
	mux.HandleFunc("POST /adfs/oauth2/token/{$}", s.serveToken)
	mux.HandleFunc("GET /discovery/keys", s.serveKeys)
	mux.HandleFunc("GET /msi/token", s.serveManaged)
	mux.HandleFunc("PUT /_devstack/directory", s.putDirectory)
	mux.HandleFunc("PUT /_devstack/faults", s.putFaults)
	mux.HandleFunc("GET /_devstack/issued", s.getIssued)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxRequestBytes)
		if !strings.HasPrefix(r.URL.Path, "/_devstack/") {
			w.Header().Set("Date", s.clock().UTC().Format(http.TimeFormat))
			if s.fault(w, r) {
				return
			}
		}
		mux.ServeHTTP(w, r)
	})
}

// maxRequestBytes is the largest request that is read.
const maxRequestBytes = 1 << 20

// serveInstance answers whether a host is an authority of the cloud: only the one
// that it is asked as is.
func (s *Server) serveInstance(w http.ResponseWriter, r *http.Request) {
	path, ours := strings.CutPrefix(r.URL.Query().Get("authorization_endpoint"), "https://"+r.Host+"/")
	tenant, _, _ := strings.Cut(path, "/")
	if !ours || tenant == "" {
		s.refuse(w, entra(http.StatusBadRequest, "invalid_instance", 50049, "Unknown or invalid instance."))
		return
	}
	loopback.JSON(w, http.StatusOK, map[string]any{
		"tenant_discovery_endpoint": "https://" + r.Host + "/" + tenant + "/v2.0/.well-known/openid-configuration",
		"api-version":               "1.1",
		"metadata": []map[string]any{{
			"preferred_network": r.Host, "preferred_cache": r.Host, "aliases": []string{r.Host},
		}},
	})
}

func (s *Server) serveConfiguration(w http.ResponseWriter, r *http.Request) {
	name := tenantOf(r)
	if _, known := s.tenant(name); !known {
		s.refuse(w, unknownTenant(name))
		return
	}
	base := "https://" + r.Host + "/" + name
	config := map[string]any{"token_endpoint": tokenEndpoint(r, name), "jwks_uri": "https://" + r.Host + "/discovery/keys"}
	if name == ADFS {
		config["issuer"], config["authorization_endpoint"] = base, base+"/oauth2/authorize/"
		config["access_token_issuer"] = adfsIssuer(r)
	} else {
		config["issuer"], config["authorization_endpoint"] = base+"/v2.0", base+"/oauth2/v2.0/authorize"
	}
	loopback.JSON(w, http.StatusOK, config)
}

// tenantOf is the tenant whose endpoint is asked.
func tenantOf(r *http.Request) string {
	if name := r.PathValue("tenant"); name != "" {
		return name
	}
	return ADFS
}

// tokenEndpoint is what assertions must be made out to.
func tokenEndpoint(r *http.Request, tenant string) string {
	if tenant == ADFS {
		return "https://" + r.Host + "/adfs/oauth2/token/"
	}
	return "https://" + r.Host + "/" + tenant + "/oauth2/v2.0/token"
}

func adfsIssuer(r *http.Request) string { return "http://" + r.Host + "/adfs/services/trust" }
