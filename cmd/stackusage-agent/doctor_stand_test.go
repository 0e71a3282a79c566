package main

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/agent/config"
	"stackusage/agent/doctor"
	"stackusage/agent/transport"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
	"stackusage/internal/devstack/azurite"
	"stackusage/internal/devstack/identity"
	"stackusage/internal/devstack/proxy"
	"stackusage/internal/devstack/storagerights"
	"stackusage/shared/landing"
)

const (
	directory     = "8d6b3a6e-1d0c-4b9a-9f43-0c7f3f5a7f11"
	application   = "2f1c9a54-6c0b-4a34-8f0e-6a5d0f9b1c22"
	stackAudience = "https://management.contoso.onmicrosoft.com/4de154de-f8a8-4017-af41-df619da68155"
	adfsAudience  = "https://management.adfs.azurestack.local/4de154de-f8a8-4017-af41-df619da68155"
	otherAudience = "https://graph.contoso.invalid/"
	publicLogin   = "login.microsoftonline.com"
)

// ward is what the doctor is called to: an issuer that is reached as Entra ID
// by way of a proxy, storage that takes its tokens, and a stack.
type ward struct {
	issuer *identity.Server
	az     *azurite.Server
	proxy  *proxy.Server
	client *http.Client // of the test, which trusts all of them
	caFile string
	secret string

	// Of all servers here, made once, as keys are slow to make.
	cert, key []byte
	pair      tls.Certificate
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{secret: rand.Text()}
	app := []identity.Client{{ID: application, Secret: w.secret}}
	var err error
	w.issuer, err = identity.Start(identity.Options{Hosts: []string{publicLogin}, Directory: identity.Directory{Tenants: []identity.Tenant{
		{ID: directory, Audiences: []string{stackAudience, otherAudience, "https://storage.azure.com"}, Clients: app},
		{ID: identity.ADFS, Audiences: []string{adfsAudience}, Clients: app},
	}, Managed: &identity.Managed{Header: w.secret, Tenant: directory, ClientID: guid, Audiences: []string{"https://storage.azure.com"}}}})
	must(t, err)
	t.Cleanup(w.issuer.Stop)
	w.proxy, err = proxy.Start(w.issuer.Address())
	must(t, err)
	t.Cleanup(w.proxy.Stop)
	w.caFile = put(t, t.TempDir(), "ca.pem", w.issuer.CA())
	w.client, err = transport.New(transport.Config{CAFile: w.caFile})
	must(t, err)
	w.cert, w.key, err = w.issuer.ServerCertificate()
	must(t, err)
	w.pair, err = tls.X509KeyPair(w.cert, w.key)
	must(t, err)
	return w
}

// storage starts storage, with the container of cloudID in it.
func (w *ward) storage(t *testing.T) {
	t.Helper()
	dir := t.TempDir()
	var err error
	w.az, err = azurite.Start(t.Context(), azurite.Options{
		Dir: t.TempDir(), OAuth: true, CertFile: put(t, dir, "cert.pem", w.cert), KeyFile: put(t, dir, "key.pem", w.key),
	})
	must(t, err)
	t.Cleanup(w.az.Kill)
	owner, err := azblob.NewClientFromConnectionString(w.az.ConnectionString(0), &azblob.ClientOptions{ClientOptions: policy.ClientOptions{Transport: w.client}})
	must(t, err)
	_, err = owner.CreateContainer(t.Context(), landing.Container(cloudID), nil)
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, dir, name string, text []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	must(t, os.WriteFile(path, text, 0o644))
	return path
}

