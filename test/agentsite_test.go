package test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/agent/transport"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurite"
	"stackusage/internal/devstack/identity"
	"stackusage/shared/landing"
)

const (
	cloudID   = "b31316d4-de02-43a4-903d-eb74f8258b01"
	tenantID  = "8d6b3a6e-1d0c-4b9a-9f43-0c7f3f5a7f11"
	clientID  = "2f1c9a54-6c0b-4a34-8f0e-6a5d0f9b1c22"
	managedID = "5b0e4f0a-0f3d-4f0b-8a52-7a0b5c9d1e33"
)

// agentSite is an operator's machine: the program with its configuration, a
// stack and a storage account that it signs in to, all over TLS.
type agentSite struct {
	stack       *azurestack.Stack
	storage     *azurite.Server
	blobs       *azblob.Client // of who owns the account
	first, end  time.Time      // reported hours that are due; the next is so in half an hour
	dir, spool  string
	env         []string
	secret      string
	description string // the configuration

	issuer *identity.Server
	client *http.Client // trusts the issuer's authority
	ca     string       // PEM file of it
	header string       // what IDENTITY_HEADER must hold
}

// siteOptions are what sites differ in.
type siteOptions struct {
	hours              int
	row                func(n int, at time.Time) string // the answer for the n-th hour; nil: three rows that are none
	collect, spoolKeys string                           // further lines of those sections
	clients            []identity.Client                // that the directory knows as well
}

// Audiences of tokens.
const (
	stackAudience    = "https://adminmanagement.contoso.invalid/stack"
	storageAudience  = "https://storage.azure.com"
	commerceAudience = "api://commerce"
	appAudience      = "api://stackusage"
)

// newAgentSite makes a site with so many hours of three rows each. collect and
// spoolKeys are further lines of those sections.
func newAgentSite(t *testing.T, hours int, collect, spoolKeys string) *agentSite {
	t.Helper()
	return makeAgentSite(t, siteOptions{hours: hours, collect: collect, spoolKeys: spoolKeys})
}

func makeAgentSite(t *testing.T, o siteOptions) *agentSite {
	t.Helper()
	s := &agentSite{dir: t.TempDir(), secret: rand.Text(), header: rand.Text()}
	now := time.Now().UTC()
	delay := time.Duration((now.Minute()+30)%60) * time.Minute
	s.end = now.Add(-delay).Truncate(time.Hour)
	s.first = s.end.Add(-time.Duration(o.hours) * time.Hour)
	s.spool = filepath.Join(s.dir, "spool", cloudID)

	var err error
	s.issuer, err = identity.Start(identity.Options{Hosts: []string{"login.microsoftonline.com"}, Directory: identity.Directory{
		Tenants: []identity.Tenant{{ID: tenantID, Audiences: []string{stackAudience, storageAudience, appAudience},
			Clients: append(o.clients, identity.Client{ID: clientID, Secret: s.secret})}},
		Managed: &identity.Managed{Header: s.header, Tenant: tenantID, ClientID: managedID, Audiences: []string{storageAudience, commerceAudience}},
	}})
	must(t, err)
	t.Cleanup(s.issuer.Stop)
	cert, key, err := s.issuer.ServerCertificate()
	must(t, err)
	s.ca = s.file(t, "ca.pem", string(s.issuer.CA()))
	s.client, err = transport.New(transport.Config{CAFile: s.ca})
	must(t, err)
	t.Cleanup(s.client.CloseIdleConnections)

	source, err := azurestack.Recordings(s.recordings(t, o.row))
	must(t, err)
	s.stack, err = azurestack.New(source, azurestack.Options{
		PageSize: 2, KeysURL: s.issuer.KeysURL(), KeysClient: s.client, LoginEndpoint: s.issuer.LoginEndpoint(), Audience: stackAudience,
	})
	must(t, err)
	pair, err := tls.X509KeyPair(cert, key)
	must(t, err)
	server := httptest.NewUnstartedServer(s.stack)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of agents that are killed
	server.StartTLS()
	t.Cleanup(server.Close)

	s.storage, err = azurite.Start(context.Background(), azurite.Options{
		Dir: t.TempDir(), Accounts: 2, InMemory: true, OAuth: true, CertFile: s.file(t, "cert.pem", string(cert)), KeyFile: s.file(t, "key.pem", string(key)),
	})
	must(t, err)
	t.Cleanup(s.storage.Kill)
	s.blobs, err = azblob.NewClientFromConnectionString(s.storage.ConnectionString(0), &azblob.ClientOptions{ClientOptions: policy.ClientOptions{Transport: s.client}})
	must(t, err)
	_, err = s.blobs.CreateContainer(t.Context(), landing.Container(cloudID), nil)
	must(t, err)

	s.file(t, "secrets/stack-client-secret", s.secret+"\n")
	s.description = fmt.Sprintf(`cloudId: %s
firstHour: %s
stack:
  endpoint: %s
  region: local
  domain: azurestack.external
  providerSubscription: %s
  caFile: %s
  signIn:
    method: clientSecret
    tenantId: %s
    clientId: %s
    secretFile: stack-client-secret
storage:
  blobServiceUri: %s
  caFile: %[5]s
  signIn:
    method: managedIdentity
    clientId: %[9]s
collect:
  delay: %s
%s
spool:
  dir: %s
  minFree: 1MiB
%s
log:
  format: text
metrics:
  listen: 127.0.0.1:0
`, cloudID, s.first.Format(time.RFC3339), server.URL, s.stack.Provider(), s.ca, tenantID, clientID, s.storage.BlobURL(0), managedID, delay, o.collect, filepath.Dir(s.spool), o.spoolKeys)
	s.file(t, "config.yaml", s.description)
	s.env = append(os.Environ(), "IDENTITY_ENDPOINT="+s.issuer.ManagedIdentityEndpoint(), "IDENTITY_HEADER="+s.header)
	return s
}

