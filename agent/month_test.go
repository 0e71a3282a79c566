package agent_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/agent"
	"stackusage/agent/blobs"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// month is a stack and a storage with faults that never end by themselves.
type month struct {
	stack http.Handler

	mu       sync.Mutex
	requests int
	blobs    map[string][]byte
	puts     map[string]int
	refuses  bool // storage, 3 % of files
}

func chosen(n, percent int) bool { return n*61%100 < percent } // spread evenly

func (m *month) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	at, err := time.Parse(time.RFC3339, r.URL.Query().Get("reportedStartTime"))
	if err == nil && m.never(usage.HourOf(at)) {
		w.WriteHeader(http.StatusGatewayTimeout)
		return
	}
	m.mu.Lock()
	m.requests++
	n := m.requests
	m.mu.Unlock()
	switch {
	case n%100 == 17:
		w.WriteHeader(http.StatusBadGateway)
	case n%200 == 71 && err == nil:
		fmt.Fprintf(w, `{"value":[],"nextLink":"http://%s%s"}`, r.Host, r.URL.RequestURI())
	default:
		m.stack.ServeHTTP(w, r)
	}
}

// never says of which hours the stack tells nothing: 5 %.
func (m *month) never(h usage.Hour) bool { return chosen(int(h-smallFirst), 5) }

func (m *month) storage(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	name := strings.TrimPrefix(r.URL.Path, "/"+landing.Container(cloudID)+"/")
	m.mu.Lock()
	defer m.mu.Unlock()
	day, hour := 0, 0
	fmt.Sscanf(filepath.Base(filepath.Dir(name)), "%d", &day)
	fmt.Sscanf(filepath.Base(name), "%d-", &hour)
	switch {
	case m.refuses && chosen(day*24+hour, 3) && !landing.Aside(name):
		w.Header().Set("x-ms-request-id", "1")
		w.Header().Set("x-ms-error-code", "InvalidInput")
		w.WriteHeader(http.StatusBadRequest)
	case m.blobs[name] != nil:
		w.Header().Set("x-ms-error-code", "BlobAlreadyExists")
		w.WriteHeader(http.StatusConflict)
	default:
		m.blobs[name] = append([]byte{}, body...)
		m.puts[name]++
		w.WriteHeader(http.StatusCreated)
	}
}

// TestAMonthOfFaultsThatNeverEnd, of which make test has ten days: 5 % of hours answer 504 for ever, 1 % of pages 502,
// 0.5 % are empty with a link, and storage refuses 3 % of files for two days.
func TestAMonthOfFaultsThatNeverEnd(t *testing.T) {
	hours := usage.Hour(240)
	if os.Getenv("STACKUSAGE_SOAK") != "" {
		hours = 720
	}
	src := smallStack(t, int(hours), func(n int) int { return n % 20 })
	stack, err := azurestack.New(src, azurestack.Options{PageSize: 7})
	if err != nil {
		t.Fatal(err)
	}
	m := &month{stack: stack, blobs: map[string][]byte{}, puts: map[string]int{}, refuses: true}
	server, storage := httptest.NewServer(m), httptest.NewServer(http.HandlerFunc(m.storage))
	t.Cleanup(server.Close)
	t.Cleanup(storage.Close)
	source, err := stackapi.New(stackapi.Config{Endpoint: server.URL, ProviderSubscription: stack.Provider(), Backoff: time.Millisecond, MaxWait: 4 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	client, err := azblob.NewClientWithNoCredential(storage.URL, &azblob.ClientOptions{ClientOptions: policy.ClientOptions{Retry: policy.RetryOptions{MaxRetries: -1}}})
	if err != nil {
		t.Fatal(err)
	}
	now := (smallFirst + hours - 1).End().Add(time.Hour)
	dir := t.TempDir()
	begin := func() *agent.Agent {
		a := newAgent(t, dir, source, blobs.Storage{Client: client})
		a.Now = func() time.Time { return now }
		a.Settings = defaults(smallFirst)
		a.Settings.MaxCatchUp = 50
		return a
	}
	last := smallFirst + hours - 1
	a := begin()
	for range 60 { // the rounds of an agent that goes on
		if report, _ := a.Once(t.Context()); !report.Behind {
			break
		}
		now = now.Add(time.Minute)
	}
	m.mu.Lock()
	m.refuses = false
	m.mu.Unlock()
	a = begin() // somebody runs once, after two days
	if _, err := a.Once(t.Context()); err == nil {
		t.Error("no word of the hours that fail")
	}
	s, err := status.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	named := map[usage.Hour]bool{}
	for _, f := range s.FailingHours {
		named[f.Hour] = true
	}
	found := map[usage.Hour]int{}
	for blob, file := range m.blobs {
		if landing.Aside(blob) {
			continue
		}
		name, err := landing.ParseName(landing.Container(cloudID), blob)
		if err != nil {
			t.Fatal(err)
		}
		found[name.Hour]++
		served := httptest.NewRecorder()
		stack.ServeHTTP(served, httptest.NewRequest(http.MethodGet, "/_devstack/rows?hour="+name.Hour.Start().Format(time.RFC3339), nil))
		if got := read(t, name, file); sorted(got.Rows) != sorted(served.Body.String()) {
			t.Errorf("hour %s has other rows than served", name.Hour)
		}
	}
	never := 0
	for h := smallFirst; h <= last; h++ {
		want := 1
		if m.never(h) {
			want, never = 0, never+1
		}
		if found[h] != want || named[h] != (want == 0) {
			t.Errorf("hour %s is stored %d times, want %d; status names it: %v", h, found[h], want, named[h])
		}
	}
	if len(s.FailingFiles) > 0 || never < int(hours)/25 {
		t.Errorf("%d hours never answer; not stored are %v", never, s.FailingFiles)
	}
	t.Logf("%d of %d hours stored once each, %d named as failing, after %d requests", len(found), hours, never, m.requests)
}
