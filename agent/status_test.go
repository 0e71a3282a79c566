package agent_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

func TestStatus(t *testing.T) {
	p, dir := &played{}, t.TempDir()
	at := func(n int) *usage.Hour { h := smallFirst + usage.Hour(n); return &h }
	check := func(t *testing.T, want status.Status) {
		t.Helper()
		got, err := status.Read(dir) // as another process does: the agent has the lock
		if err != nil {
			t.Fatal(err)
		}
		if _, err := spool.Open(dir); err == nil {
			t.Fatal("the lock is free")
		}
		if got.PID != os.Getpid() || got.Version != "1.2.3" {
			t.Errorf("of pid %d, version %q", got.PID, got.Version)
		}
		if (got.BacklogBytes > 0) != (want.BacklogHours > 0) {
			t.Errorf("%d bytes in %d hours", got.BacklogBytes, got.BacklogHours)
		}
		if len(got.FailingFiles) != want.BacklogHours || (len(got.FailingHours) > 0) != (want.Waiting != "") {
			t.Errorf("failing are %v and %v", got.FailingHours, got.FailingFiles)
		}
		got.Format, got.PID, got.Version, got.BacklogBytes, got.FailingFiles, got.FailingHours = "", 0, "", 0, nil, nil
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("status (-want +got)\n%s", diff)
		}
	}
	t.Run("is not there before an agent was", func(t *testing.T) {
		if _, err := status.Read(dir); !errors.Is(err, status.ErrNone) || !strings.Contains(err.Error(), dir) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("tells the last hours and the next one", func(t *testing.T) {
		mustOnce(t, p.agent(t, dir, clock(1)), agent.Report{Hours: 2, Collected: 2, Uploaded: 2, Rows: 2})
		check(t, status.Status{Updated: clock(1), LastSealed: at(1), LastUploaded: at(1), NextHour: at(2), LastCollected: clock(1), LastUpload: clock(1)})
	})
	failed := &status.Failure{Step: "upload", Text: errBroken.Error(), Time: clock(3)}
	t.Run("tells the backlog and what keeps it", func(t *testing.T) {
		p.storage = func(h usage.Hour) error { return errBroken }
		a := p.agent(t, dir, clock(3))
		if _, err := a.Once(t.Context()); err == nil {
			t.Fatal("uploaded")
		}
		failed.Text += "\n" + errBroken.Error()
		check(t, status.Status{
			Updated: clock(3), LastSealed: at(3), LastUploaded: at(1), NextHour: at(4), LastCollected: clock(3), LastUpload: clock(1),
			BacklogHours: 2, OldestSpooled: at(2), UploadError: failed, LastError: failed,
		})
		m := scrape(t, a)
		for name, want := range map[string]string{
			"hours_collected_total": "2", "rows_collected_total": "2", "pages_collected_total": "2", "hours_uploaded_total": "0", "backlog_hours": "2",
			`failures_total{step="upload"}`: "1", `failures_total{step="collect"}`: "0", "not_ready_total": "0",
			"oldest_spooled_hour_age_seconds":  fmt.Sprint(2 * 3600), // the hour before the last, and the delay
			"next_hour_timestamp_seconds":      fmt.Sprintf("%g", float64(at(4).Start().Unix())),
			"last_collected_timestamp_seconds": fmt.Sprintf("%g", float64(clock(3).Unix())),
		} {
			if got := m["stackusage_agent_"+name]; got != want {
				t.Errorf("%s is %q, want %q", name, got, want)
			}
		}
	})
	t.Run("keeps the last error when it is mended, also after a restart", func(t *testing.T) {
		p.storage = nil
		p.stack = func(usage.Hour) error { return &stackapi.Error{Status: 202, Err: stackapi.ErrNotReady} }
		mustOnce(t, p.agent(t, dir, clock(4)), agent.Report{Hours: 1, Uploaded: 2, NotReady: true})
		check(t, status.Status{
			Updated: clock(4), LastSealed: at(3), LastUploaded: at(3), NextHour: at(4), LastCollected: clock(3), LastUpload: clock(4),
			LastError: failed, Waiting: ": 202: usage is not ready",
		})
	})
	t.Run("of another format is refused", func(t *testing.T) {
		for _, text := range []string{"", "{}", `{"format":"stackusage-agent-status/2"}`, "[", `{"format":"stackusage-agent-status/1","pid":"x"}`} {
			if err := os.WriteFile(filepath.Join(dir, "status.json"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			if s, err := status.Read(dir); err == nil || errors.Is(err, status.ErrNone) {
				t.Errorf("%q: %+v, %v", text, s, err)
			}
		}
	})
	t.Run("that cannot be written does not cost the hour", func(t *testing.T) {
		path := filepath.Join(dir, "status.json")
		if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o750)); err != nil {
			t.Fatal(err)
		}
		p.stack = nil
		mustOnce(t, p.agent(t, dir, clock(4)), agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1})
	})
}

// FuzzStatus: whatever lies there is read or refused.
func FuzzStatus(f *testing.F) {
	f.Add([]byte(`{"format":"stackusage-agent-status/1","pid":1,"nextHour":"2019-12-10T19:00:00Z"}`))
	f.Add([]byte(`{"format":"stackusage-agent-status/1","lastError":{"step":"upload"}}`))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, "status.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := status.Read(dir); err == nil && s.Format != "stackusage-agent-status/1" {
			t.Errorf("%+v", s)
		}
	})
}

func TestWhatEndsSoonIsWarnedOf(t *testing.T) {
	now := time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC)
	s := status.Status{Ends: map[string]time.Time{
		"stack secret": now.Add(31 * 24 * time.Hour), "storage certificate": now.Add(29*24*time.Hour + time.Hour), "stack certificate": now.Add(-time.Hour),
	}}
	want := []string{
		"the stack certificate has ended at 2024-03-02T11:00Z: replace it",
		"the storage certificate ends in 29 days, at 2024-03-31T13:00Z: replace it; no restart is needed",
	}
	if got := s.Ending(now); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q", got)
	}
	if got := (status.Status{}).Ending(now); len(got) > 0 {
		t.Errorf("got %q", got)
	}
}
