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
	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

func TestEveryRowOfTheScenarioLands(t *testing.T) {
	s := newScenario(t, azurestack.Options{PageSize: 300, EmptyLastPage: true})
	from, to := usage.HourOf(s.stack.First()), usage.HourOf(s.stack.End())
	report, err := s.agent(t).Collect(t.Context(), from, to)
	if err != nil {
		t.Fatal(err)
	}
	s.mustHaveLanded(t, from, to)
	var rows int64
	for h := from; h < to; h++ {
		rows += int64(strings.Count(s.served(h), "\n"))
	}
	want := agent.Report{Hours: int(to - from), Collected: int(to - from), Dropped: int(to - from), Rows: rows}
	if diff := cmp.Diff(want, report); diff != "" {
		t.Error(diff)
	}

	t.Run("a second run asks the stack for nothing and drops nothing", func(t *testing.T) {
		before, asked := s.names(t), s.requests.Load()
		a := s.agent(t)
		a.Drop = nil // a drop would panic
		report, err := a.Collect(t.Context(), from, to)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(agent.Report{Hours: int(to - from)}, report); diff != "" {
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
		report, err := s.agent(t).Collect(t.Context(), from, to+2)
		if err != nil {
			t.Fatal(err)
		}
		if want := (agent.Report{Hours: int(to-from) + 2, Collected: 2, Dropped: 2}); report != want {
			t.Errorf("got %+v, want %+v", report, want)
		}
		if got := len(s.names(t)); got != report.Hours {
			t.Errorf("%d blobs for %d hours", got, report.Hours)
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
	if _, err := s.agent(t).Collect(t.Context(), h, h+1); err != nil {
		t.Fatal(err)
	}
	s.mustHaveLanded(t, h, h+1)
	if got := s.landed(t)[h].Trailer; got.Records == 0 || got.Pages != int(got.Records+99)/100 {
		t.Errorf("trailer %+v", got)
	}
}

func TestTheHeaderSaysWhatWasKnown(t *testing.T) {
	s := newScenario(t, azurestack.Options{})
	if _, err := s.agent(t).Collect(t.Context(), burst, burst+1); err != nil {
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
	h := usage.HourOf(s.stack.End().AddDate(0, 0, 1))
	report, err := s.agent(t).Collect(t.Context(), h, h+1)
	if err != nil {
		t.Fatal(err)
	}
	if want := (agent.Report{Hours: 1, Collected: 1, Dropped: 1}); report != want {
		t.Errorf("got %+v, want %+v", report, want)
	}
	got, ok := s.landed(t)[h]
	if want := (landing.Trailer{Pages: 1, RowSetHash: strings.Repeat("0", 64)}); !ok || got.Trailer != want {
		t.Errorf("landed: %v, trailer %+v", ok, got.Trailer)
	}
}

func TestNotReadyStopsTheRun(t *testing.T) {
	now := burst.Start().Add(90 * time.Minute) // the hour after the burst is half over
	s := newScenario(t, azurestack.Options{Now: func() time.Time { return now }})
	check := func(t *testing.T, err error, hour usage.Hour) {
		t.Helper()
		if !errors.Is(err, stackapi.ErrNotReady) || !strings.Contains(err.Error(), "hour "+hour.String()) {
			t.Errorf("got %v", err)
		}
		mustBeUntouched(t, s.dir, hour)
	}
	t.Run("an hour in the future, after the hours before it", func(t *testing.T) {
		report, err := s.agent(t).Collect(t.Context(), burst-1, burst+3)
		check(t, err, burst+1)
		if report.Hours != 4 || report.Dropped != 2 {
			t.Errorf("got %+v", report)
		}
		s.mustHaveLanded(t, burst-1, burst+1)
	})
	t.Run("an hour that is over but still processed", func(t *testing.T) {
		now = now.Add(time.Hour)
		busy := strings.NewReader(`{"status":202,"skip":1}`) // the list of subscriptions comes first
		s.post(t, "/_devstack/faults", busy)
		_, err := s.agent(t).Collect(t.Context(), burst-1, burst+2)
		check(t, err, burst+1)
		s.mustHaveLanded(t, burst-1, burst+1)
	})
	t.Run("a later run goes on there", func(t *testing.T) {
		if _, err := s.agent(t).Collect(t.Context(), burst-1, burst+2); err != nil {
			t.Fatal(err)
		}
		s.mustHaveLanded(t, burst-1, burst+2)
	})
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
	if _, err := a.Collect(ctx, burst, burst+1); !errors.Is(err, context.Canceled) {
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
	if _, err := a.Collect(t.Context(), burst, burst+1); err != nil {
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
