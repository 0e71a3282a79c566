package main

import (
	"context"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/config"
	"stackusage/agent/signin"
	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/identity"
	"stackusage/shared/usage"
)

// script stands before a stack: refuse may answer a request in its place.
type script struct {
	stack  http.Handler
	refuse func(r *http.Request) (status int, code string)

	mu    sync.Mutex
	asked []string // what was asked for: metadata, or a namespace
}

func (s *script) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	what := "metadata"
	if part := strings.Split(r.URL.Path, "/"); len(part) > 4 {
		what = part[4]
	}
	s.asked = append(s.asked, what)
	if s.refuse != nil {
		if status, code := s.refuse(r); status != 0 {
			w.WriteHeader(status)
			w.Write([]byte(`{"error":{"code":"` + code + `","message":"so it is"}}`))
			return
		}
	}
	s.stack.ServeHTTP(w, r)
}

func (s *script) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	asked := s.asked
	s.asked = nil
	return asked
}

// to changes what is refused.
func (s *script) to(refuse func(r *http.Request) (int, string)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = refuse
}

func namespaceIs(r *http.Request, namespace string) bool {
	return strings.Contains(r.URL.Path, "/"+namespace+"/")
}

// bench is a stack as it is wired, before it is asked for the first time.
type bench struct {
	*stack
	script *script
	sim    *azurestack.Stack
	env    map[string]string
}

func newBench(t *testing.T, w *ward, opts azurestack.Options) bench {
	t.Helper()
	direct(t)
	b := bench{sim: w.stack(t, opts), env: map[string]string{"STACK_SECRET": w.secret}}
	b.script = &script{stack: b.sim}
	conf := config.Default()
	conf.Stack.Endpoint, conf.Stack.ProviderSubscription, conf.Stack.CAFile = w.serve(t, b.script, nil), b.sim.Provider(), w.caFile
	conf.Stack.SignIn = config.SignIn{Method: signin.ClientSecret, TenantID: directory, ClientID: application, SecretEnv: "STACK_SECRET"}
	conf.Storage.ConnectionStringEnv = "EMULATOR"
	b.env["EMULATOR"] = "DefaultEndpointsProtocol=http;AccountName=a;AccountKey=YQ==;BlobEndpoint=http://127.0.0.1:1/a;"
	p, err := wire(conf, func(key string) string { return b.env[key] })
	must(t, err)
	b.stack = p.stack
	return b
}

// hour asks for the hour in which the scenario has most rows.
func (b bench) hour(t *testing.T) (rows int, err error) {
	t.Helper()
	_, err = b.Hour(t.Context(), b.sim.First().Add(5*time.Hour), func([]byte) error { rows++; return nil })
	return rows, err
}