// recordings makes a folder of answers for the hours that are due.
func (s *agentSite) recordings(t *testing.T, row func(n int, at time.Time) string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if row == nil {
		row = func(n int, at time.Time) string {
			return fmt.Sprintf(`{"value":[{"n":%d,%s},{"n":%[1]d,"of":3,%[2]s},{"n":%[1]d.0000000000000001,%[2]s}]}`, n, `"usageStartTime":"`+at.Format(time.RFC3339)+`"`)
		}
	}
	for n, at := 0, s.first; at.Before(s.end); n, at = n+1, at.Add(time.Hour) {
		text := row(n, at)
		must(t, os.WriteFile(filepath.Join(dir, at.Format("2006-01-02T15")+".json"), []byte(text), 0o600))
	}
	return dir
}

func (s *agentSite) file(t *testing.T, name, text string) (path string) {
	t.Helper()
	path = filepath.Join(s.dir, name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// command is the program with the site's configuration.
func (s *agentSite) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(built, "bin", "stackusage-agent"), append([]string{name, "--config", filepath.Join(s.dir, "config.yaml")}, args...)...)
	cmd.Env = s.env
	return cmd
}

// agent runs a command to its end.
func (s *agentSite) agent(t *testing.T, name string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := s.command(name, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	if bytes.Contains(append(out.Bytes(), errs.Bytes()...), []byte(s.secret)) {
		t.Errorf("%s shows the secret", name)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// landed counts the blobs of each hour, whose rows must be those that the stack
// served.
func (s *agentSite) landed(t *testing.T) map[time.Time]int {
	t.Helper()
	container := landing.Container(cloudID)
	hours := map[time.Time]int{}
	pager := s.blobs.NewListBlobsFlatPager(container, nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		must(t, err)
		for _, item := range page.Segment.BlobItems {
			if landing.Aside(*item.Name) {
				continue
			}
			name, err := landing.ParseName(container, *item.Name)
			must(t, err)
			hours[name.Hour.Start()]++
			w := httptest.NewRecorder()
			s.stack.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_devstack/rows?hour="+name.Hour.Start().Format(time.RFC3339), nil))
			if got := rowsOf(t, s.blobs, name); !bytes.Equal(got, w.Body.Bytes()) {
				t.Errorf("hour %s landed with other rows than served", name.Hour)
			}
		}
	}
	return hours
}

// rowsOf reads a blob as the Azure side does, its hashes included.
func rowsOf(t *testing.T, blobs *azblob.Client, name landing.Name) []byte {
	t.Helper()
	resp, err := blobs.DownloadStream(t.Context(), name.Container(), name.Blob(), nil)
	must(t, err)
	defer resp.Body.Close()
	r, err := landing.NewReader(resp.Body, name, landing.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer r.Close()
	var rows bytes.Buffer
	for {
		line, err := r.Next()
		if err == io.EOF {
			return rows.Bytes()
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows.Write(append(line.Bytes, '\n'))
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
