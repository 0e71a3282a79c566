package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"
)

func TestStatusWithoutAnAgent(t *testing.T) {
	path, dir := configured(t, "")
	got := call(t, nil, "status", "--json", "--config", path)
	var view map[string]any
	mustEqual(t, nil, json.Unmarshal([]byte(got.stdout), &view))
	mustEqual(t, map[string]any{
		"cloudId": cloudID, "spool": dir, "open": []any{"no agent has run: start the service, or stackusage-agent once"},
		"nextHourDue": view["nextHourDue"], "secondsBehind": view["secondsBehind"],
	}, view)
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