func TestStackIsConnectedWhenItIsAsked(t *testing.T) {
	w := newWard(t)
	admin, old := stackapi.NamespaceAdmin, stackapi.NamespaceOld
	rowsOf := func(t *testing.T, b bench) {
		t.Helper()
		if rows, err := b.hour(t); err != nil || rows == 0 {
			t.Fatalf("%d rows, %v", rows, err)
		}
	}
	asked := func(t *testing.T, b bench, want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, b.script.take()); diff != "" {
			t.Errorf("asked (-want +got)\n%s", diff)
		}
	}
	t.Run("once", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		asked(t, b)
		rowsOf(t, b)
		rowsOf(t, b)
		tenants, err := b.Subscriptions(t.Context())
		if err != nil || len(tenants) == 0 {
			t.Errorf("%v, %v", tenants, err)
		}
		asked(t, b, "metadata", admin, admin, "Microsoft.Subscriptions.Admin")
	})
	t.Run("by all who ask at the same time once", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				if rows, err := b.hour(t); err != nil || rows == 0 {
					t.Errorf("%d rows, %v", rows, err)
				}
			})
		}
		all.Wait()
		if asked := b.script.take(); slices.Index(asked, "metadata") != 0 || slices.Contains(asked[1:], "metadata") {
			t.Errorf("asked %q", asked)
		}
	})
	t.Run("again after it was away", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		b.script.to(func(*http.Request) (int, string) { return 500, "Away" })
		if _, err := b.hour(t); err == nil || !strings.Contains(err.Error(), "discover") {
			t.Fatalf("got %v", err)
		}
		b.script.to(nil)
		rowsOf(t, b)
	})
	t.Run("again after a secret was wrong, with the one that is there then", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		b.env["STACK_SECRET"] = "not-the-secret"
		_, err := b.hour(t)
		if refused := (*signin.Error)(nil); !errors.As(err, &refused) || refused.Kind != signin.WrongSecret {
			t.Fatalf("got %v", err)
		}
		b.env["STACK_SECRET"] = w.secret
		rowsOf(t, b)
	})
	t.Run("again after the stack refused a token", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		rowsOf(t, b)
		b.script.to(func(r *http.Request) (int, string) { return 401, "InvalidAuthenticationTokenAudience" })
		if _, err := b.hour(t); err == nil {
			t.Fatal("no error")
		}
		b.script.to(nil)
		b.script.take()
		rowsOf(t, b)
		asked(t, b, "metadata", admin)
	})
	t.Run("unless its caller cannot wait", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		b.connecting <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.SignIn(ctx); !errors.Is(err, ctx.Err()) {
			t.Errorf("got %v", err)
		}
	})

	t.Run("a stack of 2017 is asked by its name, once it is known", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{OldNamespace: true})
		rowsOf(t, b)
		asked(t, b, "metadata", admin, old)
		rowsOf(t, b)
		asked(t, b, old)
		if b.Namespace() != old {
			t.Errorf("says %s", b.Namespace())
		}
		// And an update that takes the old name away is not the end.
		b.script.to(func(r *http.Request) (int, string) {
			if namespaceIs(r, old) {
				return 404, "InvalidResourceType"
			}
			return 0, ""
		})
		b.script.stack = w.stack(t, azurestack.Options{})
		rowsOf(t, b)
		asked(t, b, old, admin)
		rowsOf(t, b)
		asked(t, b, admin)
	})
	t.Run("a 404 without more is no verdict about the name", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		lost := func(r *http.Request) (int, string) {
			if namespaceIs(r, admin) {
				return 404, "NotFound"
			}
			return 0, ""
		}
		b.script.to(lost)
		rowsOf(t, b) // by the old name, which this stack knows as well
		b.script.to(nil)
		b.script.take()
		rowsOf(t, b)
		asked(t, b, admin)
		b.script.to(lost)
		if _, err := b.hour(t); err == nil {
			t.Error("no error of an hour that is lost on a stack that knows the name")
		}
		asked(t, b, admin)
	})
	t.Run("an hour that is not ready tells the name, too", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{OldNamespace: true})
		_, err := b.Hour(t.Context(), time.Now().Add(48*time.Hour).Truncate(time.Hour), func([]byte) error { return nil })
		if !errors.Is(err, stackapi.ErrNotReady) || b.Namespace() != old {
			t.Errorf("%v, %s", err, b.Namespace())
		}
	})
	for name, refusal := range map[string]struct {
		status int
		code   string
	}{
		"an error of the stack":   {501, "NotImplemented"},
		"a page of a proxy":       {505, ""},
		"a refusal":               {403, "AuthorizationFailed"},
		"an unknown subscription": {404, "SubscriptionNotFound"},
		"a request that is bad":   {400, "InvalidProperty"},
	} {
		t.Run(name+" is no verdict about the name", func(t *testing.T) {
			b := newBench(t, w, azurestack.Options{})
			b.script.to(func(r *http.Request) (int, string) {
				if namespaceIs(r, admin) {
					return refusal.status, refusal.code
				}
				return 0, ""
			})
			_, err := b.hour(t)
			if answer := (*stackapi.Error)(nil); !errors.As(err, &answer) || answer.Status != refusal.status {
				t.Errorf("got %v", err)
			}
			asked(t, b, "metadata", admin)
			b.script.to(nil)
			rowsOf(t, b)
			asked(t, b, admin)
		})
	}
	t.Run("a stack that knows neither name says so of the first", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{})
		b.script.to(func(r *http.Request) (int, string) {
			if namespaceIs(r, admin) {
				return 404, "InvalidResourceNamespace"
			}
			return 404, "InvalidResourceType"
		})
		b.script.stack = http.NotFoundHandler()
		b.link.Store(nil)
		b.conf.LoginEndpoint, b.conf.Audience = w.issuer.LoginEndpoint(), stackAudience
		_, err := b.hour(t)
		if answer := (*stackapi.Error)(nil); !errors.As(err, &answer) || answer.Code != "InvalidResourceNamespace" {
			t.Errorf("got %v", err)
		}
		asked(t, b, admin, old)
	})
	t.Run("a name that is configured is the only one", func(t *testing.T) {
		b := newBench(t, w, azurestack.Options{OldNamespace: true})
		b.conf.Namespace = admin
		if _, err := b.hour(t); err == nil {
			t.Error("no error")
		}
		asked(t, b, "metadata", admin)
	})
}

