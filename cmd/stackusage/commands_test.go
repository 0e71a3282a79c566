package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
)

// everyCommand calls each for all commands, but those of cobra.
func everyCommand(t *testing.T, each func(t *testing.T, cmd *cobra.Command, path []string)) {
	t.Helper()
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		each(t, cmd, path)
		for _, sub := range cmd.Commands() {
			if name := sub.Name(); name != "help" && name != "completion" {
				walk(sub, append(path[:len(path):len(path)], name))
			}
		}
	}
	walk(rootCommand(cli.New(unset, nil, nil)), nil)
}

func TestHelp(t *testing.T) {
	everyCommand(t, func(t *testing.T, cmd *cobra.Command, path []string) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), append(path[:len(path):len(path)], "--help"), unset, &out, &errOut)
		if err != nil || errOut.Len() > 0 || !strings.Contains(out.String(), "\nExamples:\n  stackusage ") {
			t.Errorf("%s --help: %v, standard error %q; want an example:\n%s", cmd.CommandPath(), err, &errOut, &out)
		}
		if len(cmd.Short) > 60 || strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: synopsis %q: want up to 60 characters and no full stop", cmd.CommandPath(), cmd.Short)
		}
	})
}

// TestExamplesAreCalls: the flags of an example are those of its command.
func TestExamplesAreCalls(t *testing.T) {
	flag := regexp.MustCompile(`--[a-z0-9-]+`)
	everyCommand(t, func(t *testing.T, cmd *cobra.Command, _ []string) {
		for _, line := range strings.Split(strings.ReplaceAll(cmd.Example, "\\\n", ""), "\n") {
			words := strings.Fields(line)
			target, _, err := cmd.Root().Find(words[1:])
			if err != nil || words[0] != "stackusage" || target.HasSubCommands() {
				t.Errorf("%s: example %q: %v", cmd.CommandPath(), line, err)
				continue
			}
			_ = target.InheritedFlags() // adds those of its parents
			for _, name := range flag.FindAllString(line, -1) {
				if target.Flag(name[2:]) == nil {
					t.Errorf("%s: example %q: %s has no flag %s", cmd.CommandPath(), line, target.CommandPath(), name)
				}
			}
		}
	})
}

// TestThePageHasEveryCommand: docs/stackusage.md names nouns and verbs.
func TestThePageHasEveryCommand(t *testing.T) {
	page, err := os.ReadFile("../../docs/stackusage.md")
	ok(t, err)
	everyCommand(t, func(t *testing.T, cmd *cobra.Command, path []string) {
		noun := ""
		for line := range strings.Lines(string(page)) {
			if len(path) > 0 && strings.HasPrefix(line, "| `stackusage "+path[0]+"` |") {
				noun = line
			}
		}
		if len(path) > 0 && (noun == "" || len(path) > 1 && !strings.Contains(noun, "`"+path[1]+"`")) {
			t.Errorf("no %s in docs/stackusage.md", cmd.CommandPath())
		}
	})
}

