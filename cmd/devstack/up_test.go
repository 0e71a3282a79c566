package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"stackusage/cmd/devstack/view"
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

func TestUpKeepsTheBillOpenInABrowser(t *testing.T) {
	t.Parallel()
	hours := filepath.Join(t.TempDir(), "hours")
	if err := os.MkdirAll(hours, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(hours, "2020-02-01T10.json"), []byte(oneMachine), 0o644); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out output
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"up", "--recordings", hours, "--app", staged.app, "--agent", staged.agent, "--out", t.TempDir()}, os.Getenv, &out, io.Discard)
	}()
	for deadline := time.Now().Add(3 * time.Minute); !strings.Contains(out.String(), "running; interrupt to stop"); time.Sleep(50 * time.Millisecond) {
		select {
		case err := <-done:
			t.Fatalf("it ended: %v\n%s", err, out.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("not up:\n%s", out.String())
		}
	}
	said := regexp.MustCompile(`(?s)page +(http://\S+).*account +(\S+).*password +(\S+)`).FindStringSubmatch(out.String())
	if said == nil {
		t.Fatalf("neither page nor account in\n%s", out.String())
	}
	page := look(t, view.Account{URL: said[1], Name: said[2], Password: said[3]})
	if !strings.Contains(page, `id="total">$9.20<`) { // 200 vCPU hours at 0.046
		t.Errorf("the page shows\n%s", page)
	}
	stop()
	if err := <-done; err != nil {
		t.Errorf("it stopped with %v", err)
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
