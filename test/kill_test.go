package test

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/shared/usage"
)

// TestTheAgentProgramIsKilled kills the service itself, which also prunes, at
// random moments: what agent's own test kills is the package in a process of the
// test. make soak kills it more often.
func TestTheAgentProgramIsKilled(t *testing.T) {
	t.Parallel()
	trials, hours := 25, 400
	if os.Getenv("STACKUSAGE_SOAK") != "" {
		trials, hours = 80, 1200
	}
	s := newAgentSite(t, hours, "  maxCatchUp: 10000\n  jitter: 0s", "  keepSent: 0s")
	s.file(t, "config.yaml", strings.Replace(s.description, "format: text", "level: error", 1))
	rng := rand.New(rand.NewPCG(1, 3))
	atWork, found := 0, map[string]int{}
	last, most := time.Time{}, 150
	for range trials {
		cmd := s.command("run")
		cmd.Stderr = os.Stderr
		must(t, cmd.Start())
		time.Sleep(time.Duration(rng.IntN(most)) * time.Millisecond) // the moment is what is random
		must(t, cmd.Process.Kill())
		cmd.Wait()
		progress := s.look(t, found)
		if progress.After(last) {
			atWork++
			most = max(100, most*3/4)
		} else {
			most = min(3000, most*3/2) // a slow machine
		}
		last = progress
	}
	if last.After(s.end.Add(-2 * time.Hour)) {
		t.Error("the agents were done before they were killed: there must be more hours")
	}
	if code, _, stderr := s.agent(t, "once"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, stderr)
	}
	landed := s.landed(t)
	for at, n := range landed {
		if n != 1 || at.Before(s.first) || !at.Before(s.end) {
			t.Errorf("hour %s landed %d times", at, n)
		}
	}
	if len(landed) != hours {
		t.Errorf("%d hours landed, want %d", len(landed), hours)
	}
	for _, what := range []string{"tmp", "sealed", "sent", "done.json"} {
		if found[what] == 0 {
			t.Errorf("no kill left anything in %s", what)
		}
	}
	if atWork < trials/4 {
		t.Errorf("only %d of %d kills met an agent that had collected something", atWork, trials)
	}
	t.Logf("%d kills, %d of them after something was collected; left behind: %v; %d hours landed, each once and whole", trials, atWork, found, len(landed))
}

// look counts what a kill has left in the spool, and returns the last hour there.
func (s *agentSite) look(t *testing.T, found map[string]int) (last time.Time) {
	t.Helper()
	for _, sub := range []string{"tmp", "sealed", "sent", "damaged"} {
		files, err := os.ReadDir(filepath.Join(s.spool, sub))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		if len(files) > 0 {
			found[sub]++
		}
		if sub == "damaged" && len(files) > 0 {
			t.Fatal("a file is torn")
		}
		for _, f := range files {
			if at, err := usage.ParseCompactHour(f.Name()[:min(10, len(f.Name()))]); err == nil && sub != "tmp" {
				last = at.Start()
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(s.spool, "done.json"))
	if os.IsNotExist(err) {
		return last
	}
	must(t, err)
	found["done.json"]++
	var done struct{ Done [][2]time.Time }
	if err := json.Unmarshal(text, &done); err != nil {
		t.Fatalf("done.json is torn: %v", err)
	}
	for _, run := range done.Done {
		if run[1].After(last) {
			last = run[1]
		}
	}
	return last
}
