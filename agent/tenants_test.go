package agent_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

func TestTenants(t *testing.T) {
	const hour = usage.Hour(438000)
	var known map[string]string // what the stack answers; nil for a failure
	src := source{
		subscriptions: func(context.Context) (map[string]string, error) {
			if known == nil {
				return nil, errBroken
			}
			return known, nil
		},
		hour: func(_ context.Context, _ time.Time, row func([]byte) error) (int, error) {
			return 1, row([]byte(`{}`))
		},
	}
	header := func(t *testing.T, a *agent.Agent, h usage.Hour) landing.Header {
		t.Helper()
		var header landing.Header
		a.Storage = upload(func(_ context.Context, name landing.Name, body io.ReadSeekCloser) error {
			file, err := io.ReadAll(body)
			if err != nil {
				return err
			}
			got := read(t, name, file)
			if got.Rows != "{}\n" {
				t.Errorf("hour %s holds %q", name.Hour, got.Rows)
			}
			header = got.Header
			return nil
		})
		if _, err := collect(t.Context(), a, h, h+1); err != nil {
			t.Fatal(err)
		}
		return header
	}
	check := func(t *testing.T, got landing.Header, stale bool, want map[string]string) {
		t.Helper()
		if diff := cmp.Diff(want, got.Tenants); diff != "" || got.TenantsStale != stale {
			t.Errorf("stale: %v, tenants (-want +got)\n%s", got.TenantsStale, diff)
		}
	}

	t.Run("that were never known are an empty map that is stale", func(t *testing.T) {
		known = nil
		a := newAgent(t, t.TempDir(), src, nil)
		var log bytes.Buffer
		a.Log = slog.New(slog.NewTextHandler(&log, nil))
		check(t, header(t, a, hour), true, map[string]string{})
		if !strings.Contains(log.String(), "level=WARN") || !strings.Contains(log.String(), errBroken.Error()) {
			t.Errorf("the operator reads %s", &log)
		}
	})
	t.Run("of the last good answer stand in when the stack fails, and are stale", func(t *testing.T) {
		dir := t.TempDir()
		a := newAgent(t, dir, src, nil)
		known = map[string]string{"a": "1", "b": "2"}
		check(t, header(t, a, hour), false, known)
		known = nil
		check(t, header(t, a, hour+1), true, map[string]string{"a": "1", "b": "2"})
		t.Run("also after a restart", func(t *testing.T) {
			check(t, header(t, newAgent(t, dir, src, nil), hour+2), true, map[string]string{"a": "1", "b": "2"})
		})
		known = map[string]string{"b": "3"}
		check(t, header(t, newAgent(t, dir, src, nil), hour+3), false, map[string]string{"a": "1", "b": "3"})
	})
	t.Run("of a subscription that has left the list stay", func(t *testing.T) {
		a := newAgent(t, t.TempDir(), src, nil)
		known = map[string]string{"a": "1", "b": "2"}
		header(t, a, hour)
		known = map[string]string{"b": "3", "c": "4"}
		check(t, header(t, a, hour+1), false, map[string]string{"a": "1", "b": "3", "c": "4"})
	})
	t.Run("have the time when they were read, and keep it while they are stale", func(t *testing.T) {
		dir := t.TempDir()
		now := time.Date(2020, 12, 11, 21, 0, 0, 0, time.UTC)
		at := func(dir string) *agent.Agent {
			a := newAgent(t, dir, src, nil)
			a.Now = func() time.Time { return now }
			return a
		}
		when := func(want time.Time, a *agent.Agent, h usage.Hour) {
			t.Helper()
			if got := header(t, a, h).TenantsAt; !got.Equal(want) {
				t.Errorf("tenantsAt is %s, want %s", got, want)
			}
		}
		known = map[string]string{"a": "1"}
		a := at(dir)
		when(now, a, hour)
		now = now.Add(time.Hour) // the same map again, read later
		read := now
		when(read, a, hour+1)
		known, now = nil, now.Add(time.Hour)
		when(read, a, hour+2)
		when(read, at(dir), hour+3) // after a restart
	})
	t.Run("do not cost the hour when they cannot be kept or recalled", func(t *testing.T) {
		for name, spoil := range map[string]func(path string) error{
			"a folder in the place of the note": func(path string) error { return os.MkdirAll(path, 0o750) },
			"a note that is no map":             func(path string) error { return os.WriteFile(path, []byte(`["a"`), 0o600) },
			"a note that says null":             func(path string) error { return os.WriteFile(path, []byte(`null`), 0o600) },
		} {
			t.Run(name, func(t *testing.T) {
				dir := t.TempDir()
				if err := spoil(filepath.Join(dir, "subscriptions.json")); err != nil {
					t.Fatal(err)
				}
				known = nil
				check(t, header(t, newAgent(t, dir, src, nil), hour), true, map[string]string{})
				known = map[string]string{"a": "1"}
				check(t, header(t, newAgent(t, dir, src, nil), hour+1), false, known)
			})
		}
	})
}
