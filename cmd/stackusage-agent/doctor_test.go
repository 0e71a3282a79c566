package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/doctor"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/identity"
	"stackusage/internal/devstack/storagerights"
)

// ahead tells the time of a clock that is ahead of this machine's.
func ahead(h http.Handler, by time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
		h.ServeHTTP(w, r)
	})
}

// closedPort is one at which nothing listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, l.Close())
	return l.Addr().String()
}

// by serves a certificate that was made for an application.
func by(t *testing.T, from, until time.Time) func(*tls.Config) {
	t.Helper()
	cert, key, err := identity.ClientCertificate("someone", from, until)
	must(t, err)
	return func(conf *tls.Config) {
		conf.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	}
}

// expect is the one check that must not be ok, unless none is named, and what it
// must say.
type expect struct {
	check         string
	outcome       doctor.Outcome
	cause, advice string
}

func (want expect) compare(t *testing.T, got []doctor.Result) {
	t.Helper()
	var wrong []string
	for _, r := range got {
		if r.Outcome == doctor.Failed || r.Outcome == doctor.Warning {
			wrong = append(wrong, r.Check)
		}
		if r.Check == want.check && (r.Outcome != want.outcome || !strings.Contains(r.Cause, want.cause) || !strings.Contains(r.Advice, want.advice) || r.Advice == "") {
			t.Errorf("want %+v\n got %+v", want, r)
		}
	}
	var blamed []string
	if want.check != "" {
		blamed = []string{want.check}
	}
	if diff := cmp.Diff(blamed, wrong); diff != "" {
		t.Errorf("what is blamed (-want +got)\n%s\n%+v", diff, got)
	}
}

func failure(check, cause, advice string) expect { return expect{check, doctor.Failed, cause, advice} }

