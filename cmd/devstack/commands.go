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

	"stackusage/cmd/devstack/ports"
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
	port                               int  // the first of up's
	ports                              ports.Ports
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
	root.InitDefaultHelpCmd()
	help, _, _ := root.Find([]string{"help"}) // it is there
	help.Example = "  devstack help run"
	help.Run, help.RunE = nil, func(_ *cobra.Command, args []string) error {
		target, rest, err := root.Find(args)
		if err == nil { // cobra's own prints the usage, and succeeds
			err = cobra.NoArgs(target, rest)
		}
		if err != nil {
			return err
		}
		return target.Help()
	}
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
			return runLogged(cmd.Context(), o, cmd.OutOrStdout())
		},
	}
	siteFlags(cmd, &o, "out")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 5*time.Minute, "longest `time` of the run")
	return cmd
}

func upCommand() *cobra.Command {
	o := options{up: true}
	cmd := &cobra.Command{
		Use:   "up",
		Short: "Run simulated usage and keep everything running",
		Long: `Do what devstack run does, but keep everything running until interrupted. It prints
the address, account and password of the page that shows the bill, the address of the
console, the lines that make stackusage work in another shell, and the addresses of
everything else.

Ports on 127.0.0.1, from --port on:
  +0  account page          +4  blob storage
  +1  stackusage console    +5  queue storage
  +2  commerce              +6  table storage
  +3  Functions host        +7  usage API of the stack; further stacks follow
Everything else has ports that the system chooses.

Files below --out: up.log, prices.csv. Results of devstack run stay as they are.`,
		Example: `  devstack up
  devstack up --scenario documented-test --registration kit
  devstack up --port 19000`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var err error
			if o.ports, err = ports.From(o.port, o.stackCount()); err != nil {
				return err
			}
			if err := o.ports.Check(); err != nil {
				return err
			}
			return logged(cmd.Context(), o, cmd.OutOrStdout(), up)
		},
	}
	siteFlags(cmd, &o, filepath.Join("out", "up"))
	cmd.Flags().IntVar(&o.port, "port", ports.Default, "first `port` to listen on; 0: the system chooses all of them")
	return cmd
}

// siteFlags are those of run and up; out is where each writes.
func siteFlags(cmd *cobra.Command, o *options, out string) {
	stackFlags(cmd, o, defaultScenario)
	cmd.Flags().StringVar(&o.registration, "registration", asIntegrated,
		"`kind` of registration: integrated; kit, which is never charged; or csp, where each tenant has a billing subscription of its own")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "seed of the scenario")
	cmd.Flags().StringVar(&o.out, "out", out, "`folder` for the results")
	cmd.Flags().StringVar(&o.app, "app", built("app"), "`folder` of the staged function app")
	complete(cmd, "registration", registeredAs)
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if !slices.Contains(registeredAs, o.registration) {
			return fmt.Errorf("--registration %q: must be one of %s", o.registration, strings.Join(registeredAs, ", "))
		}
		return nil
	}
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

// runLogged is devstack run.
func runLogged(ctx context.Context, o options, stdout io.Writer) error {
	// What a failed run leaves must not be taken for its results.
	for _, old := range []string{"balance.json", "commerce-records.ndjson", "usage-details.csv", "tables"} {
		if err := os.RemoveAll(filepath.Join(o.out, old)); err != nil {
			return fmt.Errorf("remove earlier results: %w", err)
		}
	}
	return logged(ctx, o, stdout, runToBalance)
}

// logged does the work of run or up with a log below --out.
func logged(ctx context.Context, o options, stdout io.Writer, work func(context.Context, options, *slog.Logger, io.Writer) error) error {
	log, done, err := openLog(o.logFile())
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

// logFile is the log of the Functions host and the handler. That of up has a name of its own:
// in a folder with results of run it leaves their log alone.
func (o options) logFile() string {
	if o.up {
		return filepath.Join(o.out, "up.log")
	}
	return filepath.Join(o.out, "host.log")
}

// stackCount is how many stacks there are.
func (o options) stackCount() int {
	if o.recordings != "" {
		return 1
	}
	return max(1, len(scenarios.Stacks(o.scenario)))
}

// openLog opens a log, and makes its folder.
func openLog(path string) (log *slog.Logger, done func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, nil, fmt.Errorf("make folder for the results: %w", err)
	}
	file, err := os.Create(path)
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
