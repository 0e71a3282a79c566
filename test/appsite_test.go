package test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/internal/devstack/azurite"
	"stackusage/internal/devstack/blobevents"
	"stackusage/internal/devstack/commerce"
	"stackusage/internal/devstack/functionhost"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
)

// appSite is a deployment on this machine: storage, commerce, the function host
// with the app, and what announces blobs.
type appSite struct {
	settings map[string]string // of the function app
	commerce *httptest.Server
	host     *functionhost.Host
	log      *lockedBuffer // of host and handler
}

// hostScale is how many times faster the host's time passes.
const hostScale = 20

// newAppSite makes one whose storage is reached by connection strings. Nothing
// runs in it before startHost and announce.
func newAppSite(t *testing.T) *appSite {
	t.Helper()
	storage, err := azurite.Start(context.Background(), azurite.Options{Dir: t.TempDir(), Accounts: 2, InMemory: true})
	must(t, err)
	t.Cleanup(storage.Kill)
	s := newSettings(t)
	s.settings["AzureWebJobsStorage"], s.settings["UsageStorage"] = storage.ConnectionString(0), storage.ConnectionString(0)
	s.settings["LandingStorage"] = storage.ConnectionString(1)
	return s
}

// newSettings makes a site with commerce and all settings but those of storage.
func newSettings(t *testing.T) *appSite {
	t.Helper()
	server, err := commerce.New(commerce.Options{})
	must(t, err)
	s := &appSite{commerce: httptest.NewServer(server), log: &lockedBuffer{}}
	t.Cleanup(s.commerce.Close)
	s.settings = map[string]string{
		"COMMERCE_ENDPOINT": s.commerce.URL,
		"SWEEP_SCHEDULE":    "0 * * * * *", // of the host's time
		"SWEEP_GRACE":       "20s",
		"FORWARD_RETRY":     "1s",
		"SEND_LIMIT":        "10s",
		"INVOCATION_LIMIT":  "80s", // within functionTimeout, scaled
		"TMPDIR":            t.TempDir(),
	}
	return s
}

func (s *appSite) setting(name string) string { return s.settings[name] }

// startHost runs an app.
func (s *appSite) startHost(t *testing.T, opts functionhost.Options) {
	t.Helper()
	opts.Settings, opts.TimeScale, opts.Log = s.settings, hostScale, slog.New(slog.NewTextHandler(s.log, nil))
	var err error
	s.host, err = functionhost.Start(t.Context(), opts)
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.host.Stop(ctx); err != nil {
			t.Errorf("host did not stop: %v", err)
		}
		if t.Failed() {
			t.Logf("log of the host:\n%s", s.log)
		}
	})
}

// announceByKey is announce for a site with connection strings.
func (s *appSite) announceByKey(t *testing.T) {
	t.Helper()
	blobs, err := azblob.NewClientFromConnectionString(s.settings["LandingStorage"], nil)
	must(t, err)
	queue, err := azqueue.NewQueueClientFromConnectionString(s.settings["UsageStorage"], queue.Landed, nil)
	must(t, err)
	announce(t, blobs, queue)
}

// announce does what Event Grid does.
func announce(t *testing.T, blobs *azblob.Client, queue *azqueue.QueueClient) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	w := &blobevents.Watcher{Blobs: blobs, Queue: queue, Prefix: landing.Container(""), Every: 200 * time.Millisecond}
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	t.Cleanup(func() { cancel(); running.Wait() })
}

// tool runs stackusage with the connections of the app, and no others.
func (s *appSite) tool(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(built, "bin", "stackusage"), args...)
	cmd.Env = append(os.Environ(), env...)
	for name, value := range s.settings {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errs.String()
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
