package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/internal/devstack/chaos"
)

// TestChaos is the short form of make chaos: one seed, fewer faults, the same
// demands on what is left when they end.
func TestChaos(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), []string{"chaos", "--quick", "--compare=false", "--seed", "1", "--storm", "8m",
		"--app", staged.app, "--agent", staged.agent, "--out", out}, os.Getenv, &stdout, &stderr)
	t.Logf("%s\n%s", &stderr, &stdout)
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(out, "seed-1", "host.log"))
		t.Logf("log:\n%s", log[max(0, len(log)-20_000):])
		t.Fatalf("seed 1: %v", err)
	}
	var got chaos.Tally
	if err := json.Unmarshal(readFile(t, filepath.Join(out, "seed-1", "faults.json")), &got); err != nil {
		t.Fatal(err)
	}
	if !got.Passed || got.Seed != 1 || got.Faults[chaos.HostStopped] == 0 || len(got.Writes) == 0 {
		t.Errorf("faults.json: %+v", got)
	}
}

// TestChaosNeedsMovedClock: with the handler that is deployed the clock would
// stand still, and the run would claim what it did not do.
func TestChaosNeedsMovedClock(t *testing.T) {
	app := t.TempDir() // the agent is as good as any program that was built without the tag
	if err := copyFile(staged.agent, filepath.Join(app, "bin", "handler")); err != nil {
		t.Fatal(err)
	}
	err := run(t.Context(), []string{"chaos", "--app", app, "--agent", staged.agent, "--out", t.TempDir()}, os.Getenv, new(bytes.Buffer), new(bytes.Buffer))
	if err == nil || !strings.Contains(err.Error(), "make stage-chaos") {
		t.Errorf("error %v; want one that says make stage-chaos", err)
	}
}
