package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"stackusage/agent"
)

func TestOpenPoints(t *testing.T) {
	now := time.Date(2024, 3, 2, 12, 0, 0, 0, time.UTC)
	failure := &agent.Failure{Step: "drop", Text: "a\nb", Time: now}
	for name, tt := range map[string]struct {
		status agent.Status
		full   error
		want   []string
	}{
		"nothing":                         {agent.Status{LastError: failure}, nil, nil},
		"collecting fails":                {agent.Status{CollectError: failure}, nil, []string{"collecting fails, last at 2024-03-02 12:00:00 UTC: a; b"}},
		"both fail":                       {agent.Status{CollectError: failure, DropError: failure}, nil, []string{"collecting fails, last at 2024-03-02 12:00:00 UTC: a; b", "dropping fails, last at 2024-03-02 12:00:00 UTC: a; b"}},
		"a limit":                         {agent.Status{}, errors.New("full"), []string{"full"}},
		"a service that is late":          {agent.Status{NextRound: now.Add(-time.Hour)}, nil, nil},
		"a service that is overdue":       {agent.Status{NextRound: now.Add(-3 * time.Hour)}, nil, []string{"the service is overdue since 2024-03-02 09:00:00 UTC: see whether it runs, and its log"}},
		"a service that is at long work":  {agent.Status{NextRound: now.Add(-3 * time.Hour), Updated: now.Add(-time.Hour)}, nil, nil},
		"a service that was told to stop": {agent.Status{Updated: now.Add(-30 * time.Hour)}, nil, nil},
	} {
		t.Run(name, func(t *testing.T) { mustEqual(t, tt.want, openPoints(tt.status, tt.full, now)) })
	}
}

func TestStatusWithoutAnAgent(t *testing.T) {
	path, dir := configured(t, "")
	got := call(t, nil, "status", "--json", "--config", path)
	var view map[string]any
	mustEqual(t, nil, json.Unmarshal([]byte(got.stdout), &view))
	mustEqual(t, map[string]any{"cloudId": cloudID, "spool": dir, "open": []any{"no agent has run: start the service, or stackusage-agent once"}}, view)
	mustEqual(t, 2, exitCode(got.err))
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("status has made the spool: %v", err)
	}
}

// FuzzStatus shows whatever stands in the note: it must not panic, nor reach the
// terminal as anything but lines of text.
func FuzzStatus(f *testing.F) {
	for _, seed := range []string{
		``, `{}`, `null`, `{"format":"stackusage-agent-status/1"}`, `{"format":"stackusage-agent-status/2"}`,
		`{"format":"stackusage-agent-status/1","pid":-1,"version":"\u001b[31m\n","updated":"2024-03-02T12:00:00+05:00","lastSealedHour":"2024-03-02T12:00:00Z","nextRound":"0001-01-01T00:00:00Z"}`,
		`{"format":"stackusage-agent-status/1","collectError":{"step":"collect","text":"\u009b2J\u001b]0;x\u0007\r\u202e","time":"2024-03-02T12:00:00Z"},"lastError":{"text":"\t\u0000"},"waiting":"\u0008","damagedFiles":9}`,
		`{"format":"stackusage-agent-status/1","lastSealedHour":"2024-03-02T12:30:00Z"}`, `{"format":"stackusage-agent-status/1","backlogHours":1e99}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, note []byte) {
		path, dir := configured(t, "")
		for _, sub := range []string{"sealed"} {
			mustEqual(t, nil, os.MkdirAll(filepath.Join(dir, sub), 0o750))
		}
		mustEqual(t, nil, os.WriteFile(filepath.Join(dir, "status.json"), note, 0o600))
		for _, args := range [][]string{{"status"}, {"status", "--json"}} {
			got := call(t, nil, append(args, "--config", path)...)
			text := got.stdout
			if got.err != nil {
				text += got.err.Error()
			}
			if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && unicode.IsControl(r) }); i >= 0 && len(args) == 1 {
				t.Errorf("a control character is shown: %q", text[i:])
			}
			if got.err == nil && !bytes.Contains(note, []byte("stackusage-agent-status/1")) && !bytes.Contains(note, []byte(`\u`)) {
				t.Errorf("accepted: %s", note)
			}
		}
	})
}
