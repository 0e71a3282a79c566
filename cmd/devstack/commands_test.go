package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestEveryCommandHasHelpWithAnExample(t *testing.T) {
	var check func(cmd *cobra.Command, args ...string)
	check = func(cmd *cobra.Command, args ...string) {
		var stdout, stderr bytes.Buffer
		err := run(t.Context(), append(args, "--help"), os.Getenv, &stdout, &stderr)
		if err != nil || stderr.Len() > 0 || !strings.Contains(stdout.String(), "Examples:\n  devstack") {
			t.Errorf("%s --help: %v, standard error %q, standard output\n%s", cmd.CommandPath(), err, &stderr, &stdout)
		}
		if n := len(cmd.Short); n == 0 || n > 60 || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: synopsis %q", cmd.CommandPath(), cmd.Short)
		}
		for _, sub := range cmd.Commands() {
			check(sub, append(args, sub.Name())...)
		}
	}
	check(rootCommand(io.Discard, io.Discard))
}

func TestWrongCalls(t *testing.T) {
	for call, want := range map[string]string{
		"runn":                   "Did you mean this?\n\trun",
		"run now":                `unknown command "now"`,
		"help nonsense":          `unknown command "nonsense" for "devstack"`,
		"help runn":              "Did you mean this?\n\trun",
		"help run now":           `unknown command "now" for "devstack run"`,
		"run --sceanrio idle":    "unknown flag: --sceanrio",
		"up --registration asdk": "must be one of integrated, kit, csp",
		"up --port 40000":        "--port 40000: must be 0, or from 1024 to ",
	} {
		var stdout bytes.Buffer
		err := run(t.Context(), strings.Fields(call), os.Getenv, &stdout, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) || exitCode(err) != 1 || stdout.Len() > 0 {
			t.Errorf("devstack %s: error %v; want %q; standard output %q", call, err, want, &stdout)
		}
	}
}

func TestTheShellCompletesScenarios(t *testing.T) {
	var stdout bytes.Buffer
	if err := run(t.Context(), []string{cobra.ShellCompRequestCmd, "run", "--scenario", ""}, os.Getenv, &stdout, io.Discard); err != nil || !strings.Contains(stdout.String(), "flawed-days\n") {
		t.Errorf("%v\n%s", err, &stdout)
	}
}
