package azurestack_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
)

const (
	adminPath = "/subscriptions/{provider}/providers/Microsoft.Commerce.Admin/subscriberUsageAggregates"
	oldPath   = "/subscriptions/{provider}/providers/Microsoft.Commerce/subscriberUsageAggregates"
	burstHour = "2024-03-02T13:00:00Z" // more than one page
)

// scenario is generated once: sources do not change.
var scenario = sync.OnceValues(func() (*azurestack.Source, error) {
	return scenarios.Generate("three-days", 1)
})

func newScenario(t *testing.T, opts azurestack.Options) *azurestack.Stack {
	t.Helper()
	src, err := scenario()
	if err != nil {
		t.Fatal(err)
	}
	return newStack(t, src, opts)
}

func newStack(t *testing.T, src *azurestack.Source, opts azurestack.Options) *azurestack.Stack {
	t.Helper()
	s, err := azurestack.New(src, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// recordings returns the folder of recorded answers. Without it the test is
// skipped, except in CI.
func recordings(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "..", "shared", "recordings")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("recordings must be there in CI: %v", err)
		}
		t.Skipf("no recordings (set STACKUSAGE_RECORDINGS): %v", err)
	}
	return dir
}

// usage is a usage query of one hour; more overrides it, an empty value leaves
// the parameter out.
func usage(path, hour string, more ...string) string {
	start, err := time.Parse(time.RFC3339, hour)
	if err != nil {
		panic(err)
	}
	v := url.Values{
		"api-version":            {"2015-06-01-preview"},
		"reportedStartTime":      {hour},
		"reportedEndTime":        {start.Add(time.Hour).Format(time.RFC3339)},
		"aggregationGranularity": {"hourly"},
	}
	for i := 0; i < len(more); i += 2 {
		v.Set(more[i], more[i+1])
		if more[i+1] == "" {
			v.Del(more[i])
		}
	}
	return path + "?" + v.Encode()
}

// get asks the stack without a network in between; {provider} in the target is
// its provider subscription.
func get(s *azurestack.Stack, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, strings.ReplaceAll(target, "{provider}", s.Provider()), nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

type page struct {
	Value    []json.RawMessage `json:"value"`
	NextLink *string           `json:"nextLink"`
}

func mustPage(t *testing.T, s *azurestack.Stack, target string) page {
	t.Helper()
	w := get(s, target)
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", target, w.Code, w.Body)
	}
	return mustDecode[page](t, w.Body.Bytes())
}

func mustDecode[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("read %.200s: %v", text, err)
	}
	return v
}

// all follows a listing to its end.
func all(t *testing.T, s *azurestack.Stack, target string) (rows []json.RawMessage, pages int) {
	t.Helper()
	for {
		p := mustPage(t, s, target)
		pages++
		rows = append(rows, p.Value...)
		if p.NextLink == nil {
			return rows, pages
		}
		target = *p.NextLink
	}
}

func mustEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}
