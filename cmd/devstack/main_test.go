package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"stackusage/cmd/devstack/results"
)

// staged is the function app, the agent and the operator's tool, built once for all tests. The handler has
// a clock that can be moved, which only TestChaos does.
var staged struct{ app, agent, tool string }

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "5") // most of a site's time is waiting
	dir, err := os.MkdirTemp("", "devstack-test-")
	if err == nil {
		err = stage(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// stage does what make stage does, so that go test alone tests what stands in
// the tree and not what was built last.
func stage(dir string) error {
	staged.app, staged.agent, staged.tool = filepath.Join(dir, "app"), filepath.Join(dir, "agent"), filepath.Join(dir, "stackusage")
	root := filepath.Join("..", "..")
	files, err := filepath.Glob(filepath.Join(root, "functions", "*", "function.json"))
	if err != nil {
		return err
	}
	if err := copyFile(filepath.Join(root, "host.json"), filepath.Join(staged.app, "host.json")); err != nil {
		return err
	}
	for _, f := range files {
		if err := copyFile(f, filepath.Join(staged.app, filepath.Base(filepath.Dir(f)), "function.json")); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"-tags", "movedclock", "-o", filepath.Join(staged.app, "bin", "handler"), "./cmd/handler"}, {"-o", staged.agent, "./cmd/stackusage-agent"}, {"-o", staged.tool, "./cmd/stackusage"}} {
		cmd := exec.Command("go", append([]string{"build"}, args...)...)
		cmd.Dir = root
		if text, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("build %v: %w\n%s", args, err, text)
		}
	}
	return nil
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o644)
}

// recordings is the folder of recorded hours. Outside CI a missing folder
// skips the test by name.
func recordings(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "recordings")
	}
	if _, err := os.Stat(filepath.Join(dir, "2019-12-10T19.json")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("no recordings: %v", err)
		}
		t.Skipf("no recordings: %v; set STACKUSAGE_RECORDINGS", err)
	}
	return dir
}

// testSite starts a site that stops with the test.
func testSite(t *testing.T, o options) *site {
	t.Helper()
	o.app, o.agent, o.tool, o.out, o.seed = staged.app, staged.agent, staged.tool, t.TempDir(), 1
	o.registration = cmp.Or(o.registration, asIntegrated)
	logFile, err := os.Create(filepath.Join(o.out, "host.log"))
	if err != nil {
		t.Fatal(err)
	}
	var progress bytes.Buffer
	s, err := startSite(t.Context(), o, slog.New(slog.NewTextHandler(logFile, nil)), &progress)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.stop()
		logFile.Close()
		if t.Failed() {
			t.Logf("progress:\n%s", &progress)
			text, _ := os.ReadFile(logFile.Name())
			t.Logf("log:\n%s", text[max(0, len(text)-20_000):])
		}
	})
	return s
}

// billed waits until all is billed and writes the results.
func billed(t *testing.T, s *site) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	if err := s.waitUntilBilled(ctx); err != nil {
		t.Fatal(err)
	}
	sheet, err := s.results(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := results.Write(ctx, s.o.out, s.commerce, s.usage.Tables, sheet); err != nil {
		t.Fatal(err)
	}
	if !sheet.Balanced {
		t.Errorf("not balanced: %q", sheet.Problems)
	}
}

// readLines reads an NDJSON file of the results.
func readLines[T any](t *testing.T, s *site, name string) []T {
	t.Helper()
	f, err := os.Open(filepath.Join(s.o.out, name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines []T
	scan := bufio.NewScanner(f)
	scan.Buffer(nil, 4<<20)
	for scan.Scan() {
		var v T
		if err := json.Unmarshal(scan.Bytes(), &v); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		lines = append(lines, v)
	}
	return lines
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
