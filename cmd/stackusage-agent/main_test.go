package main

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/landing"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

const (
	cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"
	token   = "secret-of-the-stack"
)

// result is what a run leaves behind.
type result struct {
	stdout, stderr string
	err            error
}

// text is all that a run shows to anybody.
func (r result) text() string { return fmt.Sprintln(r.stdout, r.stderr, r.err) }

func call(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), args, func(key string) string { return env[key] }, &stdout, &stderr)
	return result{stdout.String(), stderr.String(), err}
}

// with returns good flags of collect with some changed; an empty value leaves
// the flag out.
func with(change map[string]string) []string {
	set := map[string]string{
		"endpoint": "https://adminmanagement.local.azurestack.external", "provider": "39c82aed-b2b7-4a66-abdb-611de00bf11e",
		"cloud-id": cloudID, "region": "local", "domain": "azurestack.external",
		"from": "2024-03-02T12:00:00Z", "to": "2024-03-02T15:00:00Z", "spool": "unused",
	}
	maps.Copy(set, change)
	args := []string{"collect"}
	for _, name := range slices.Sorted(maps.Keys(set)) {
		if set[name] != "" {
			args = append(args, "--"+name, set[name])
		}
	}
	return args
}

func TestHelp(t *testing.T) {
	for _, args := range [][]string{nil, {"help"}, {"-h"}, {"-help"}, {"--help"}} {
		got := call(t, nil, args...)
		if got.err != nil || got.stderr != "" || !strings.HasPrefix(got.stdout, "stackusage-agent collects usage") {
			t.Errorf("%v: %+v", args, got)
		}
		// Each flag and each variable is explained, and none of the secrets is a flag.
		newFlags(&bytes.Buffer{}).fs.VisitAll(func(f *flag.Flag) {
			if !strings.Contains(got.stdout, "\n  -"+f.Name+" ") || f.Usage == "" {
				t.Errorf("%v: --%s is not explained", args, f.Name)
			}
		})
		for _, name := range []string{"STACK_TOKEN", "LandingStorage", "LandingStorage__blobServiceUri"} {
			if !strings.Contains(got.stdout, name) {
				t.Errorf("%v: %s is not explained", args, name)
			}
		}
	}
	t.Run("of a command says what it does, and is told apart from a failure", func(t *testing.T) {
		for _, command := range []string{"activate", "config", "config check", "config sample", "doctor", "run", "once", "backfill", "status"} {
			got := call(t, nil, append(strings.Fields(command), "--help")...)
			if got.err != flag.ErrHelp || !strings.HasPrefix(got.stderr, "stackusage-agent "+strings.Fields(command)[0]+" ") || strings.Count(got.stderr, "\n") < 3 {
				t.Errorf("%s --help: %+v", command, got)
			}
		}
		if got := call(t, nil, "collect", "--help"); got.err != flag.ErrHelp || !strings.Contains(got.stderr, "-cloud-id") {
			t.Errorf("got %+v", got)
		}
	})
}

func TestVersion(t *testing.T) {
	if got := call(t, nil, "version"); got.err != nil || !strings.HasPrefix(got.stdout, "stackusage-agent "+version+" ("+runtime.Version()+" "+runtime.GOOS) || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}

