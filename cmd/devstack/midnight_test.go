package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/shared/meter"
	"stackusage/shared/usage"
)

// The stack of TestMidnight, and somebody who uses it.
const (
	midnightProvider = "39c82aed-b2b7-4a66-abdb-611de00bf11e"
	midnightUser     = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
)

// midnightRow is a row of the usage API for a machine.
func midnightRow(subscription, quantity string, used usage.Hour) string {
	return fmt.Sprintf(`{"id":"/subscriptions/%s/providers/Microsoft.Commerce/UsageAggregate/x","properties":{"subscriptionId":%q,"usageStartTime":%q,"usageEndTime":%q,"quantity":%s,"meterId":%q,`+
		`"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/%[2]s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm\",\"location\":\"local\"}}"}}`,
		midnightProvider, subscription, used.Start().Format(time.RFC3339), used.End().Format(time.RFC3339), quantity, meter.BaseVM)
}

// midnightAnswers is a folder with the stack's answers of two days. What is used
// from 22:00 and 23:00 of the first is reported on the second.
func midnightAnswers(t *testing.T, first usage.Day) string {
	t.Helper()
	at := first.First()
	rows := map[usage.Hour][]string{
		at + 10: {midnightRow(midnightUser, "4", at+9)},
		at + 24: {midnightRow(midnightUser, "2", at+23), midnightRow(midnightUser, "0.1", at+22), midnightRow(midnightProvider, "3", at+23), midnightRow(midnightUser, "-1", at+23)},
		at + 28: {midnightRow(midnightUser, "0.02", at+23)},
		at + 30: {midnightRow(midnightUser, "1", at+29)},
	}
	dir := t.TempDir()
	for hour := at; hour < at+48; hour++ {
		text := `{"value":[` + strings.Join(rows[hour], ",\n") + "]}"
		if err := os.WriteFile(filepath.Join(dir, hour.Start().Format("2006-01-02T15")+".json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestMidnight: usage of 23:00 that the stack reports on the next day is billed
// on its own, and stackusage reconcile says how much it is.
func TestMidnight(t *testing.T) {
	t.Parallel()
	day, err := usage.ParseDay("2020-02-01")
	if err != nil {
		t.Fatal(err)
	}
	answers := midnightAnswers(t, day)
	s := testSite(t, options{recordings: answers})
	if err := s.runAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	billed(t, s)
	bill := filepath.Join(s.o.out, "usage-details.csv")
	program := filepath.Join(t.TempDir(), "stackusage")
	build := exec.Command("go", "build", "-o", program, "./cmd/stackusage")
	build.Dir = filepath.Join("..", "..")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build stackusage: %v\n%s", err, text)
	}
	// reconcile runs the program and expects an exit code.
	reconcile := func(t *testing.T, code int, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, program, append([]string{"reconcile", "--all", "--registration", cloudID, "--from", "2020-02-01", "--to", "2020-02-02"}, args...)...)
		cmd.Env = append(os.Environ(), "UsageStorage="+s.settings["UsageStorage"], "LandingStorage="+s.settings["LandingStorage"])
		text, err := cmd.CombinedOutput()
		got := 0
		if exit := new(exec.ExitError); errors.As(err, &exit) {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != code {
			t.Errorf("%v: exit code %d; want %d:\n%s", args, got, code, text)
		}
		return string(text)
	}
	says := func(t *testing.T, text string, lines ...string) {
		t.Helper()
		flat := strings.Join(strings.Fields(text), " ")
		for _, line := range lines {
			if !strings.Contains(flat, line) {
				t.Errorf("want %q in\n%s", line, text)
			}
		}
	}
	t.Run("the bill has it on the day of its usage", func(t *testing.T) {
		sums := map[string]string{}
		for _, r := range readLines[map[string]any](t, s, "commerce-records.ndjson") {
			sums[r["usageDate"].(string)+" "+r["meterClass"].(string)] = r["quantity"].(string)
		}
		if got := fmt.Sprint(sums); got != "map[2020-02-01 admin:3 2020-02-01 full:6.12 2020-02-02 full:1]" {
			t.Error(got)
		}
	})
	const vm = "Base VM Size Hours "
	walk := []string{
		vm + "2020-02-01 the stack: reported on the day 4 vCPU hours",
		vm + "2020-02-01 used in it, reported later, 1 h after (at 2020-02-02T00:00Z) +2 vCPU hours",
		vm + "2020-02-01 used in it, reported later, 2 h after (at 2020-02-02T00:00Z) +0.1 vCPU hours",
		vm + "2020-02-01 used in it, reported later, 5 h after (at 2020-02-02T04:00Z) +0.02 vCPU hours",
		vm + "2020-02-01 the bill: used on the day 6.12 vCPU hours",
		vm + "2020-02-02 the stack: reported on the day 2.12 vCPU hours",
		vm + "2020-02-02 rejected rows: QuantityNegative (stackusage quarantine list) +1 vCPU hours",
		vm + "2020-02-02 used before, reported in it, 1 h after (at 2020-02-02T00:00Z) -2 vCPU hours",
		vm + "2020-02-02 the bill: used on the day 1 vCPU hours",
		vm + "total difference, bill less stack +1 vCPU hours",
		vm + "(admin) 2020-02-01 used in it, reported later, 1 h after (at 2020-02-02T00:00Z) +3 vCPU hours",
		vm + "(admin) total the stack and the bill agree 3 vCPU hours",
		"UNFINISHED rejected rows wait for a decision: 1 of 1 hours (QuantityNegative 1)", // exit code 2, and no difference
		"every difference is explained",
	}
	t.Run("the rows that landed say by how many hours each part came later", func(t *testing.T) {
		says(t, reconcile(t, 2), walk...)
	})
	t.Run("so do the stack's own answers", func(t *testing.T) {
		says(t, reconcile(t, 2, "--stack", answers), append(walk, "Reported usage: saved responses of the usage API")...)
	})
	t.Run("with the file the parts have amounts, and the stack's own are free", func(t *testing.T) {
		text := reconcile(t, 2, "--bill", bill, "--stack", answers)
		says(t, text, append(walk, "1 h after (at 2020-02-02T00:00Z) +2 vCPU hours +0.016 USD", "the bill: used on the day 6.12 vCPU hours 0.04896 USD",
			vm+"(admin) 2020-02-01 used in it, reported later, 1 h after (at 2020-02-02T00:00Z) +3 vCPU hours 0 USD", "Billed usage: usage details file.")...)
	})
	t.Run("an hour that the stack has otherwise is named", func(t *testing.T) {
		other := t.TempDir()
		if err := os.CopyFS(other, os.DirFS(answers)); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(other, "2020-02-01T07.json"), []byte(`{"value":[`+midnightRow(midnightUser, "7", day.First()+6)+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
		says(t, reconcile(t, 2, "--stack", other), vm+"2020-02-01 the accepted file differs from the stack: 2020-02-01T07:00Z -7 vCPU hours")
		if err := os.Remove(filepath.Join(other, "2020-02-02T03.json")); err != nil {
			t.Fatal(err)
		}
		says(t, reconcile(t, 1, "--stack", other), "1 of 48 saved answers are not in the folder, the first is 2020-02-02T03.json")
	})
	text := string(readFile(t, bill))
	edited := func(t *testing.T, text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "bill.csv")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Run("a file that was cut short is refused", func(t *testing.T) {
		says(t, reconcile(t, 1, "--bill", edited(t, text[:len(text)/2])), "usage details file: ")
	})
	t.Run("a number that somebody changed everywhere in the file is UNEXPLAINED", func(t *testing.T) {
		changed := strings.NewReplacer("vCPU hours,7.12,", "vCPU hours,8.12,", "vCPU hours,6.12,", "vCPU hours,7.12,").Replace(text)
		says(t, reconcile(t, 2, "--bill", edited(t, changed)), vm+"2020-02-01 UNEXPLAINED +1 vCPU hours +0.008 USD", "1 UNEXPLAINED line: run stackusage verify")
	})
}
