package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"

	"stackusage/shared/landing"
)

// threeHours are the hours of the flags in with.
var threeHours = map[string]int{"2024-03-02T12:00:00Z": 1, "2024-03-02T13:00:00Z": 1, "2024-03-02T14:00:00Z": 1}

// served is how many rows the stack has for those hours.
func (s *site) served() (rows int64) {
	for hour := range threeHours {
		w := httptest.NewRecorder()
		s.stack.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_devstack/rows?hour="+hour, nil))
		rows += int64(strings.Count(w.Body.String(), "\n"))
	}
	return rows
}

func TestCollect(t *testing.T) {
	s := newSite(t)
	s.container(t, cloudID)
	t.Run("lands every hour", func(t *testing.T) {
		got := call(t, s.env, s.args(nil)...)
		mustEqual(t, nil, got.err)
		mustEqual(t, fmt.Sprintf("3 hours: 3 collected with %d rows, 3 dropped\n", s.served()), got.stdout)
		hours, rows, header := s.landed(t, cloudID)
		mustEqual(t, threeHours, hours)
		mustEqual(t, s.served(), rows)
		mustEqual(t, []string{cloudID, "local", "azurestack.external", version}, []string{header.CloudID, header.Region, header.Domain, header.AgentVersion})
		if since := time.Since(header.CollectedAt); since < 0 || since > time.Minute {
			t.Errorf("collected at %s", header.CollectedAt)
		}
	})
	t.Run("does nothing the second time", func(t *testing.T) {
		asked := s.requests.Load()
		got := call(t, s.env, s.args(nil)...)
		mustEqual(t, nil, got.err)
		mustEqual(t, "3 hours: 0 collected with 0 rows, 0 dropped\n", got.stdout)
		mustEqual(t, asked, s.requests.Load())
		hours, _, _ := s.landed(t, cloudID)
		mustEqual(t, threeHours, hours)
	})
	t.Run("begins anew for another registration of the same stack", func(t *testing.T) {
		const other = "00000000-de02-43a4-903d-eb74f8258b01"
		s.container(t, other)
		got := call(t, s.env, s.args(map[string]string{"cloud-id": other})...)
		mustEqual(t, nil, got.err)
		hours, rows, header := s.landed(t, other)
		mustEqual(t, threeHours, hours)
		mustEqual(t, s.served(), rows)
		mustEqual(t, other, header.CloudID)
	})
}

func TestTheProviderIsAlwaysInfrastructure(t *testing.T) {
	const metering = "11111111-b2b7-4a66-abdb-611de00bf11e"
	for name, tt := range map[string]struct {
		flag string
		want []string
	}{
		"alone":                 {"", nil},
		"with others":           {metering, []string{metering}},
		"named again":           {"{provider}, " + metering, []string{metering}},
		"named in another form": {metering + ",{PROVIDER}", []string{metering}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t)
			s.container(t, cloudID)
			list := strings.NewReplacer("{provider}", s.stack.Provider(), "{PROVIDER}", strings.ToUpper(s.stack.Provider())).Replace(tt.flag)
			got := call(t, s.env, s.args(map[string]string{"to": "2024-03-02T13:00:00Z", "infrastructure": list})...)
			mustEqual(t, nil, got.err)
			_, _, header := s.landed(t, cloudID)
			mustEqual(t, append([]string{s.stack.Provider()}, tt.want...), header.ProviderSubscriptions)
		})
	}
}

func TestARunThatFailsSaysHowFarItCame(t *testing.T) {
	s := newSite(t)
	got := call(t, s.env, s.args(nil)...) // the container is missing
	if got.err == nil || !strings.HasPrefix(got.err.Error(), "hour 2024-03-02T12:00:00Z: drop ") {
		t.Errorf("got %v", got.err)
	}
	if !strings.HasPrefix(got.stdout, "3 hours: 1 collected with ") || !strings.HasSuffix(got.stdout, " 0 dropped\n") {
		t.Errorf("printed %q", got.stdout)
	}
	t.Run("and is taken up by the next one", func(t *testing.T) {
		s.container(t, cloudID)
		asked := s.requests.Load()
		got := call(t, s.env, s.args(map[string]string{"to": "2024-03-02T13:00:00Z"})...)
		mustEqual(t, nil, got.err)
		mustEqual(t, "1 hours: 0 collected with 0 rows, 1 dropped\n", got.stdout)
		mustEqual(t, asked, s.requests.Load())
	})
}

