package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// result is what a run leaves behind.
type result struct {
	stdout, stderr string
	err            error
}

// text is all that a run shows to anybody.
func (r result) text() string { return fmt.Sprintln(r.stdout, r.stderr, r.err) }

func call(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	err := run(t.Context(), args, func(key string) string { return env[key] }, &stdout, &stderr)
	return result{stdout.String(), stderr.String(), err}
}

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	var check func(cmd *cobra.Command, args ...string)
	check = func(cmd *cobra.Command, args ...string) {
		got := call(t, nil, append(args, "--help")...)
		if got.err != nil || got.stderr != "" || !strings.Contains(got.stdout, "Examples:\n  ") {
			t.Errorf("%s --help: %+v", cmd.CommandPath(), got)
		}
		if n := len(cmd.Short); n == 0 || n > 60 || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: synopsis %q", cmd.CommandPath(), cmd.Short)
		}
		for _, sub := range cmd.Commands() {
			check(sub, append(args, sub.Name())...)
		}
	}
	check(rootCommand(os.Getenv))
}

func TestVersion(t *testing.T) {
	if got := call(t, nil, "version"); got.err != nil || !strings.HasPrefix(got.stdout, "stackusage-agent "+version+" ("+runtime.Version()+" "+runtime.GOOS) || got.stderr != "" {
		t.Errorf("got %+v", got)
	}
}

func TestWrongCalls(t *testing.T) {
	for call, want := range map[string]string{
		"onec":                             "Did you mean this?\n\tonce",
		"run now":                          `unknown command "now"`,
		"help nonsense":                    `unknown command "nonsense" for "stackusage-agent"`,
		"help config chek":                 `unknown command "chek" for "stackusage-agent config": want check, sample` + "\n\nDid you mean this?\n\tcheck",
		"help run now":                     `unknown command "now" for "stackusage-agent run"`,
		"status --colour":                  "unknown flag: --colour",
		"config":                           `"stackusage-agent config" needs a command: check, sample`,
		"config chek":                      `unknown command "chek" for "stackusage-agent config": want check, sample` + "\n\nDid you mean this?\n\tcheck",
		"activate":                         "KEY is missing",
		"activate a b":                     `unknown argument "b": want one KEY`,
		"backfill --to 2024-03-02T13:00Z":  `required flag(s) "from" not set`,
		"backfill --from noon":             `invalid argument "noon" for "--from" flag: parse time "noon": want RFC 3339 in UTC, for example 2019-12-10T19:00Z`,
		"once --to 2024-03-02T12:30Z":      "not on the hour in UTC",
		"doctor --timeout 0s":              "read --timeout 0s: want more than 0",
		"doctor --timeout soon":            `invalid argument "soon" for "--timeout" flag`,
		"status --config nowhere/conf.yml": "stackusage-agent activate KEY",
	} {
		t.Run(call, func(t *testing.T) {
			var stdout bytes.Buffer
			err := run(t.Context(), strings.Fields(call), os.Getenv, &stdout, io.Discard)
			if err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != 1 || stdout.Len() > 0 {
				t.Errorf("error %v; want %q; standard output %q", err, want, &stdout)
			}
		})
	}
}

func mustEqual(t *testing.T, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
