package agent_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/agent/blobs"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/azurestack/scenarios"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// collectedAt is the agents' clock: it shows that a header's time is the agent's.
var collectedAt = time.Date(2024, 3, 5, 6, 7, 8, 0, time.UTC)

// burst is a reported hour of the scenario with more than one page.
var burst = usage.HourOf(time.Date(2024, 3, 2, 13, 0, 0, 0, time.UTC))

// scenario is generated once: sources do not change.
var scenario = sync.OnceValues(func() (*azurestack.Source, error) { return scenarios.Generate("three-days", 1) })

// stand is a stack, a storage account and a spool folder, which outlive agents.
type stand struct {
	stack    *azurestack.Stack
	requests atomic.Int64 // to the stack
	source   *stackapi.Client
	blobs    *azblob.Client
	dir      string // of the spool
}

func newStand(t *testing.T, src *azurestack.Source, opts azurestack.Options) *stand {
	t.Helper()
	s := &stand{dir: t.TempDir()}
	var err error
	if s.stack, err = azurestack.New(src, opts); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.stack.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	// No retries: what is asked again and when is the client's own subject.
	s.source, err = stackapi.New(stackapi.Config{Endpoint: server.URL, ProviderSubscription: s.stack.Provider(), Retries: -1})
	if err != nil {
		t.Fatal(err)
	}
	s.blobs = connect(t, azuritetest.Account(t), nil)
	if _, err := s.blobs.CreateContainer(t.Context(), landing.Container(cloudID), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

func newScenario(t *testing.T, opts azurestack.Options) *stand {
	t.Helper()
	src, err := scenario()
	if err != nil {
		t.Fatal(err)
	}
	return newStand(t, src, opts)
}

func connect(t testing.TB, connection string, opts *azblob.ClientOptions) *azblob.Client {
	t.Helper()
	client, err := azblob.NewClientFromConnectionString(connection, opts)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// agent is a new agent over the stand's spool, as after a restart.
func (s *stand) agent(t testing.TB) *agent.Agent {
	t.Helper()
	return newAgent(t, s.dir, s.source, blobs.Storage{Client: s.blobs})
}

// opened is the spool of the last agent over each folder.
var opened sync.Map

// newAgent is a new agent over a folder. The one before it there has ended.
func newAgent(t testing.TB, dir string, source agent.Source, upload agent.Storage) *agent.Agent {
	t.Helper()
	if before, ok := opened.LoadAndDelete(dir); ok {
		before.(*spool.Spool).Close()
	}
	sp, err := spool.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	opened.Store(dir, sp)
	t.Cleanup(func() { sp.Close() })
	return &agent.Agent{
		Source: source, Storage: upload, Spool: sp, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return collectedAt }, Settings: defaults(0),
		Stack: agent.Stack{
			CloudID: cloudID, Region: "local", Domain: "azurestack.external", AgentVersion: "1.2.3",
			ProviderSubscriptions: []string{"39c82aed-b2b7-4a66-abdb-611de00bf11e"},
		},
	}
}

// defaults are the settings of a configuration that has none.
func defaults(first usage.Hour) agent.Settings {
	const day = 24 * time.Hour
	return agent.Settings{
		First: first, Delay: time.Hour, MaxCatchUp: 24, Interval: time.Hour, Jitter: 5 * time.Minute,
		KeepSent: 7 * day, MaxAge: 30 * day, CheckAfter: day,
	}
}

// collect makes sure that the hours from the first up to but without the last are
// collected and uploaded, in one round.
func collect(ctx context.Context, a *agent.Agent, from, to usage.Hour) (agent.Report, error) {
	a.Settings = defaults(from)
	a.Settings.Until, a.Settings.Delay, a.Settings.MaxCatchUp = to, 0, 10_000
	return a.Once(ctx)
}

// served is what the stack has to tell of an hour, a row a line.
func (s *stand) served(h usage.Hour) string {
	w := httptest.NewRecorder()
	s.stack.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/_devstack/rows?hour="+h.Start().Format(time.RFC3339), nil))
	return w.Body.String()
}

// landed is an hour blob as the Azure side reads it.
type landed struct {
	Blob    string
	Header  landing.Header
	Rows    string // a row a line
	Trailer landing.Trailer
}

// names lists the registration's blobs by hour; an hour with two blobs ends the
// test.
func (s *stand) names(t *testing.T) map[usage.Hour]landing.Name { return s.namesOf(t, cloudID) }

func (s *stand) namesOf(t *testing.T, cloudID string) map[usage.Hour]landing.Name {
	t.Helper()
	found := map[usage.Hour]landing.Name{}
	container := landing.Container(cloudID)
	pager := s.blobs.NewListBlobsFlatPager(container, nil)
	for pager.More() {
		page, err := pager.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range page.Segment.BlobItems {
			if landing.Aside(*item.Name) {
				continue
			}
			name, err := landing.ParseName(container, *item.Name)
			if err != nil {
				t.Fatal(err)
			}
			if other, twice := found[name.Hour]; twice {
				t.Fatalf("hour %s landed as %s and as %s", name.Hour, other, name)
			}
			found[name.Hour] = name
		}
	}
	return found
}

// landed reads every blob of the registration, by hour.
func (s *stand) landed(t *testing.T) map[usage.Hour]landed { return s.landedOf(t, cloudID) }

func (s *stand) landedOf(t *testing.T, cloudID string) map[usage.Hour]landed {
	t.Helper()
	found := map[usage.Hour]landed{}
	for h, name := range s.namesOf(t, cloudID) {
		found[h] = read(t, name, download(t, s.blobs, name))
	}
	return found
}

func download(t *testing.T, blobs *azblob.Client, name landing.Name) []byte {
	t.Helper()
	return downloadBlob(t, blobs, name.Container(), name.Blob())
}

func downloadBlob(t *testing.T, blobs *azblob.Client, container, blob string) []byte {
	t.Helper()
	resp, err := blobs.DownloadStream(t.Context(), container, blob, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func read(t testing.TB, name landing.Name, file []byte) landed {
	t.Helper()
	r, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	defer r.Close()
	var rows strings.Builder
	for {
		line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		rows.Write(line.Bytes)
		rows.WriteByte('\n')
	}
	return landed{Blob: name.Blob(), Header: r.Header(), Rows: rows.String(), Trailer: r.Trailer()}
}

// mustHaveLanded checks that exactly the hours from the first up to but without
// the last have landed, each with the rows that the stack served.
func (s *stand) mustHaveLanded(t *testing.T, from, to usage.Hour) {
	t.Helper()
	got := s.landed(t)
	if len(got) != int(to-from) {
		t.Errorf("%d hours landed, want %d", len(got), to-from)
	}
	for h := from; h < to; h++ {
		if diff := cmp.Diff(s.served(h), got[h].Rows); diff != "" {
			t.Errorf("hour %s (-served +landed)\n%.2000s", h, diff)
		}
	}
}

// mustBeUntouched checks that the spool holds nothing of an hour.
func mustBeUntouched(t *testing.T, dir string, h usage.Hour) {
	t.Helper()
	for _, sub := range []string{"tmp", "sealed", "sent"} {
		entries, err := os.ReadDir(filepath.Join(dir, sub))
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), h.Compact()) {
				t.Errorf("%s/%s was left behind", sub, e.Name())
			}
		}
	}
}

// source and upload change what they stand before.
type source struct {
	agent.Source
	hour          func(ctx context.Context, start time.Time, row func([]byte) error) (int, error)
	subscriber    func(ctx context.Context, start time.Time, id string, row func([]byte) error) (int, error)
	subscriptions func(ctx context.Context) (map[string]string, error)
}

func (s source) Hour(ctx context.Context, start time.Time, row func([]byte) error) (int, error) {
	if s.hour == nil {
		return s.Source.Hour(ctx, start, row)
	}
	return s.hour(ctx, start, row)
}

func (s source) SubscriberHour(ctx context.Context, start time.Time, id string, row func([]byte) error) (int, error) {
	if s.subscriber == nil {
		return s.Source.SubscriberHour(ctx, start, id, row)
	}
	return s.subscriber(ctx, start, id, row)
}

func (s source) Subscriptions(ctx context.Context) (map[string]string, error) {
	if s.subscriptions == nil {
		return s.Source.Subscriptions(ctx)
	}
	return s.subscriptions(ctx)
}

type upload func(context.Context, landing.Name, io.ReadSeekCloser) error

func (d upload) Put(ctx context.Context, name landing.Name, body io.ReadSeekCloser) error {
	return d(ctx, name, body)
}

var errBroken = errors.New("something broke")

// post opens one of the stack's doors for tests.
func (s *stand) post(t *testing.T, door string, body io.Reader) {
	t.Helper()
	w := httptest.NewRecorder()
	s.stack.ServeHTTP(w, httptest.NewRequest(http.MethodPost, door, body))
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", door, w.Code, w.Body)
	}
}
