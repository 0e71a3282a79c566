package agent_test

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"stackusage/agent"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

func TestBackfill(t *testing.T) {
	fill := func(t *testing.T, a *agent.Agent, from, to int, want agent.Report) {
		t.Helper()
		got, err := a.Backfill(t.Context(), smallFirst+usage.Hour(from), smallFirst+usage.Hour(to))
		if err != nil || got != want {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	t.Run("collects again what was sent, and says what that means", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		mustOnce(t, p.agent(t, dir, clock(2)), agent.Report{Hours: 3, Collected: 3, Uploaded: 3, Rows: 3})
		a := p.agent(t, dir, clock(2).Add(time.Second))
		var log bytes.Buffer
		a.Log = slog.New(slog.NewTextHandler(&log, nil))
		fill(t, a, 1, 3, agent.Report{Hours: 2, Collected: 2, Uploaded: 2, Rows: 2, Again: 2})
		p.mustHave(t, hours(0, 1, 2, 1, 2), hours(0, 1, 2, 1, 2))
		if text := log.String(); strings.Count(text, "duplicate") != 2 || !strings.Contains(text, "conflict") {
			t.Errorf("the operator reads %s", text)
		}
		t.Run("as often as it is asked to", func(t *testing.T) {
			fill(t, p.agent(t, dir, clock(3)), 1, 3, agent.Report{Hours: 2, Collected: 2, Uploaded: 2, Rows: 2, Again: 2})
		})
	})
	t.Run("goes on where it failed, also in another process", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		p.stack = func(h usage.Hour) error {
			if h == smallFirst+1 {
				return errBroken
			}
			return nil
		}
		_, err := p.agent(t, dir, clock(9)).Backfill(t.Context(), smallFirst, smallFirst+3)
		if !errors.Is(err, errBroken) || !strings.HasPrefix(err.Error(), "hour "+(smallFirst+1).String()) {
			t.Fatalf("got %v", err)
		}
		p.mustHave(t, hours(0, 1), hours(0))
		p.stack = nil
		fill(t, p.agent(t, dir, clock(9)), 0, 3, agent.Report{Hours: 3, Collected: 2, Uploaded: 2, Rows: 2})
		p.mustHave(t, hours(1, 2), hours(1, 2))
	})
	t.Run("passes over hours that fail, and takes them when it is called again", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		p.stack = func(h usage.Hour) error {
			if h == smallFirst || h == smallFirst+2 {
				return &stackapi.Error{Status: 503}
			}
			return nil
		}
		report, err := p.agent(t, dir, clock(9)).Backfill(t.Context(), smallFirst, smallFirst+4)
		if err == nil || strings.Count(err.Error(), "503") != 2 || report.Collected != 2 || report.Uploaded != 2 {
			t.Fatalf("%+v, %v", report, err)
		}
		p.mustHave(t, hours(0, 1, 2, 3), hours(1, 3))
		if _, err := p.agent(t, dir, clock(9)).Backfill(t.Context(), smallFirst, smallFirst+4); err == nil {
			t.Error("no error")
		}
		p.mustHave(t, hours(0, 2), nil)
		p.stack = nil
		fill(t, p.agent(t, dir, clock(9)), 0, 4, agent.Report{Hours: 4, Collected: 2, Uploaded: 2, Rows: 2})
		p.mustHave(t, hours(0, 2), hours(0, 2))
		fill(t, p.agent(t, dir, clock(9)), 0, 4, agent.Report{Hours: 4, Collected: 4, Uploaded: 4, Rows: 4, Again: 4})
		p.mustHave(t, hours(0, 1, 2, 3), hours(0, 1, 2, 3))
		t.Run("but does not ask a stack that is away for all of a month", func(t *testing.T) {
			p := &played{stack: func(usage.Hour) error { return &stackapi.Error{Status: 503} }}
			if _, err := p.agent(t, t.TempDir(), clock(700)).Backfill(t.Context(), smallFirst, smallFirst+700); err == nil || len(p.asked) != 3 {
				t.Errorf("asked for %d, %v", len(p.asked), err)
			}
		})
	})
	t.Run("does not collect twice what was sealed when it was killed", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		mustOnce(t, p.agent(t, dir, clock(1)), agent.Report{Hours: 2, Collected: 2, Uploaded: 2, Rows: 2})
		p.storage = func(usage.Hour) error { panic("killed") } // after the seal of hour 0
		func() {
			defer func() { recover() }()
			p.agent(t, dir, clock(9)).Backfill(t.Context(), smallFirst, smallFirst+2)
		}()
		p.storage, p.asked, p.uploaded = nil, nil, nil
		fill(t, p.agent(t, dir, clock(9)), 0, 2, agent.Report{Hours: 2, Collected: 1, Uploaded: 2, Rows: 1, Again: 1})
		p.mustHave(t, hours(1), hours(0, 1))
	})
	t.Run("gives up an unfinished one for another range, and says so", func(t *testing.T) {
		p, dir := &played{stack: func(usage.Hour) error { return errBroken }}, t.TempDir()
		if _, err := p.agent(t, dir, clock(9)).Backfill(t.Context(), smallFirst, smallFirst+3); err == nil {
			t.Fatal("collected")
		}
		p.stack, p.asked = nil, nil
		a := p.agent(t, dir, clock(9))
		var log bytes.Buffer
		a.Log = slog.New(slog.NewTextHandler(&log, nil))
		fill(t, a, 4, 5, agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1})
		if !strings.Contains(log.String(), "abandoned") {
			t.Errorf("the operator reads %s", &log)
		}
	})
	t.Run("goes on collecting when storage is away", func(t *testing.T) {
		p, dir := &played{storage: func(usage.Hour) error { return errBroken }}, t.TempDir()
		report, err := p.agent(t, dir, clock(9)).Backfill(t.Context(), smallFirst, smallFirst+3)
		if !errors.Is(err, errBroken) || report.Collected != 3 {
			t.Errorf("%+v, %v", report, err)
		}
		if s, err := status.Read(dir); err != nil || s.BacklogHours != 3 || s.UploadError == nil {
			t.Errorf("%+v, %v", s, err)
		}
	})
	t.Run("refuses a range that ends before it begins", func(t *testing.T) {
		if _, err := (&played{}).agent(t, t.TempDir(), clock(0)).Backfill(t.Context(), smallFirst, smallFirst); err == nil {
			t.Error("accepted")
		}
	})
}

// scrape is what a Prometheus server would read, by name.
func scrape(t *testing.T, a *agent.Agent) map[string]string {
	t.Helper()
	w := httptest.NewRecorder()
	a.Metrics.Handler().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	found := map[string]string{}
	for line := range strings.Lines(w.Body.String()) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && !strings.HasPrefix(line, "#") {
			found[name] = value
		}
	}
	return found
}