func TestATokenThatIsMissingIsNamed(t *testing.T) {
	s := newSite(t)
	for value, named := range map[string]bool{"": true, "wrong": false} {
		s.env["STACK_TOKEN"] = value
		got := call(t, s.env, s.args(nil)...)
		if got.err == nil || !strings.Contains(got.err.Error(), ": 401 ") || strings.Contains(got.err.Error(), "STACK_TOKEN is not set") != named {
			t.Errorf("%q: got %v", value, got.err)
		}
	}
}

func TestARunEndsWithItsContext(t *testing.T) {
	s := newSite(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	err := run(ctx, s.args(nil), func(key string) string { return s.env[key] }, &out, &out)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestASpoolThatCannotBeMadeIsNamed(t *testing.T) {
	s := newSite(t)
	got := call(t, s.env, s.args(map[string]string{"spool": "main.go"})...)
	if got.err == nil || !strings.Contains(got.err.Error(), "open spool: ") || !strings.Contains(got.err.Error(), "main.go") {
		t.Errorf("got %v", got.err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	s := newSite(t)
	key := s.env["LandingStorage"]
	_, key, _ = strings.Cut(key, "AccountKey=")
	key, _, _ = strings.Cut(key, ";")
	link, err := s.blobs.ServiceClient().GetSASURL(sas.AccountResourceTypes{Object: true}, sas.AccountPermissions{Create: true}, time.Now().Add(time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	_, signature, _ := strings.Cut(link, "?")

	secrets := []string{token, key, signature, "sig="}
	check := func(t *testing.T, got result, fails bool) {
		t.Helper()
		if (got.err != nil) != fails {
			t.Errorf("ended with %v", got.err)
		}
		for _, secret := range secrets {
			if strings.Contains(got.text(), secret) {
				t.Errorf("%q is shown:\n%s", secret, got.text())
			}
		}
	}
	withEnv := func(storage, token string) map[string]string {
		return map[string]string{"LandingStorage": storage, "STACK_TOKEN": token}
	}
	debug := func(more map[string]string) []string {
		set := map[string]string{"log-level": "debug", "to": "2024-03-02T13:00:00Z"}
		for k, v := range more {
			set[k] = v
		}
		return s.args(set)
	}
	t.Run("when the drop is refused", func(t *testing.T) { check(t, call(t, s.env, debug(nil)...), true) })
	t.Run("when all goes well", func(t *testing.T) {
		s.container(t, cloudID)
		check(t, call(t, s.env, debug(nil)...), false)
		hours, _, _ := s.landed(t, cloudID)
		mustEqual(t, 1, len(hours))
	})
	t.Run("when the token is refused", func(t *testing.T) {
		check(t, call(t, withEnv(s.env["LandingStorage"], token+"-of-last-year"), debug(map[string]string{"spool": t.TempDir()})...), true)
	})
	t.Run("when the connection string is broken", func(t *testing.T) {
		for _, storage := range []string{key, "AccountKey=" + key, s.env["LandingStorage"] + "x", strings.Replace(s.env["LandingStorage"], key, key+"%", 1)} {
			check(t, call(t, withEnv(storage, token), debug(map[string]string{"spool": t.TempDir()})...), true)
		}
	})
	t.Run("when a signed address has no such container", func(t *testing.T) {
		storage := "BlobEndpoint=" + strings.TrimSuffix(s.blobs.URL(), "/") + ";SharedAccessSignature=" + signature
		const other = "00000000-de02-43a4-903d-eb74f8258b01"
		got := call(t, withEnv(storage, token), debug(map[string]string{"spool": t.TempDir(), "cloud-id": other})...)
		check(t, got, true)
		if !strings.Contains(got.err.Error(), landing.Container(other)) {
			t.Errorf("got %v", got.err)
		}
	})
}
