package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/reconcile"
)

func TestReconcileIsRefusedBeforeStorageIsAsked(t *testing.T) {
	for want, args := range map[string]string{
		"--from and --to are missing": "--registration " + cloudID,
		"is before --from":            "--from 2019-12-10 --to 2019-12-09 --registration " + cloudID,
		"at most 100 days":            "--from 2019-01-01 --to 2019-12-31 --registration " + cloudID,
		"--meter":                     "--meter x --from 2019-12-10 --to 2019-12-10 --registration " + cloudID,
		"--stack main.go: not a fold": "--stack main.go --from 2019-12-10 --to 2019-12-10 --registration " + cloudID,
		"no such file or directory":   "--stack nowhere --from 2019-12-10 --to 2019-12-10 --registration " + cloudID,
		"set UsageStorage":            "--from 2019-12-10 --to 2019-12-10 --registration " + cloudID,
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"reconcile"}, strings.Fields(args)...), unset, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}

func TestReconcile(t *testing.T) {
	t.Parallel()
	getenv, _ := billedDays(t)
	args := strings.Fields("reconcile --from 2019-12-10 --to 2019-12-11 --registration " + cloudID)
	reconciled := func(more ...string) (string, error) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), append(args, more...), getenv, &out, &errOut)
		return out.String(), err
	}
	// Commerce accepted something, and nothing of it ever landed.
	t.Run("what is left over is UNEXPLAINED, in columns, and an error of its own", func(t *testing.T) {
		text, err := reconciled("--all")
		lines := strings.Split(text, "\n")
		if !errors.Is(err, cli.ErrDifferences) || !strings.HasSuffix(lines[1], "QUANTITY  UNIT") || strings.Index(lines[3], "+5")-strings.Index(lines[3], "UNEXPLAINED") < 20 {
			t.Errorf("error %v, output:\n%s", err, text)
		}
		for _, want := range []string{
			"Windows VM Size Hours  2019-12-10  the stack: reported on the day  0  vCPU", "2019-12-10    UNEXPLAINED  +0.1  vCPU hours", "the bill: used on these days  0.3  ",
			"11111111-2222-3333-4444-555555555555  2019-12-10  the bill: used on the day  5",
			"reported hour 2019-12-10T00:00Z to 2019-12-11T23:00Z: no file is accepted: nothing landed", "4 UNEXPLAINED lines: run stackusage verify --registration AzureStack-" + cloudID,
		} {
			if !strings.Contains(strings.Join(strings.Fields(text), " "), strings.Join(strings.Fields(want), " ")) {
				t.Errorf("want %q in\n%s", want, text)
			}
		}
	})
	t.Run("a summary has a line for each meter", func(t *testing.T) {
		text, err := reconciled()
		if lines := strings.Split(text, "\n"); !errors.Is(err, cli.ErrDifferences) || !strings.HasSuffix(lines[1], "REPORTED  BILLED  DIFFERENCE  UNIT        CAUSES") ||
			!strings.HasPrefix(lines[4], "Windows VM Size Hours ") || !strings.HasSuffix(lines[4], "     0     0.3        +0.3  vCPU hours  UNEXPLAINED +0.3") || strings.Count(text, "Windows VM") != 1 {
			t.Errorf("error %v, output:\n%s", err, text)
		}
	})
	t.Run("JSON holds the same", func(t *testing.T) {
		text, err := reconciled("--output", "json", "--meter", "9CD92D4CBAFD4492B278BEDC2DE8232A")
		var report reconcile.Report
		if jsonErr := json.Unmarshal([]byte(text), &report); jsonErr != nil || !errors.Is(err, cli.ErrDifferences) || len(report.Lines) != 3 || report.Unexplained != 2 {
			t.Errorf("%v, %v\n%s", err, jsonErr, text)
		}
	})
	t.Run("on other days there is nothing to explain, and hours that are missing", func(t *testing.T) {
		text, err := reconciled("--from", "2019-12-20", "--to", "2019-12-20")
		if !errors.Is(err, cli.ErrDifferences) || !strings.Contains(text, "there is no such usage") || !strings.Contains(text, "every difference is explained") ||
			!strings.Contains(text, "UNFINISHED 24 reported hours are missing: 2019-12-20T00:00Z to 2019-12-20T23:00Z\n") {
			t.Errorf("%v\n%s", err, text)
		}
	})
	t.Run("a stack that nobody knows is refused", func(t *testing.T) {
		const other = "c59c6f67-75cf-5dcc-a489-b120304cc008"
		text, err := reconciled("--registration", other)
		if err == nil || !strings.Contains(err.Error(), "nothing of registration "+other+" is stored; stackusage registration list") || text != "" {
			t.Errorf("%v\n%s", err, text)
		}
	})
	t.Run("a file that is none is named before anything is read", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "bill.csv")
		ok(t, os.WriteFile(file, []byte("Name,Value\n"), 0o600))
		for want, flags := range map[string][]string{
			"usage details file: not a usage details file, version 2":                       {"--bill", file},
			"no such file or directory":                                                     {"--bill", filepath.Join(dir, "none.csv")},
			"48 of 48 saved answers are not in the folder, the first is 2019-12-10T00.json": {"--stack", dir},
		} {
			if text, err := reconciled(flags...); err == nil || !strings.Contains(err.Error(), want) || text != "" {
				t.Errorf("%v: error %v, want %q\n%s", flags, err, want, text)
			}
		}
	})
}
