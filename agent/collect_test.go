package agent_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

func TestEveryRowOfTheScenarioLands(t *testing.T) {
	s := newScenario(t, azurestack.Options{PageSize: 300, Endings: []string{azurestack.EndPage}})
	from, to := usage.HourOf(s.stack.First()), usage.HourOf(s.stack.End())
	report, err := collect(t.Context(), s.agent(t), from, to)
	if err != nil {
		t.Fatal(err)
	}
	s.mustHaveLanded(t, from, to)
	var rows int64
	for h := from; h < to; h++ {
		rows += int64(strings.Count(s.served(h), "\n"))
	}
	want := agent.Report{Hours: int(to - from), Collected: int(to - from), Uploaded: int(to - from), Rows: rows}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}

	t.Run("a second run asks the stack for nothing and uploads nothing", func(t *testing.T) {
		before, asked := s.names(t), s.requests.Load()
		a := s.agent(t)
		a.Storage = nil // an upload would panic
		report, err := collect(t.Context(), a, from, to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(agent.Report{}, report); diff != "" {
			t.Error(diff)
		}
		if now := s.requests.Load(); now != asked {
			t.Errorf("the stack was asked %d times", now-asked)
		}
		if diff := cmp.Diff(before, s.names(t)); diff != "" {
			t.Errorf("the storage has changed: %s", diff)
		}
	})
	t.Run("a run over more hours takes only the new ones", func(t *testing.T) {
		report, err := collect(t.Context(), s.agent(t), from, to+2)
		if err != nil {
			t.Fatal(err)
		}
		if want := (agent.Report{Hours: 2, Collected: 2, Uploaded: 2}); report != want {
			t.Errorf("got %+v, want %+v", report, want)
		}
		if got := len(s.names(t)); got != int(to-from)+2 {
			t.Errorf("%d blobs for %d hours", got, to-from+2)
		}
	})
}

func TestEveryRowOfTheRecordingLands(t *testing.T) {
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "recordings")
	}
	src, err := azurestack.Recordings(dir)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal(err)
		}
		t.Skipf("no recordings (set STACKUSAGE_RECORDINGS): %v", err)
	}
	s := newStand(t, src, azurestack.Options{PageSize: 100})
	h := usage.HourOf(s.stack.First())
	if _, err := collect(t.Context(), s.agent(t), h, h+1); err != nil {
		t.Fatal(err)
	}
	s.mustHaveLanded(t, h, h+1)
	if got := s.landed(t)[h].Trailer; got.Records == 0 || got.Pages != int(got.Records+99)/100 {
		t.Errorf("trailer %+v", got)
	}
}

func TestTheHeaderSaysWhatWasKnown(t *testing.T) {
	s := newScenario(t, azurestack.Options{})
	if _, err := collect(t.Context(), s.agent(t), burst, burst+1); err != nil {
		t.Fatal(err)
	}
	tenants := map[string]string{}
	for _, sub := range s.stack.Subscriptions() {
		tenants[sub.SubscriptionID] = sub.TenantID
	}
	got := s.landed(t)[burst]
	want := landing.Header{
		Format: landing.Format, CloudID: cloudID, Region: "local", Domain: "azurestack.external",
		ReportedStart: burst.Start(), ReportedEnd: burst.End(), CollectedAt: collectedAt, TenantsAt: collectedAt, AgentVersion: "1.2.3",
		ProviderSubscriptions: []string{"39c82aed-b2b7-4a66-abdb-611de00bf11e"}, Tenants: tenants,
	}
	if diff := cmp.Diff(want, got.Header); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if got.Trailer.Pages != 2 || got.Trailer.Records != int64(strings.Count(got.Rows, "\n")) {
		t.Errorf("trailer %+v", got.Trailer)
	}
}

func TestAnHourWithoutUsageIsABlobWithoutRecords(t *testing.T) {
	s := newScenario(t, azurestack.Options{})
	h := usage.HourOf(s.stack.End()) + 3
	report, err := collect(t.Context(), s.agent(t), h, h+1)
	if err != nil {
		t.Fatal(err)
	}
	if want := (agent.Report{Hours: 1, Collected: 1, Uploaded: 1}); report != want {
		t.Errorf("got %+v, want %+v", report, want)
	}
	got, ok := s.landed(t)[h]
	if want := (landing.Trailer{Pages: 1, RowSetHash: strings.Repeat("0", 64)}); !ok || got.Trailer != want {
		t.Errorf("landed: %v, trailer %+v", ok, got.Trailer)
	}
}

func TestACancelledRunLeavesNothingHalfMade(t *testing.T) {
	s := newScenario(t, azurestack.Options{PageSize: 10})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	a := s.agent(t)
	a.Source = source{Source: s.source, hour: func(ctx context.Context, start time.Time, row func([]byte) error) (int, error) {
		return s.source.Hour(ctx, start, func(raw []byte) error {
			cancel()
			return row(raw)
		})
	}}
	if _, err := collect(ctx, a, burst, burst+1); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	mustBeUntouched(t, s.dir, burst)
	s.mustHaveLanded(t, burst, burst)
}

func TestTheLogNamesBlobsAndNoRows(t *testing.T) {
	s := newScenario(t, azurestack.Options{})
	var log bytes.Buffer
	a := s.agent(t)
	a.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if _, err := collect(t.Context(), a, burst, burst+1); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(log.String(), s.landed(t)[burst].Blob) {
		t.Errorf("the blob is not named in %s", &log)
	}
	// Tags may hold personal data.
	if strings.Contains(log.String(), "costCenter") || log.Len() > 1000 {
		t.Errorf("the log tells too much: %.2000s", &log)
	}
}