func TestWiringRefusals(t *testing.T) {
	direct(t)
	dir := t.TempDir()
	for _, tt := range []struct {
		name   string
		change func(*config.Config)
		says   string
	}{
		{"an authority's file that is away", func(c *config.Config) { c.Stack.CAFile = filepath.Join(dir, "absent") }, "stack: read caFile"},
		{"an authority's file that is none", func(c *config.Config) { c.Storage.CAFile = put(t, dir, "ca.pem", []byte("x")) }, "storage: read caFile"},
		{"a connection string that is none", func(c *config.Config) { c.Storage.ConnectionStringEnv = "STORAGE" }, "storage: the variable STORAGE holds no connection string"},
		{"a certificate that is none", func(c *config.Config) {
			c.Storage.SignIn = config.SignIn{Method: signin.ClientCertificate, TenantID: directory, ClientID: application, CertificateFile: put(t, dir, "c.pem", []byte("x"))}
			must(t, os.Chmod(c.Storage.SignIn.CertificateFile, 0o600))
		}, "storage: read client certificate"},
		{"AD FS for storage", func(c *config.Config) { c.Storage.SignIn.TenantID = "adfs" }, "storage: signIn.tenantId is adfs"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conf := config.Default()
			conf.Storage.BlobServiceURI = "https://landing.blob.core.windows.net"
			conf.Storage.SignIn = config.SignIn{Method: signin.ClientSecret, TenantID: directory, ClientID: application, SecretEnv: "STORAGE"}
			tt.change(&conf)
			_, err := wire(conf, func(string) string { return "hidden-value" })
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("got %v", err)
			}
		})
	}
}

// TestEndsAreReadFromWhatIsThere: of a certificate from its file, as it is now, of a
// secret from the configuration.
func TestEndsAreReadFromWhatIsThere(t *testing.T) {
	until := time.Now().Add(40 * 24 * time.Hour).UTC().Truncate(time.Second)
	file := filepath.Join(t.TempDir(), "agent.pem")
	replace := func(until time.Time) {
		cert, key, err := identity.ClientCertificate("agent", time.Now().Add(-time.Hour), until)
		must(t, err)
		must(t, os.WriteFile(file, append(identity.CertificatePEM(cert), identity.KeyPEM(key)...), 0o600))
	}
	replace(until)
	day, err := usage.ParseDay("2027-11-30")
	must(t, err)
	conf := config.Config{}
	conf.Stack.SignIn = config.SignIn{Method: signin.ClientSecret, SecretEnds: &day}
	conf.Storage.SignIn = config.SignIn{Method: signin.ClientCertificate, CertificateFile: file}
	for _, until := range []time.Time{until, until.Add(365 * 24 * time.Hour)} {
		replace(until)
		want := map[string]time.Time{"stack secret": day.Start(), "storage certificate": until}
		if diff := cmp.Diff(want, ends(conf, os.Getenv)); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	}
	must(t, os.Remove(file))
	if got := ends(conf, os.Getenv); len(got) != 1 {
		t.Errorf("without the file: %v", got)
	}
}
