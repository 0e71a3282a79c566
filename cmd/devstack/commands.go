package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/internal/devstack/azurestack/scenarios"
)

const defaultScenario = "three-days"

// options are those of a site.
type options struct {
	recordings, scenario, registration string
	out, app, agent, tool              string
	seed                               uint64
	timeout                            time.Duration
	keep, up                           bool
	noHost                             bool // whoever starts the site brings its own
}

func rootCommand(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "devstack",
		Short: "Run the whole data flow on one machine",
		Long: `devstack runs the whole data flow on one machine: storage, the function app, a
simulated stack with the real agent, and a stand-in for commerce.

Build first with: make stage`,
		Example: `  devstack run
  devstack up --scenario documented-test`,
		Version:       version(),
		SilenceErrors: true, // main prints them
		SilenceUsage:  true,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.AddCommand(runCommand(), upCommand(), chaosCommand(), &cobra.Command{
		Use: "version", Short: "Print the version", Example: "  devstack version", Args: cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) { fmt.Fprintln(cmd.OutOrStdout(), cmd.Root().Version) },
	})
	return root
}

// version is that of the build: the module's, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return info.Main.Version
}

func runCommand() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run simulated usage to the bill, and check the balance",
		Long: `Start everything, register the stack, run the agent over all its hours, wait until
every day is billed, stop everything, write the results, and print the bill and the
balance sheet.

Results below --out:
  balance.json              rows served, accepted, quarantined; sums by meter and day;
                            whether stackusage verify finds a difference
  commerce-records.ndjson   each record that commerce accepted
  usage-details.csv         the usage details file
  tables/<Table>.ndjson     every table, a row a line
  host.log                  log of the Functions host and the handler

Exit code: 0 balanced, 2 not balanced, 1 any other error.`,
		Example: `  devstack run
  devstack run --scenario flawed-days --seed 7
  devstack run --recordings ./hours`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return logged(cmd.Context(), o, cmd.OutOrStdout(), runToBalance)
		},
	}
	siteFlags(cmd, &o)
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "longest `time` of the run")
	return cmd
}

func upCommand() *cobra.Command {
	o := options{up: true}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run simulated usage and keep everything running",
		Long: `Do what devstack run does, but keep everything running until interrupted. It prints
the address, account and password of the page that shows the bill, and the addresses of
everything else.`,
		Example: `  devstack up
  devstack up --scenario documented-test --registration kit`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return logged(cmd.Context(), o, cmd.OutOrStdout(), up)
		},
	}
	siteFlags(cmd, &o)
	return cmd
}

// siteFlags are those of run and up.
func siteFlags(cmd *cobra.Command, o *options) {
	stackFlags(cmd, o, defaultScenario)
	cmd.Flags().StringVar(&o.registration, "registration", asIntegrated,
		"`kind` of registration: integrated; kit, which is never charged; or csp, where each tenant has a billing subscription of its own")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "seed of the scenario")
	cmd.Flags().StringVar(&o.out, "out", "out", "`folder` for the results")
	cmd.Flags().StringVar(&o.app, "app", built("app"), "`folder` of the staged function app")
	complete(cmd, "registration", registeredAs)
}

// stackFlags say what the simulated stack serves, and to which agent.
func stackFlags(cmd *cobra.Command, o *options, scenario string) {
	names := scenarios.Names()
	cmd.Flags().StringVar(&o.recordings, "recordings", "", "`folder` of recorded hours to serve instead of a scenario, in files YYYY-MM-DDTHH.json")
	cmd.Flags().StringVar(&o.scenario, "scenario", scenario, "`name` of the generated scenario to serve: "+strings.Join(names, ", "))
	cmd.Flags().StringVar(&o.agent, "agent", built("bin", "stackusage-agent"), "`program` of the agent")
	cmd.Flags().StringVar(&o.tool, "tool", built("bin", "stackusage"), "`program` of the operator's tool, which scenario three-stacks runs")
	cmd.Flags().BoolVar(&o.keep, "keep", false, "keep the temporary folder (storage, spool)")
	complete(cmd, "scenario", names)
}

// complete offers the values of a flag to the shell.
func complete(cmd *cobra.Command, flag string, values []string) {
	if err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was not made
	}
}

// logged does the work of run or up with a log below --out.
func logged(ctx context.Context, o options, stdout io.Writer, work func(context.Context, options, *slog.Logger, io.Writer) error) error {
	if !slices.Contains(registeredAs, o.registration) {
		return fmt.Errorf("--registration %q: must be one of %s", o.registration, strings.Join(registeredAs, ", "))
	}
	// What a failed run leaves must not be taken for its results.
	for _, old := range []string{"balance.json", "commerce-records.ndjson", "usage-details.csv", "tables"} {
		if err := os.RemoveAll(filepath.Join(o.out, old)); err != nil {
			return fmt.Errorf("remove earlier results: %w", err)
		}
	}
	log, done, err := openLog(o.out)
	if err != nil {
		return err
	}
	defer done()
	err = work(ctx, o, log, stdout)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return errInterrupted
	}
	return err
}

// openLog opens host.log in a folder, which it makes.
func openLog(folder string) (log *slog.Logger, done func() error, err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, nil, fmt.Errorf("make folder for the results: %w", err)
	}
	file, err := os.Create(filepath.Join(folder, "host.log"))
	if err != nil {
		return nil, nil, fmt.Errorf("make log: %w", err)
	}
	return slog.New(slog.NewTextHandler(file, &slog.HandlerOptions{Level: slog.LevelDebug})), file.Close, nil
}

// built is where make stage puts things: beside this program, or below dist.
func built(path ...string) string {
	if program, err := os.Executable(); err == nil {
		beside := filepath.Join(append([]string{filepath.Dir(program), ".."}, path...)...)
		if _, err := os.Stat(beside); err == nil {
			return beside
		}
	}
	return filepath.Join(append([]string{"dist"}, path...)...)
}
