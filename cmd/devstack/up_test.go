package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/cmd/devstack/view"
	"stackusage/internal/devstack/loopback"
)

// oneMachine is one hour of a Windows machine of 200 cores.
const oneMachine = `{"value":[{"properties":{"subscriptionId":"c59c6f67-75cf-5dcc-a489-b120304cc008","usageStartTime":"2020-02-01T09:00:00+00:00",` +
	`"usageEndTime":"2020-02-01T10:00:00+00:00","quantity":200,"meterId":"9cd92d4c-bafd-4492-b278-bedc2de8232a","instanceData":` +
	`"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/c59c6f67-75cf-5dcc-a489-b120304cc008/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm\",\"location\":\"local\"}}"}}]}`

// output may be read while it is written.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// startUp starts devstack up with one hour of one machine, and returns what it printed once
// it is up, and what ends it.
func startUp(t *testing.T, out string, more ...string) (printed string, end func() string) {
	t.Helper()
	hours := filepath.Join(t.TempDir(), "hours")
	if err := os.MkdirAll(hours, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hours, "2020-02-01T10.json"), []byte(oneMachine), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	t.Cleanup(stop)
	var text output
	done := make(chan error, 1)
	args := append([]string{"up", "--recordings", hours, "--app", staged.app, "--agent", staged.agent, "--out", out, "--port", "0"}, more...)
	go func() { done <- run(ctx, args, os.Getenv, &text, io.Discard) }()
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(text.String(), "running; interrupt to stop"); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-done:
			t.Fatalf("it ended: %v\n%s", err, text.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not up:\n%s", text.String())
		}
	}
	return text.String(), func() string {
		t.Helper()
		stop()
		if err := <-done; err != nil {
			t.Errorf("it stopped with %v", err)
		}
		return text.String()
	}
}

func TestUpKeepsTheBillOpenInABrowser(t *testing.T) {
	t.Parallel()
	out := t.TempDir()
	// What make demo leaves.
	results := []string{"balance.json", "commerce-records.ndjson", "usage-details.csv", "host.log", filepath.Join("tables", "Registrations.ndjson")}
	for _, name := range results {
		if err := errors.Join(os.MkdirAll(filepath.Dir(filepath.Join(out, name)), 0o755), os.WriteFile(filepath.Join(out, name), []byte("of the demo"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	text, end := startUp(t, out, "--tool", staged.tool)
	said := regexp.MustCompile(`(?s)page +(http://\S+).*account +(\S+).*password +(\S+)`).FindStringSubmatch(text)
	if said == nil {
		t.Fatalf("neither page nor account in\n%s", text)
	}
	page := look(t, view.Account{URL: said[1], Name: said[2], Password: said[3]})
	if !strings.Contains(page, `id="total">$9.20<`) { // 200 vCPU hours at 0.046
		t.Errorf("the page shows\n%s", page)
	}
	t.Run("the export lines make stackusage work in another shell", func(t *testing.T) {
		exports := strings.Join(regexp.MustCompile(`(?m)^  export .*$`).FindAllString(text, -1), "\n")
		cmd := exec.CommandContext(t.Context(), "sh", "-c", exports+"\nstackusage usage --month 2020-02 --by meter --output csv")
		cmd.Env = []string{"PATH=/usr/bin:/bin", "HOME=" + t.TempDir()}
		if answer, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(answer), "9.2") {
			t.Errorf("%v\n%s\nafter\n%s", err, answer, exports)
		}
	})
	t.Run("the console shows the registration", func(t *testing.T) {
		address := regexp.MustCompile(`console +(http://\S+/enter\?token=\S+)`).FindStringSubmatch(text)
		if address == nil {
			t.Fatalf("no address in\n%s", text)
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		browser := &http.Client{Jar: jar, Timeout: time.Minute}
		entered, err := browser.Get(address[1])
		if err != nil {
			t.Fatal(err)
		}
		entered.Body.Close()
		overview, err := browser.Get(address[1][:strings.Index(address[1], "/enter")] + "/")
		if err != nil {
			t.Fatal(err)
		}
		defer overview.Body.Close()
		if shown, err := io.ReadAll(overview.Body); err != nil || overview.StatusCode != http.StatusOK || !strings.Contains(string(shown), cloudID[:8]) {
			t.Errorf("%s %v\n%s", overview.Status, err, shown)
		}
	})
	if last := end(); strings.Contains(last, "the console: ") {
		t.Errorf("the console ended before devstack did:\n%s", last)
	}
	for _, name := range results {
		if got := string(readFile(t, filepath.Join(out, name))); got != "of the demo" {
			t.Errorf("%s was overwritten with %.100s", name, got)
		}
	}
}

// TestUpWithoutAConsole: a tool that is missing, and one that knows no console.
func TestUpWithoutAConsole(t *testing.T) {
	t.Parallel()
	text, end := startUp(t, t.TempDir(), "--tool", filepath.Join(t.TempDir(), "stackusage"))
	if !strings.Contains(text, "The console did not start: ") || !strings.Contains(text, "build it with: make stage") {
		t.Errorf("printed\n%s", text)
	}
	end()
	old := filepath.Join(t.TempDir(), "stackusage")
	if err := os.WriteFile(old, []byte("#!/bin/sh\necho 'unknown command \"console\"' >&2\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := view.StartConsole(t.Context(), old, 0, nil); err == nil || !strings.Contains(err.Error(), `unknown command "console"`) || !strings.Contains(err.Error(), "make stage") {
		t.Errorf("an old tool: %v", err)
	}
}

func TestUpRefusesATakenPort(t *testing.T) {
	first, err := loopback.Port()
	if err != nil {
		t.Fatal(err)
	}
	address, stop, err := loopback.ServeOn(first, http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	out := filepath.Join(t.TempDir(), "up")
	err = run(t.Context(), []string{"up", "--port", strconv.Itoa(first), "--out", out}, os.Getenv, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "for the account page, is taken") || !strings.Contains(err.Error(), "--port") {
		t.Errorf("%s is taken: %v", address, err)
	}
	if _, err := os.Stat(out); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it wrote into %s: %v", out, err)
	}
}

func TestTheRunNamesTheCommandThatKeepsItOpen(t *testing.T) {
	for want, o := range map[string]options{
		"dist/bin/devstack up":                          {scenario: defaultScenario, registration: asIntegrated, seed: 1},
		"dist/bin/devstack up --scenario idle --seed 7": {scenario: "idle", registration: asIntegrated, seed: 7},
		"dist/bin/devstack up --recordings hours":       {scenario: defaultScenario, recordings: "hours", registration: asIntegrated, seed: 1},
		"dist/bin/devstack up --registration csp":       {scenario: defaultScenario, registration: asCSP, seed: 1},
	} {
		if got := keepOpen("dist/bin/devstack", o); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
