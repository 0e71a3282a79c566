package scenarios_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
)

// scenario is generated once: sources do not change.
var scenario = sync.OnceValues(func() (*azurestack.Source, error) { return scenarios.Generate("three-days", 1) })

func threeDays(t *testing.T) *azurestack.Stack {
	t.Helper()
	src, err := scenario()
	if err != nil {
		t.Fatal(err)
	}
	return newStack(t, src)
}

func newStack(t *testing.T, src *azurestack.Source) *azurestack.Stack {
	t.Helper()
	s, err := azurestack.New(src, azurestack.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// rowsOf is what is reported in an hour, a row a line.
func rowsOf(s *azurestack.Stack, hour time.Time) []byte {
	w := httptest.NewRecorder()
	s.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_devstack/rows?hour="+hour.Format(time.RFC3339), nil))
	return w.Body.Bytes()
}

func mustDecode[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("read %.200s: %v", text, err)
	}
	return v
}

func mustEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("(-want +got)\n%s", diff)
	}
}

// entry is a usage row as a reader of the API decodes it.
type entry struct {
	ID, Name, Type string
	Properties     struct {
		SubscriptionID string    `json:"subscriptionId"`
		UsageStartTime time.Time `json:"usageStartTime"`
		UsageEndTime   time.Time `json:"usageEndTime"`
		InstanceData   string    `json:"instanceData"`
		Quantity       json.Number
		MeterID        string `json:"meterId"`
	}
	Instance struct {
		ResourceURI    string `json:"resourceUri"`
		Location       string
		Tags           string
		AdditionalInfo string `json:"additionalInfo"`
	} `json:"-"`
}

func (e entry) meter() string {
	return strings.ReplaceAll(strings.ToLower(e.Properties.MeterID), "-", "")
}

func (e entry) resource() string { return strings.ToLower(e.Instance.ResourceURI) }

func readEntry(t *testing.T, raw []byte) entry {
	t.Helper()
	e := mustDecode[entry](t, raw)
	inst := mustDecode[map[string]json.RawMessage](t, []byte(e.Properties.InstanceData))
	if err := json.Unmarshal(inst["Microsoft.Resources"], &e.Instance); err != nil {
		t.Fatal(err)
	}
	return e
}