func TestRefusals(t *testing.T) {
	storage := map[string]string{"LandingStorage": "UseDevelopmentStorage=maybe"}
	for _, tt := range []struct {
		name string
		args []string
		says string // the whole error, or its beginning if it ends in ...
	}{
		{"a command that is not known", []string{"colect"}, `command "colect" is not known; stackusage-agent --help lists them`},
		{"a flag that is not known", []string{"collect", "--x"}, "flag provided but not defined: -x"},
		{"an argument too many", append(with(nil), "more"), `argument "more" is not known`},
		{"every missing flag at once", []string{"collect"}, "--endpoint is missing\n--provider is missing\n--cloud-id is missing\n--region is missing\n--from is missing\n--to is missing\n--spool is missing"},
		{"one missing flag", with(map[string]string{"region": ""}), "--region is missing"},
		{"everything wrong at once", with(map[string]string{"cloud-id": "x", "provider": "y", "infrastructure": "z", "from": "noon", "to": "2024-03-02T12:30:00Z"}),
			`--cloud-id "x": must be a GUID in lower case with dashes` + "\n" +
				`subscription "y": not a GUID` + "\n" + `subscription "z": not a GUID` + "\n" +
				`--from: parse hour "noon": not an RFC 3339 time: write it as 2019-12-10T19:00:00Z` + "\n" +
				`--to: parse hour "2024-03-02T12:30:00Z": not on the hour in UTC: write it as 2019-12-10T19:00:00Z`},
		{"a cloud-id in upper case", with(map[string]string{"cloud-id": strings.ToUpper(cloudID)}), "--cloud-id ..."},
		{"a cloud-id without dashes", with(map[string]string{"cloud-id": strings.ReplaceAll(cloudID, "-", "")}), "--cloud-id ..."},
		{"a cloud-id that leaves the spool", with(map[string]string{"cloud-id": "../../../../../../../../../../../../"}), "--cloud-id ..."},
		{"an end before the start", with(map[string]string{"to": "2024-03-02T11:00:00Z"}), "--to 2024-03-02T11:00:00Z is not after --from 2024-03-02T12:00:00Z"},
		{"an end at the start", with(map[string]string{"to": "2024-03-02T12:00:00Z"}), "--to 2024-03-02T12:00:00Z is not after --from 2024-03-02T12:00:00Z"},
		{"a level that is not known", with(map[string]string{"log-level": "loud"}), "..."},
		{"a stack without encryption", with(map[string]string{"endpoint": "http://adminmanagement.local.azurestack.external"}), `read Endpoint "http://adminmanagement.local.azurestack.external": must be https`},
		{"an API that is not known", with(map[string]string{"namespace": "Microsoft.Billing"}), "read Namespace ..."},
		{"a storage that is not understood", with(nil), "..."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := call(t, storage, tt.args...)
			if got.err == nil {
				t.Fatalf("accepted: %+v", got)
			}
			want, open := strings.CutSuffix(tt.says, "...")
			if text := got.err.Error(); text != tt.says && !(open && strings.HasPrefix(text, want)) {
				t.Errorf("got %q", text)
			}
			if got.stdout != "" {
				t.Errorf("printed %q", got.stdout)
			}
		})
	}
	t.Run("no storage", func(t *testing.T) {
		if got := call(t, nil, with(nil)...); got.err == nil || !strings.Contains(got.err.Error(), "LandingStorage__blobServiceUri") {
			t.Errorf("got %+v", got)
		}
	})
	for _, setting := range []string{"accountName", "blobServiceUri", "queueServiceUri", "tableServiceUri"} {
		t.Run("a connection string beside "+setting, func(t *testing.T) {
			both := map[string]string{"LandingStorage": "UseDevelopmentStorage=true", "LandingStorage__" + setting: "https://landing.blob.core.windows.net"}
			want := "connect storage LandingStorage: LandingStorage is a connection string, and LandingStorage__" + setting + " is set too: remove one of them"
			if got := call(t, both, with(nil)...); got.err == nil || got.err.Error() != want {
				t.Errorf("got %+v", got)
			}
		})
	}
	if _, err := os.Stat("unused"); err == nil {
		t.Error("a run that was refused made the spool")
	}
}

// scenario is generated once: sources do not change.
var scenario = sync.OnceValues(func() (*azurestack.Source, error) { return azurestack.Scenario("three-days", 1) })

// site is a simulated stack and a storage account.
type site struct {
	stack    *azurestack.Stack
	url      string
	requests atomic.Int64
	env      map[string]string
	blobs    *azblob.Client
	spool    string
}

func newSite(t *testing.T) *site {
	t.Helper()
	src, err := scenario()
	if err != nil {
		t.Fatal(err)
	}
	s := &site{spool: filepath.Join(t.TempDir(), "spool")}
	if s.stack, err = azurestack.New(src, azurestack.Options{Token: token}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.stack.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	s.url = server.URL
	s.env = map[string]string{"STACK_TOKEN": token, "LandingStorage": azuritetest.Account(t)}
	if s.blobs, err = azblob.NewClientFromConnectionString(s.env["LandingStorage"], nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *site) args(change map[string]string) []string {
	set := map[string]string{"endpoint": s.url, "provider": s.stack.Provider(), "spool": s.spool}
	maps.Copy(set, change)
	return with(set)
}

func (s *site) container(t *testing.T, cloudID string) {
	t.Helper()
	if _, err := s.blobs.CreateContainer(t.Context(), landing.Container(cloudID), nil); err != nil {
		t.Fatal(err)
	}
}

// landed counts the blobs of each hour and the rows in all of them, and returns
// the last header.
func (s *site) landed(t *testing.T, cloudID string) (hours map[string]int, rows int64, header landing.Header) {
	t.Helper()
	hours = map[string]int{}
	pager := s.blobs.NewListBlobsFlatPager(landing.Container(cloudID), nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			if landing.Aside(*item.Name) {
				continue
			}
			name, err := landing.ParseName(landing.Container(cloudID), *item.Name)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := s.blobs.DownloadStream(t.Context(), name.Container(), name.Blob(), nil)
			if err != nil {
				t.Fatal(err)
			}
			r, err := landing.NewReader(resp.Body, name, landing.Limits{})
			for err == nil {
				_, err = r.Next()
			}
			resp.Body.Close()
			if r == nil || r.SHA256()[:16] != name.SHA16 {
				t.Fatalf("%s: %v", name, err)
			}
			hours[name.Hour.Start().Format(time.RFC3339)]++
			rows += r.Trailer().Records
			header = r.Header()
		}
	}
	return hours, rows, header
}

func mustEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