// serve serves h over TLS with a certificate of the issuer's authority.
func (w *ward) serve(t *testing.T, h http.Handler, change func(*tls.Config)) (address string) {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{Certificates: []tls.Certificate{w.pair}}
	if change != nil {
		change(server.TLS)
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // of connections that bring no request
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// stack makes a stack that believes the issuer's tokens.
// scenario is generated once: sources do not change.
var scenario = sync.OnceValues(func() (*azurestack.Source, error) { return scenarios.Generate("three-days", 1) })

func (w *ward) stack(t *testing.T, opts azurestack.Options) *azurestack.Stack {
	t.Helper()
	source, err := scenario()
	must(t, err)
	opts.KeysURL, opts.KeysClient = w.issuer.KeysURL(), w.client
	if opts.LoginEndpoint == "" {
		opts.LoginEndpoint, opts.Audience = w.issuer.LoginEndpoint(), stackAudience
	}
	s, err := azurestack.New(source, opts)
	must(t, err)
	return s
}

// gate stands before storage and returns the address of the blob service.
func (w *ward) gate(t *testing.T, rights storagerights.Rights, ahead time.Duration) string {
	t.Helper()
	target, err := url.Parse(w.az.BlobURL(0))
	must(t, err)
	return w.serve(t, storagerights.New(target, w.client.Transport, rights, ahead), nil) + target.Path
}

// visit is one set-up and its configuration.
type visit struct {
	ward   *ward
	dir    string
	values map[string]string // of the configuration, by key
	env    map[string]string
	edit   func(string) string // of the configuration's text
}

// direct makes the environment of the test's process name no proxy.
func direct(t *testing.T) {
	t.Helper()
	for _, name := range []string{"HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "https_proxy", "http_proxy", "no_proxy"} {
		t.Setenv(name, "")
	}
}

// visit is a set-up in which all is well. It needs storage.
func (w *ward) visit(t *testing.T) *visit {
	t.Helper()
	direct(t)
	s := w.stack(t, azurestack.Options{})
	dir := t.TempDir()
	v := &visit{ward: w, dir: dir, env: map[string]string{"STACK_SECRET": w.secret, "STORAGE_SECRET": w.secret}}
	v.values = map[string]string{
		"cloudId": cloudID, "firstHour": "2019-12-10T19:00:00Z",
		"stack.endpoint": w.serve(t, s, nil), "stack.region": s.Region(), "stack.domain": s.Domain(),
		"stack.providerSubscription": s.Provider(), "stack.caFile": w.caFile,
		"storage.blobServiceUri": w.gate(t, storagerights.CreateOnly, 0), "storage.caFile": w.caFile,
		"spool.dir": filepath.Join(dir, "spool"), "spool.minFree": "1MiB",
		"proxy.url": w.proxy.URL(),
	}
	for at, env := range map[string]string{"stack": "STACK_SECRET", "storage": "STORAGE_SECRET"} {
		maps.Copy(v.values, map[string]string{
			at + ".signIn.method": "clientSecret", at + ".signIn.tenantId": directory,
			at + ".signIn.clientId": application, at + ".signIn.secretEnv": env,
		})
	}
	must(t, os.Mkdir(v.values["spool.dir"], 0o755))
	return v
}

func (v *visit) write(t *testing.T) (path string) {
	t.Helper()
	text, err := config.FillSample(v.values)
	must(t, err)
	if v.edit != nil {
		text = v.edit(text)
	}
	return put(t, v.dir, "config.yaml", []byte(text))
}

// diagnose runs the command and reads its --json.
func (v *visit) diagnose(t *testing.T, flags ...string) []doctor.Result {
	t.Helper()
	return v.read(t, v.write(t), flags...)
}

func (v *visit) read(t *testing.T, path string, flags ...string) []doctor.Result {
	t.Helper()
	got := call(t, v.env, append([]string{"doctor", "--config", path, "--json"}, flags...)...)
	var report struct {
		OK     bool
		Checks []doctor.Result
	}
	if err := json.NewDecoder(strings.NewReader(got.stdout)).Decode(&report); err != nil {
		t.Fatalf("%v in %s%s%v", err, got.stdout, got.stderr, got.err)
	}
	failed := doctor.Count(report.Checks)[doctor.Failed] > 0
	if code := exitCode(got.err); failed && code != 2 || !failed && got.err != nil || report.OK == failed {
		t.Errorf("ok %t, exit code of %v in spite of\n%s", report.OK, got.err, got.stdout)
	}
	if strings.Contains(got.text(), v.ward.secret) || strings.Contains(got.text(), "eyJ") {
		t.Errorf("a secret or a token is shown:\n%s", got.text())
	}
	return report.Checks
}

// issue sets what goes wrong at the issuer, until the test ends.
func (w *ward) issue(t *testing.T, f identity.Faults) {
	t.Helper()
	send := func(f identity.Faults) {
		text, err := json.Marshal(f)
		must(t, err)
		req, err := http.NewRequest(http.MethodPut, "https://"+w.issuer.Address()+"/_devstack/faults", bytes.NewReader(text))
		must(t, err)
		resp, err := w.client.Do(req)
		must(t, err)
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status)
		}
	}
	send(f)
	t.Cleanup(func() { send(identity.Faults{}) })
}
