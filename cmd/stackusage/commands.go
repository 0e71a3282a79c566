package main

import (
	"context"
	"fmt"
	"io"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/batches"
	"stackusage/cmd/stackusage/checks"
	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console"
	"stackusage/cmd/stackusage/days"
	"stackusage/cmd/stackusage/decisions"
	"stackusage/cmd/stackusage/explanation"
	"stackusage/cmd/stackusage/exports"
	"stackusage/cmd/stackusage/findings"
	"stackusage/cmd/stackusage/hours"
	"stackusage/cmd/stackusage/imports"
	"stackusage/cmd/stackusage/infrastructure"
	"stackusage/cmd/stackusage/messages"
	"stackusage/cmd/stackusage/meters"
	"stackusage/cmd/stackusage/quarantine"
	"stackusage/cmd/stackusage/registrations"
	"stackusage/cmd/stackusage/smoketest"
	"stackusage/cmd/stackusage/tenants"
	"stackusage/cmd/stackusage/usages"
)

const longHelp = `stackusage shows and checks what the function app keeps in Azure Storage, and records
what operators decide about it.

Connections come from the environment, never from flags, and are those of the function
app:
  UsageStorage     tables, partials, daily files, outbox, receipts, quarantine, corrected
                   hour blobs
  LandingStorage   hour blobs
Each is a connection string, or NAME__accountName (or NAME__blobServiceUri,
NAME__queueServiceUri and NAME__tableServiceUri) with NAME__credential=managedidentity;
without it the default chain of azidentity signs in.

STACKUSAGE_REGISTRATION names the registration where --registration does not. A command
that is about one registration needs neither if there is only one.

SETTLING_HOURS, as the function app has it (default: 6), is how long after the end of a
registration reported hours are accepted: changes list closed days by it.

Exit code: 0 success, 2 a check found something, 1 anything else.`

func run(ctx context.Context, args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	e := cli.New(getenv, stdout, stderr)
	root := rootCommand(e)
	root.SetArgs(args)
	// cobra shows the help of hour for hour frobnicate --help.
	if target, rest, err := root.Find(args); err == nil && target.HasSubCommands() && len(rest) > 0 && !strings.HasPrefix(rest[0], "-") && !strings.HasPrefix(rest[0], "__") {
		return cli.Choose(target, rest)
	}
	return e.Named(ctx, root.ExecuteContext(ctx))
}

func rootCommand(e *cli.Env) *cobra.Command {
	root := cli.Group("stackusage", "Show and check usage, and record decisions", `
stackusage hour list --verdict conflict
stackusage day list --from 2019-12-01 --to 2019-12-31
stackusage verify`,
		hours.Command(e), days.Command(e), findings.Command(e), decisions.Command(e), quarantine.Command(e), batches.Command(e), messages.Command(e), meters.Command(e),
		registrations.Command(e), tenants.Command(e), infrastructure.Command(e),
		checks.Status(e), explanation.Command(e), usages.Command(e), exports.Command(e), imports.Command(e), console.Command(e, rootCommand), checks.Verify(e), checks.Reconcile(e), smoketest.Command(e), versionCommand(e))
	root.Long = longHelp
	root.SilenceErrors = true // main prints them
	root.SilenceUsage = true
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return cmd.Help()
		}
		return cli.Choose(cmd, args)
	}
	e.OutputFlag(root)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return fmt.Errorf("%w; %s --help lists the flags", err, cmd.CommandPath())
	})
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // it is there
	help.Run, help.RunE = nil, func(_ *cobra.Command, args []string) error {
		target, rest, err := root.Find(args)
		if err == nil && len(rest) > 0 { // cobra's own prints the usage, and succeeds
			err = cli.Choose(target, rest)
		}
		if err != nil {
			return err
		}
		return target.Help()
	}
	root.InitDefaultCompletionCmd()
	return root
}

// Version is that of the build.
type Version struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
}

func versionCommand(e *cli.Env) *cobra.Command {
	return cli.Command("version", "Print the version", "Prints the module version, the commit and the Go version of the build.", "stackusage version", func(context.Context) error {
		var v Version
		if info, ok := debug.ReadBuildInfo(); ok {
			v.Version, v.Go = info.Main.Version, info.GoVersion
			for _, s := range info.Settings {
				if s.Key == "vcs.revision" {
					v.Commit = s.Value
				}
			}
		}
		return cli.Result(e, v, "%s", fmt.Sprintf("stackusage %s %s (%s)\n", v.Version, v.Commit, v.Go))
	})
}
