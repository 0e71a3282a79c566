package agent_test

import (
	"os"
	"path/filepath"
	"testing"

	"stackusage/agent/status"
)

// TestNotesOfAnyKindCostNoHour: whatever lies in the place of a note, the hour is
// collected and uploaded.
func TestNotesOfAnyKindCostNoHour(t *testing.T) {
	for _, note := range []string{"memory.json", "subscriptions.json"} {
		for _, text := range []string{``, `null`, `[]`, `{}`, `7`, `{"hours":{"x":{}}}`, `{"hours":{"2019-12-20T00:00:00Z":null},"files":{"a":null},"checks":{"2019-12-19T00:00:00Z":null}}`,
			`{"hours":{"2019-12-20T00:00:00Z":{"tries":-1,"next":"9999-01-01T00:00:00Z","since":"9999-01-01T00:00:00Z"}}}`, `{"parts":{"probed":"9999-01-01T00:00:00Z"}}`,
			`{"seen":{"x":"2019-12-20T00:00:00Z","":"0001-01-01T00:00:00Z"},"tenants":null}`, `{"readAt":7}`, `["x",7]`} {
			p, dir := &played{}, t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, note), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			report, err := p.agent(t, dir, clock(0)).Once(t.Context())
			if err != nil || report.Collected != 1 || report.Uploaded != 1 {
				t.Errorf("%s is %s: %+v, %v", note, text, report, err)
			}
			if s, err := status.Read(dir); err != nil || len(s.FailingHours) > 0 {
				t.Errorf("%s is %s: %+v, %v", note, text, s.FailingHours, err)
			}
		}
	}
}
