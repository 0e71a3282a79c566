package agent_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// played is a stack and a storage of functions, which note what they were asked.
type played struct {
	mu       sync.Mutex
	asked    []usage.Hour // by Hour
	uploaded []usage.Hour
	stack    func(h usage.Hour) error // nil answers a row
	storage  func(h usage.Hour) error
}

func (p *played) source() source {
	return source{
		subscriptions: func(context.Context) (map[string]string, error) { return nil, nil },
		hour: func(_ context.Context, start time.Time, row func([]byte) error) (int, error) {
			p.mu.Lock()
			defer p.mu.Unlock()
			h := usage.HourOf(start)
			p.asked = append(p.asked, h)
			if p.stack != nil {
				if err := p.stack(h); err != nil {
					return 0, err
				}
			}
			return 1, row(fmt.Appendf(nil, `{"usageStartTime":"%s"}`, (h - 1).Start().Format(time.RFC3339)))
		},
	}
}

func (p *played) upload() upload {
	return func(_ context.Context, name landing.Name, body io.ReadSeekCloser) error {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.storage != nil {
			if err := p.storage(name.Hour); err != nil {
				return err
			}
		}
		p.uploaded = append(p.uploaded, name.Hour)
		return nil
	}
}

// agent is one over dir whose clock shows the given time.
func (p *played) agent(t testing.TB, dir string, now time.Time) *agent.Agent {
	a := newAgent(t, dir, p.source(), p.upload())
	a.Now = at(now)
	a.Settings = defaults(smallFirst)
	return a
}

func (p *played) mustHave(t *testing.T, asked, uploaded []usage.Hour) {
	t.Helper()
	if !slices.Equal(p.asked, asked) || !slices.Equal(p.uploaded, uploaded) {
		t.Errorf("asked for %v and uploaded %v, want %v and %v", p.asked, p.uploaded, asked, uploaded)
	}
	p.asked, p.uploaded = nil, nil
}

func hours(numbers ...int) []usage.Hour {
	var all []usage.Hour
	for _, n := range numbers {
		all = append(all, smallFirst+usage.Hour(n))
	}
	return all
}

// clock is the time at which the n-th hour becomes due, with the default delay.
func clock(n int) time.Time {
	return (smallFirst + usage.Hour(n)).End().Add(time.Hour)
}

func mustOnce(t *testing.T, a *agent.Agent, want agent.Report) {
	t.Helper()
	got, err := a.Once(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("report (-want +got)\n%s", diff)
	}
}