func TestDoctor(t *testing.T) {
	w := newWard(t)
	w.storage(t)
	year := 365 * 24 * time.Hour
	for _, tt := range []struct {
		name  string
		setUp func(*testing.T, *visit)
		want  expect
	}{
		{"all is well", func(*testing.T, *visit) {}, expect{}},
		{"a stack that signs in by AD FS", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, w.stack(t, azurestack.Options{LoginEndpoint: w.issuer.ADFSEndpoint(), Audience: adfsAudience}), nil)
			v.values["stack.signIn.tenantId"] = "adfs"
		}, expect{}},
		{"a stack of 2017", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, w.stack(t, azurestack.Options{OldNamespace: true}), nil)
		}, expect{}},
		{"a managed identity for storage", func(t *testing.T, v *visit) {
			t.Setenv("IDENTITY_ENDPOINT", w.issuer.ManagedIdentityEndpoint())
			t.Setenv("IDENTITY_HEADER", w.secret)
			v.values["storage.signIn.method"], v.values["storage.signIn.clientId"] = "managedIdentity", guid
			v.values["storage.signIn.tenantId"], v.values["storage.signIn.secretEnv"] = "", ""
		}, expect{}},
		{"a managed identity that the machine has not", func(t *testing.T, v *visit) {
			t.Setenv("IDENTITY_ENDPOINT", w.issuer.ManagedIdentityEndpoint())
			t.Setenv("IDENTITY_HEADER", w.secret)
			v.values["storage.signIn.method"], v.values["storage.signIn.clientId"] = "managedIdentity", application
			v.values["storage.signIn.tenantId"], v.values["storage.signIn.secretEnv"] = "", ""
		}, failure("storage sign-in", "this machine has no such managed identity", "Assign")},
		{"a stack that is not ready", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, w.stack(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 202, Count: 9}}}), nil)
		}, expect{}},

		{"wrong secret of the stack", func(t *testing.T, v *visit) { v.env["STACK_SECRET"] = "not-the-secret" },
			failure("stack sign-in", "the client secret is wrong", "secret of application "+application)},
		{"wrong secret of storage", func(t *testing.T, v *visit) { v.env["STORAGE_SECRET"] = "not-the-secret" },
			failure("storage sign-in", "the client secret is wrong", "secret of application "+application)},
		{"expired certificate of the application", func(t *testing.T, v *visit) {
			cert, key, err := identity.ClientCertificate("agent", time.Now().Add(-2*year), time.Now().Add(-year))
			must(t, err)
			v.values["stack.signIn.method"], v.values["stack.signIn.secretEnv"] = "clientCertificate", ""
			pem := put(t, v.dir, "agent.pem", append(identity.CertificatePEM(cert), identity.KeyPEM(key)...))
			must(t, os.Chmod(pem, 0o600))
			v.values["stack.signIn.certificateFile"] = pem
		}, failure("stack sign-in", "the client certificate has expired: it was valid until", "Make a new certificate")},
		{"expired certificate of the stack", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, w.stack(t, azurestack.Options{}), by(t, time.Now().Add(-2*year), time.Now().Add(-time.Hour)))
		}, failure("stack TLS", "the server's certificate has expired: it was valid until", "renewed")},
		{"an audience that the issuer does not know", func(t *testing.T, v *visit) { v.values["stack.audience"] = "https://management.elsewhere.invalid/x" },
			failure("stack sign-in", `the audience "https://management.elsewhere.invalid/x" is unknown`, "/metadata/endpoints")},
		{"an audience that the stack does not take", func(t *testing.T, v *visit) { v.values["stack.audience"] = otherAudience },
			failure("stack usage API", "the audience is wrong", "stack.audience empty")},
		{"no DNS", func(t *testing.T, v *visit) {
			t.Setenv("NO_PROXY", ".invalid")
			v.values["stack.endpoint"] = "https://adminmanagement.local.azurestack.invalid"
		}, failure("stack name", "adminmanagement.local.azurestack.invalid", "DNS")},
		{"blocked port of the stack", func(t *testing.T, v *visit) { v.values["stack.endpoint"] = "https://" + closedPort(t) },
			failure("stack connection", "the port is blocked or closed", "firewall")},
		{"blocked port of storage", func(t *testing.T, v *visit) {
			v.values["storage.blobServiceUri"] = "https://" + closedPort(t) + "/account0"
		}, failure("storage connection", "the port is blocked or closed", "storage.blobServiceUri")},
		{"clock off by an hour", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, ahead(w.stack(t, azurestack.Options{}), time.Hour), nil)
			v.values["storage.blobServiceUri"] = w.gate(t, storagerights.CreateOnly, time.Hour)
			w.issue(t, identity.Faults{ClockOffset: 3600})
		}, failure("clock", "this machine's clock is 1 h behind that of", "NTP")},
		{"clock of the stack off by an hour", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, ahead(w.stack(t, azurestack.Options{}), -time.Hour), nil)
		}, failure("clock", "is 1 h behind this machine's, with which other servers agree", "this machine's seems right")},
		{"clock off by two minutes", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, ahead(w.stack(t, azurestack.Options{}), -2*time.Minute), nil)
			v.values["storage.blobServiceUri"] = w.gate(t, storagerights.CreateOnly, -2*time.Minute)
			w.issue(t, identity.Faults{ClockOffset: -120})
		}, expect{"clock", doctor.Warning, "this machine's clock is 2 min ahead of that of", "NTP"}},
		{"clock off by years, by which certificates seem expired", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, ahead(w.stack(t, azurestack.Options{}), -2*year), by(t, time.Now().Add(-3*year), time.Now().Add(-year)))
		}, failure("stack TLS", "this machine's clock is 730 d ahead of the server's", "NTP")},
		{"container missing", func(t *testing.T, v *visit) { v.values["cloudId"] = guid },
			failure("storage create", "the container is missing (404 ContainerNotFound)", "registration of the stack")},
		{"permission missing", func(t *testing.T, v *visit) {
			v.values["storage.blobServiceUri"] = w.gate(t, storagerights.Rights{Read: true}, 0)
		}, failure("storage create", "permission is missing: this identity may not create blobs", "blobs/add/action")},
		{"network rules", func(t *testing.T, v *visit) {
			v.values["storage.blobServiceUri"] = w.gate(t, storagerights.Rights{KeptOut: true}, 0)
		}, failure("storage create", "network rules", "firewall")},
		{"more rights than needed", func(t *testing.T, v *visit) { v.values["storage.blobServiceUri"] = w.az.BlobURL(0) },
			expect{"create only", doctor.Warning, "more rights than needed: overwrite, read, list, delete", "blobs/add/action"}},
		{"one right more than needed", func(t *testing.T, v *visit) {
			v.values["storage.blobServiceUri"] = w.gate(t, storagerights.Rights{Create: true, List: true}, 0)
		}, expect{"create only", doctor.Warning, "more rights than needed: list", "blobs/add/action"}},
		{"the account's key", func(t *testing.T, v *visit) {
			v.env["EMULATOR"] = w.az.ConnectionString(0)
			v.values["storage.connectionStringEnv"] = "EMULATOR"
			for _, key := range []string{"storage.blobServiceUri", "storage.signIn.method", "storage.signIn.tenantId", "storage.signIn.clientId", "storage.signIn.secretEnv"} {
				delete(v.values, key)
			}
		}, expect{"create only", doctor.Warning, "more rights than needed: overwrite, read, list, delete", "emulator"}},
		{"disk full, by the limit", func(t *testing.T, v *visit) { v.values["spool.minFree"] = "1000000TiB" },
			failure("disk space", "the disk is full", "remove nothing from it")},
		{"a spool that is a file", func(t *testing.T, v *visit) { v.values["spool.dir"] = put(t, v.dir, "file", nil) },
			failure("spool folder", "no folder", "spool.dir")},

		{"an authority that is not known", func(t *testing.T, v *visit) { v.values["stack.caFile"] = "" },
			failure("stack TLS", "an authority that this machine does not know", "stack.caFile")},
		{"a certificate for another name", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, w.stack(t, azurestack.Options{}), by(t, time.Now().Add(-year), time.Now().Add(year)))
		}, failure("stack TLS", "another name than 127.0.0.1", "in the certificate")},
		{"a server that speaks TLS 1.1", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, w.stack(t, azurestack.Options{}), func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
		}, failure("stack TLS", "no TLS 1.2", "Update")},
		{"a proxy that is away", func(t *testing.T, v *visit) { v.values["proxy.url"] = "http://" + closedPort(t) },
			failure("proxy connection", "refuses the connection", "proxy.url")},
		{"a proxy that leads nowhere", func(t *testing.T, v *visit) {
			v.values["proxy.url"] = strings.Replace(w.serve(t, http.NotFoundHandler(), nil), "127.0.0.1", "localhost", 1)
		}, failure("storage login TLS", "the proxy does not lead to "+publicLogin+": Not Found", "allow CONNECT to "+publicLogin+":443")},
		{"a stack that is something else", func(t *testing.T, v *visit) { v.values["stack.endpoint"] = w.serve(t, http.NotFoundHandler(), nil) },
			failure("stack endpoints", "does not say where to sign in", "adminmanagement")},
		{"a tenant of AD FS at Entra ID", func(t *testing.T, v *visit) { v.values["stack.signIn.tenantId"] = "adfs" },
			failure("stack endpoints", "stack.signIn.tenantId is adfs", "GUID")},
		{"a provider subscription that the stack does not know", func(t *testing.T, v *visit) { v.values["stack.providerSubscription"] = guid },
			failure("stack usage API", "does not know the provider subscription", "stack.providerSubscription")},
		{"a stack that is busy", func(t *testing.T, v *visit) {
			v.values["stack.endpoint"] = w.serve(t, w.stack(t, azurestack.Options{Faults: []azurestack.Fault{{Status: 504, Count: 99, RetryAfter: 900}}}), nil)
		}, expect{"stack usage API", doctor.Warning, "the stack is busy (GatewayTimeout", "subscriber by subscriber"}},
		{"a configuration that is wrong", func(t *testing.T, v *visit) { v.values["stack.region"], v.values["firstHour"] = "", "" },
			failure("configuration", "wrong or missing in it: 2", "stack.region")},
		{"no storage", func(t *testing.T, v *visit) {
			v.edit = withoutStorage
			delete(v.env, "STORAGE_SECRET")
			if got := v.diagnose(t); slices.ContainsFunc(got, func(r doctor.Result) bool { return strings.HasPrefix(r.Check, "storage") || r.Check == "create only" }) {
				t.Errorf("storage is examined: %+v", got)
			}
		}, expect{}},
		{"a variable that is not set", func(t *testing.T, v *visit) { v.env["STACK_SECRET"] = "" },
			failure("configuration", "wrong or missing in it: 1", "STACK_SECRET is not set")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			v := w.visit(t)
			tt.setUp(t, v)
			tt.want.compare(t, v.diagnose(t))
		})
	}
	t.Run("a table for people", func(t *testing.T) {
		v := w.visit(t)
		v.env["STORAGE_SECRET"] = "not-the-secret"
		got := call(t, v.env, "doctor", "--config", v.write(t))
		if exitCode(got.err) != 2 || got.err.Error() != "doctor: 1 of 23 checks failed" {
			t.Errorf("ends with %v", got.err)
		}
		lines := strings.Split(got.stdout, "\n")
		if column := strings.Index(lines[0], "WHAT"); column < 0 || slices.ContainsFunc(lines[:len(lines)-3], func(l string) bool { return len(l) <= column || l[column-1] != ' ' || l[column] == ' ' }) {
			t.Errorf("does not line up:\n%s", got.stdout)
		}
		for _, want := range []string{
			"\nstorage sign-in           FAILED   ", ": the client secret is wrong (AADSTS7000215)\n", "\n                                   -> Put the value",
			"\nstorage create            skipped  because storage sign-in failed\n", "\n20 ok, 0 warnings, 1 failed, 2 skipped\n",
		} {
			if !strings.Contains(got.stdout, want) {
				t.Errorf("nothing says %q:\n%s", want, got.stdout)
			}
		}
		t.Log("\n" + got.stdout)
	})
	t.Run("a bad disk", func(t *testing.T) { onBadDisks(t, w) })
	t.Run("a stack that never answers does not hold it up", func(t *testing.T) {
		v := w.visit(t)
		stop := make(chan struct{})
		v.values["stack.endpoint"] = w.serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-stop }), nil)
		t.Cleanup(func() { close(stop) })
		got := v.diagnose(t, "--timeout", "3s")
		if i := slices.IndexFunc(got, func(r doctor.Result) bool { return r.Check == "stack TLS" }); i < 0 || !strings.Contains(got[i].Cause, "does not answer") {
			t.Errorf("got %+v", got)
		}
		if i := slices.IndexFunc(got, func(r doctor.Result) bool { return strings.HasPrefix(r.Cause, "the time for all checks is up: 3 s") }); i < 0 ||
			slices.ContainsFunc(got[i+1:], func(r doctor.Result) bool { return r.Outcome != doctor.Skipped }) {
			t.Errorf("goes on after its time: %+v", got)
		}
	})
	t.Run("nothing is left behind but the probe", func(t *testing.T) {
		v := w.visit(t)
		v.values["spool.dir"] = filepath.Join(v.dir, "not", "yet", "made")
		expect{}.compare(t, v.diagnose(t))
		if made, err := filepath.Glob(filepath.Join(v.dir, "not*")); err != nil || len(made) > 0 {
			t.Errorf("%v, %v", made, err)
		}
	})
}