func TestCallsThatAreWrong(t *testing.T) {
	for call, want := range map[string]string{
		"vérify": `unknown command "vérify"; did you mean "verify"?`, "hour lst": `unknown command "lst"; did you mean "list"?`, "stauts": `unknown command "stauts"; did you mean "status"?`,
		"help nonsense": `unknown command "nonsense"; stackusage has: batch, `, "help hour lst": `unknown command "lst"; did you mean "list"?`, "help verify now": `unexpected argument "now"`,
		"frobnicate --x": `unknown command "frobnicate"; stackusage has: batch, `, "tenant": "stackusage tenant needs a subcommand: list, map, unmap",
		"verify now": `unexpected argument "now"`, "verify --dys": "unknown flag: --dys; stackusage verify --help lists the flags",
		"--nonsense verify": "unknown flag: --nonsense", "--nonsense": "unknown flag: --nonsense", "day --nonsense": "unknown flag: --nonsense",
		"verify --registration=": "--registration is empty", "batch retry --reason x --registration=": "--registration is empty", "registration show --registration=": "--registration is empty",
		"verify --to 2019-12-09 --from 2019-12-10": "--to 2019-12-09 is before", "verify --limit 0": "--limit 0",
		"verify --from yesterday": "not of the form 2019-12-10", "verify": "set UsageStorage", "hour list --verdict x": "want one of accepted, ",
		"hour exclude": "--hour is missing", "hour exclude --hour noon": "for example 2019-12-10T19:00Z", "hour exclude --hour 2019-12-10T19:30Z": `"--hour" flag`,
		"hour exclude --sha16 x --hour 2019-12-10T20:00+01:00": "must be 16 hex digits", "hour exclude --sha16 0123456789abcdeg --hour 2019-12-10T19:00Z": "must be 16 hex digits",
		"verify --output xml": "want one of table, json, csv", "meter show --meter x,y": "not in the catalogue",
	} {
		var out, errOut bytes.Buffer
		err := run(t.Context(), strings.Fields(call), unset, &out, &errOut)
		if err == nil || !strings.Contains(err.Error(), want) || cli.ExitCode(err) != 1 || cli.Message(err) == "" || out.Len()+errOut.Len() > 0 {
			t.Errorf("%s: error %v; want %q; output %q, standard error %q", call, err, want, &out, &errOut)
		}
	}
}

// TestRegistrationIsNamed: by name, by its cloudId in any spelling, by the environment,
// or not at all where there is only one.
func TestRegistrationIsNamed(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	ask := func(env string, args ...string) (string, error) {
		var out, errOut bytes.Buffer
		err := run(t.Context(), append([]string{"registration", "show", "--output", "csv"}, args...), func(name string) string {
			if name == "STACKUSAGE_REGISTRATION" {
				return env
			}
			return getenv(name)
		}, &out, &errOut)
		return out.String(), err
	}
	if _, err := ask(""); err == nil || !strings.Contains(err.Error(), "no stack is registered; stackusage registration create") {
		t.Errorf("without a registration: %v", err)
	}
	put := func(name, cloudID string) {
		ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: name, SubscriptionID: cloudID,
			BillingModel: registration.PayAsYouUse, EffectiveDay: "20191210", Start: hour19.Start(), Region: "local"}))
	}
	put("hamburg", cloudID)
	put(cli.SmokeTestName, cli.SmokeTestCloudID)
	const munich = "c31316d4-de02-43a4-903d-eb74f8258b02"
	shows := func(want, env string, args ...string) {
		t.Helper()
		out, err := ask(env, args...)
		if err != nil || !strings.Contains(out, ","+want+",") {
			t.Errorf("%q %v: error %v; want %s in\n%s", env, args, err, want, out)
		}
	}
	shows("hamburg", "") // the smoke test's is never meant
	put("munich", munich)
	if _, err := ask(""); err == nil || !strings.Contains(err.Error(), "--registration is missing; there are: hamburg, munich") {
		t.Errorf("of two: %v", err)
	}
	shows("munich", "munich")
	shows("hamburg", "munich", "--registration", "hamburg")
	for _, text := range []string{munich, strings.ToUpper(munich), strings.ReplaceAll(munich, "-", ""), "{" + munich + "}", "MUNICH"} {
		shows("munich", "", "--registration", text)
	}
	if _, err := ask("", "--registration", "berlin"); err == nil || !strings.Contains(err.Error(), "RegistrationNotFound") {
		t.Errorf("unknown: %v", err)
	}
	t.Run("a shell completes names", func(t *testing.T) {
		if out := tool(t, getenv, cobra.ShellCompRequestCmd, "day", "list", "--registration", ""); !strings.Contains(out, "hamburg\nmunich\n") {
			t.Errorf("%s", out)
		}
	})
}