func TestOnce(t *testing.T) {
	t.Run("collects what is due and nothing before its delay is over", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		mustOnce(t, p.agent(t, dir, clock(0).Add(-time.Second)), agent.Report{})
		p.mustHave(t, nil, nil)
		mustOnce(t, p.agent(t, dir, clock(2)), agent.Report{Hours: 3, Collected: 3, Uploaded: 3, Rows: 3})
		p.mustHave(t, hours(0, 1, 2), hours(0, 1, 2))
		mustOnce(t, p.agent(t, dir, clock(2)), agent.Report{})
		p.mustHave(t, nil, nil)
	})
	t.Run("catches up oldest first, so many hours at once", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		a := p.agent(t, dir, clock(4))
		a.Settings.MaxCatchUp = 2
		mustOnce(t, a, agent.Report{Hours: 2, Collected: 2, Uploaded: 2, Rows: 2, Behind: true})
		mustOnce(t, a, agent.Report{Hours: 2, Collected: 2, Uploaded: 2, Rows: 2, Behind: true})
		mustOnce(t, a, agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1})
		p.mustHave(t, hours(0, 1, 2, 3, 4), hours(0, 1, 2, 3, 4))
	})
	t.Run("needs a first hour", func(t *testing.T) {
		a := (&played{}).agent(t, t.TempDir(), clock(4))
		a.Settings.First = 0
		if _, err := a.Once(t.Context()); err == nil || a.Run(t.Context()) == nil {
			t.Error("began without one")
		}
	})
	t.Run("derives the next hour from what is sealed, not from the clock", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		if _, err := p.agent(t, dir, clock(9)).Backfill(t.Context(), smallFirst+1, smallFirst+3); err != nil {
			t.Fatal(err)
		}
		p.mustHave(t, hours(1, 2), hours(1, 2))
		a := p.agent(t, dir, clock(3))
		a.Settings.KeepSent = 0 // and from what is pruned
		mustOnce(t, a, agent.Report{Hours: 2, Collected: 2, Uploaded: 2, Rows: 2})
		p.mustHave(t, hours(0, 3), hours(0, 3))
		mustOnce(t, p.agent(t, dir, clock(4)), agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1})
		p.mustHave(t, hours(4), hours(4))
	})
	t.Run("takes not yet for no failure, and never for an empty hour", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		p.stack = func(h usage.Hour) error {
			if h == smallFirst+1 {
				return &stackapi.Error{Status: 202, Err: stackapi.ErrNotReady}
			}
			return nil
		}
		mustOnce(t, p.agent(t, dir, clock(3)), agent.Report{Hours: 4, Collected: 3, Uploaded: 3, Rows: 3, NotReady: true})
		p.mustHave(t, hours(0, 1, 2, 3), hours(0, 2, 3))
		s, err := status.Read(dir)
		if err != nil || s.CollectError != nil || s.LastError != nil || len(s.FailingHours) != 1 || !s.FailingHours[0].Waiting {
			t.Errorf("%+v, %v", s, err)
		}
		t.Run("unless it says so for two days", func(t *testing.T) {
			a := p.agent(t, dir, clock(50))
			a.Settings.MaxCatchUp = 100
			if _, err := a.Once(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "hour "+(smallFirst+1).String()+": ") {
				t.Errorf("got %v", err)
			}
			if s, err := status.Read(dir); err != nil || len(s.FailingHours) != 1 || s.FailingHours[0].Waiting || s.FailingHours[0].Tries != 1 {
				t.Errorf("%+v, %v", s, err)
			}
		})
		p.stack = nil
		mustOnce(t, p.agent(t, dir, clock(50)), agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1})
	})
	t.Run("does not let hours that fail hold up the others, whatever the stack answers", func(t *testing.T) {
		for name, answer := range map[string]error{
			"no page": &stackapi.Error{Status: 200, Code: "InvalidAnswer"}, "not yet": &stackapi.Error{Status: 202, Err: stackapi.ErrNotReady},
			"not found": &stackapi.Error{Status: 404, Code: "NotFound"}, "out of order": &stackapi.Error{Status: 500}, "busy": &stackapi.Error{Status: 503},
			"too slow": &stackapi.Error{Status: 504}, "cut": &stackapi.Error{Err: io.ErrUnexpectedEOF}, "slow": &stackapi.Error{Err: context.DeadlineExceeded},
			"forbidden": &stackapi.Error{Status: 403}, "refused": &stackapi.Error{Status: 401},
		} {
			p, dir := &played{}, t.TempDir()
			p.stack = func(h usage.Hour) error {
				if h < smallFirst+5 {
					return answer
				}
				return nil
			}
			a := p.agent(t, dir, clock(80))
			a.Settings.NoSplit = true
			for rounds := 0; ; rounds++ {
				if report, _ := a.Once(t.Context()); !report.Behind || rounds > 9 {
					break
				}
			}
			if len(p.uploaded) != 76 {
				t.Errorf("%s: %d hours uploaded", name, len(p.uploaded))
			}
			p.asked, p.uploaded, p.stack = nil, nil, nil
			mustOnce(t, p.agent(t, dir, clock(80)), agent.Report{Hours: 5, Collected: 5, Uploaded: 5, Rows: 5})
			p.mustHave(t, hours(0, 1, 2, 3, 4), hours(0, 1, 2, 3, 4))
		}
	})
	t.Run("does not let an hour that the stack refuses hold up the hours after it", func(t *testing.T) {
		p := &played{stack: func(h usage.Hour) error {
			if h == smallFirst || h == smallFirst+1 || h == smallFirst+3 {
				return &stackapi.Error{Status: 500, Code: "InternalServerError"}
			}
			return nil
		}}
		if _, err := p.agent(t, t.TempDir(), clock(4)).Once(t.Context()); err == nil || !strings.Contains(err.Error(), "InternalServerError") {
			t.Errorf("got %v", err)
		}
		p.mustHave(t, hours(0, 1, 2, 3, 4), hours(2, 4))
	})
	t.Run("asks a stack that refuses all hours for a few", func(t *testing.T) {
		for status, asked := range map[int]int{400: 3, 500: 3, 401: 2, 403: 2, 404: 3, 0: 3} {
			p := &played{stack: func(usage.Hour) error { return &stackapi.Error{Status: status, Err: errBroken} }}
			if _, err := p.agent(t, t.TempDir(), clock(9)).Once(t.Context()); err == nil || len(p.asked) != asked {
				t.Errorf("%d: asked for %v, %v", status, p.asked, err)
			}
		}
	})
	t.Run("ends with the first hour when the stack is away", func(t *testing.T) {
		p := &played{stack: func(usage.Hour) error { return errBroken }}
		if _, err := p.agent(t, t.TempDir(), clock(3)).Once(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		p.mustHave(t, hours(0), nil)
	})
	t.Run("does not let one file that cannot be uploaded hold up the others", func(t *testing.T) {
		p, dir := &played{}, t.TempDir()
		p.storage = func(h usage.Hour) error {
			if h == smallFirst {
				return errBroken
			}
			return nil
		}
		if _, err := p.agent(t, dir, clock(2)).Once(t.Context()); !errors.Is(err, errBroken) {
			t.Errorf("got %v", err)
		}
		p.mustHave(t, hours(0, 1, 2), hours(1, 2))
		s, err := status.Read(dir)
		if err != nil || s.UploadError == nil || s.CollectError != nil || len(s.FailingFiles) != 1 || s.BacklogHours != 1 || *s.OldestSpooled != smallFirst {
			t.Errorf("%+v, %v", s, err)
		}
	})
	t.Run("does not ask a storage that is away for each file", func(t *testing.T) {
		p, tries := &played{}, 0
		p.storage = func(usage.Hour) error { tries++; return errBroken }
		report, err := p.agent(t, t.TempDir(), clock(9)).Once(t.Context())
		if err == nil || report.Collected != 10 || tries != 1+3 {
			t.Errorf("%+v, %d tries, %v", report, tries, err)
		}
	})
	t.Run("collects a torn hour again", func(t *testing.T) {
		p, dir := &played{storage: func(usage.Hour) error { return errBroken }}, t.TempDir()
		a := p.agent(t, dir, clock(0))
		if _, err := a.Once(t.Context()); err == nil {
			t.Fatal("uploaded")
		}
		p.storage, p.asked = nil, nil
		a = p.agent(t, dir, clock(0))
		entries, err := a.Spool.Sealed()
		if err != nil || len(entries) != 1 {
			t.Fatal(entries, err)
		}
		if err := os.Truncate(filepath.Join(dir, "sealed", entries[0].Name()), 100); err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		a.Log = slog.New(slog.NewTextHandler(&log, nil))
		mustOnce(t, a, agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1, Damaged: 1})
		p.mustHave(t, hours(0), hours(0))
		if !strings.Contains(log.String(), "level=ERROR") || !strings.Contains(log.String(), filepath.Join(dir, "damaged")) {
			t.Errorf("the operator reads %s", &log)
		}
		if s, err := status.Read(dir); err != nil || s.Damaged != 1 {
			t.Errorf("%+v, %v", s, err)
		}
	})
	t.Run("stops collecting at the spool's limit, while uploading goes on", func(t *testing.T) {
		p, dir := &played{storage: func(usage.Hour) error { return errBroken }}, t.TempDir()
		a := p.agent(t, dir, clock(9))
		a.Spool.Limits.MaxBytes = 1200
		report, err := a.Once(t.Context())
		if !errors.Is(err, spool.ErrFull) || report.Collected < 2 || report.Collected > 8 {
			t.Fatalf("%+v, %v", report, err)
		}
		before := report.Collected
		p.storage = nil
		if report, err = p.agent(t, dir, clock(9)).Once(t.Context()); err != nil || report.Uploaded != 10 || report.Collected != 10-before {
			t.Errorf("%+v, %v", report, err)
		}
	})
}