// TestUpdateKeepsWhatIsOmitted: an update says only what changes.
func TestUpdateKeepsWhatIsOmitted(t *testing.T) {
	t.Parallel()
	getenv, account := clitest.Storage(t)
	tool(t, getenv, strings.Fields("registration create --name hamburg --cloud-id "+strings.ToUpper(cloudID)+" --subscription "+payer+
		" --kind EA --stack ASDK --model Development --reporting off --region local --start 2019-12-01T00:00Z --end 2020-06-01T00:00Z --no-hours-expected --watched off --delivered-every 30d --from 2019-12-01 --reason new")...)
	held := func(day string) registration.Registration {
		t.Helper()
		history, err := registry.Registry{Tables: account.Tables}.History(t.Context(), cloudID)
		ok(t, err)
		h, err := history.On(day)
		ok(t, err)
		return h.Registration
	}
	before := held("20191210")
	update := func(flags string) string {
		t.Helper()
		return tool(t, getenv, append(strings.Fields("registration update --from 2020-01-01 --by olga --reason x"), strings.Fields(flags)...)...)
	}
	if out := update("--region local"); !strings.Contains(out, "has these values on usage day 2020-01-01 already; nothing is changed") {
		t.Errorf("output:\n%s", out)
	}
	if out := update("--region north"); !strings.HasPrefix(out, "Registration hamburg is changed from usage day 2020-01-01 on.\n") {
		t.Errorf("output:\n%s", out)
	}
	if got := held("20200102"); got.Region != "north" || !got.ReportingOff || !got.NoHoursExpected || !got.Unwatched || got.DeliveredEvery != 30 || !got.End.Equal(before.End) || !got.Start.Equal(before.Start) ||
		got.SubscriptionID != payer || got.StackKind != before.StackKind || got.BillingModel != before.BillingModel || got.Name != "hamburg" {
		t.Errorf("%+v", got)
	}
	if got := held("20191210"); got.Region != "local" {
		t.Errorf("before: %+v", got)
	}
	update("--end none --reporting on --no-hours-expected=false --watched on --delivered-every none")
	if got := held("20200102"); !got.End.IsZero() || got.ReportingOff || got.NoHoursExpected || got.Unwatched || got.DeliveredEvery != 0 || got.Region != "north" {
		t.Errorf("%+v", got)
	}
	for want, args := range map[string]string{
		"is registered as hamburg; change it by stackusage registration update": "create --name other --cloud-id " + cloudID + " --subscription " + payer + " --kind EA --model PayAsYouUse --reason x",
		"or --model is missing": "create --name other --reason x", "--reason is missing": "update --region x", "--end: parse time": "update --end never --reason x", "want a number of days, for example 30d": "update --delivered-every 36h --reason x",
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"registration"}, strings.Fields(args)...), getenv, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v; want %q", args, err, want)
		}
	}
}

const payer = "2f1c7c36-51b7-4b6f-9c0b-6a8f3f6d2a10"

// TestOutputs: what is listed is the same in every form, and so is what was done.
func TestOutputs(t *testing.T) {
	t.Parallel()
	getenv, _ := conflict(t)
	rows, err := csv.NewReader(strings.NewReader(tool(t, getenv, "hour", "list", "--output", "csv"))).ReadAll()
	if err != nil || len(rows) != 3 || strings.Join(rows[0][:5], " ") != "cloudId hour lastHour sha16 verdict" || rows[2][4] != "conflict" || rows[1][1] != "2019-12-10T19:00:00Z" {
		t.Errorf("%v: %v", err, rows)
	}
	if out := tool(t, getenv, resolve("--keep", "--reason", "sent twice", "--output", "json")...); !strings.Contains(out, `"verdict":"kept-out"`) || strings.Count(out, "\n") != 1 {
		t.Errorf("output:\n%s", out)
	}
	for _, days := range []string{"--from 2019-12-10 --to 2019-12-10", "--registration " + cloudID + " --from 2019-12-10 --to 2019-12-10", "--to 2019-12-10"} {
		if out := tool(t, getenv, append([]string{"hour", "list"}, strings.Fields(days)...)...); strings.Count(out, "\n") != 3 {
			t.Errorf("%s:\n%s", days, out)
		}
	}
	if out := tool(t, getenv, "hour", "list", "--from", "2019-12-11"); out != "no such file has landed\n" {
		t.Errorf("other days:\n%s", out)
	}
}
