// Command devstack runs the whole way of the data on one machine: Azurite, a
// stand-in for the Functions host with the real handler, a simulated stack with
// the real agent, and a stand-in for commerce. Run it with --help.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"stackusage/internal/devstack/azurestack"
	"stackusage/internal/devstack/balance"
	"stackusage/shared/azurestore"
	"stackusage/shared/verify"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Getenv, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, errUnbalanced):
		os.Exit(2)
	case errors.Is(err, errInterrupted):
		fmt.Fprintln(os.Stderr, "devstack: interrupted")
		os.Exit(1)
	case err != nil && !errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(os.Stderr, "devstack:", err)
		os.Exit(1)
	}
}

// errUnbalanced: the run came to its end, and something is not accounted for.
var errUnbalanced = errors.New("the balance is not even")

const help = `devstack runs the whole way of the data on one machine.

  devstack run    start everything, register the stack, run the agent over all its
                  hours, wait until every day is billed, stop everything, write the
                  results, and print the bill and the balance sheet
  devstack up     the same, but keep everything running until interrupted, and print
                  the addresses: of the page that shows the bill, with the account
                  and password to sign in, and of everything else
  devstack chaos  run with faults everywhere, by a seed, and check that nothing is lost,
                  billed twice or left over; devstack chaos --help says more

Results of run, below --out:
  balance.json              rows served, accepted, quarantined; sums per meter and day;
                            whether stackusage verify finds a difference, which is not balanced either
  commerce-records.ndjson   each record that commerce accepted, as it came in
  usage-details.csv         the usage details file
  tables/<Table>.ndjson     every table, a row a line
  host.log                  what the Functions host and the handler logged

Exit code: 0 balanced, 2 not balanced, 1 anything else.

Build first with: make stage

Flags:
`

const defaultScenario = "three-days"

type options struct {
	recordings, scenario, registration string
	out, app, agent                    string
	seed                               uint64
	timeout                            time.Duration
	keep, up                           bool
	noHost                             bool // whoever starts the site brings its own
}

func run(ctx context.Context, args []string, _ func(string) string, stdout, stderr io.Writer) error {
	var o options
	fs := flag.NewFlagSet("devstack", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(fs.Output(), help); fs.PrintDefaults() }
	fs.StringVar(&o.recordings, "recordings", "", "serve the recorded hours in this `folder`: files YYYY-MM-DDTHH.json")
	fs.StringVar(&o.scenario, "scenario", defaultScenario, "serve the generated scenario of this `name`: "+strings.Join(azurestack.ScenarioNames(), ", "))
	fs.StringVar(&o.registration, "registration", asIntegrated, "register the stack as `what`: integrated; kit, which is never charged; or csp, where each tenant pays for itself")
	fs.Uint64Var(&o.seed, "seed", 1, "seed of the scenario")
	fs.StringVar(&o.out, "out", "out", "`folder` for the results")
	fs.StringVar(&o.app, "app", built("app"), "staged function app `folder`")
	fs.StringVar(&o.agent, "agent", built("bin", "stackusage-agent"), "the agent's `program`")
	fs.DurationVar(&o.timeout, "timeout", 5*time.Minute, "how long run may take before it gives up")
	fs.BoolVar(&o.keep, "keep", false, "keep the temporary folder (storage, spool)")
	if len(args) > 0 && args[0] == "chaos" {
		return chaosCommand(ctx, args[1:], stdout, stderr)
	}
	if len(args) == 0 || args[0] != "run" && args[0] != "up" {
		if len(args) > 0 && (args[0] == "help" || args[0] == "-h" || args[0] == "--help") {
			fs.SetOutput(stdout)
			fs.Usage()
			return nil
		}
		fs.Usage()
		if len(args) > 0 {
			return fmt.Errorf("command %q is not known: run, up or chaos", args[0])
		}
		return errors.New("a command is missing: run, up or chaos")
	}
	if err := fs.Parse(args[1:]); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("argument %q is not known", fs.Arg(0))
	}
	if err := checkRegisteredAs(o.registration); err != nil {
		return err
	}
	o.up = args[0] == "up"
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return fmt.Errorf("make folder for the results: %w", err)
	}
	// What a failed run leaves must not be taken for its results.
	for _, old := range []string{"balance.json", "commerce-records.ndjson", "usage-details.csv", "tables"} {
		if err := os.RemoveAll(filepath.Join(o.out, old)); err != nil {
			return fmt.Errorf("remove earlier results: %w", err)
		}
	}
	logFile, err := os.Create(filepath.Join(o.out, "host.log"))
	if err != nil {
		return fmt.Errorf("make log: %w", err)
	}
	defer logFile.Close()
	log := slog.New(slog.NewTextHandler(logFile, &slog.HandlerOptions{Level: slog.LevelDebug}))
	work := runToBalance
	if o.up {
		work = up
	}
	err = work(ctx, o, log, stdout)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return errInterrupted
	}
	return err
}

// errInterrupted: somebody pressed Ctrl-C; what broke because of it is noise.
var errInterrupted = errors.New("interrupted")

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

// up keeps everything running.
func up(ctx context.Context, o options, log *slog.Logger, stdout io.Writer) error {
	s, err := startSite(ctx, o, log, stdout)
	if err != nil {
		return err
	}
	defer s.stop()
	page, err := s.startAccountPage()
	if err != nil {
		return err
	}
	if err := s.runAgent(ctx); err != nil {
		return err
	}
	s.printAddresses(stdout)
	if err := s.waitUntilBilled(ctx); err != nil && ctx.Err() == nil {
		s.progress("not everything is billed: %v", err)
	}
	page.print(stdout)
	fmt.Fprintln(stdout, "running; interrupt to stop")
	select {
	case <-ctx.Done():
		fmt.Fprintln(stdout, "stopping")
		return nil
	case <-s.host.Done():
		return fmt.Errorf("the function host stopped: %w", s.host.Err())
	}
}

// runToBalance is devstack run.
func runToBalance(ctx context.Context, o options, log *slog.Logger, stdout io.Writer) error {
	ctx, cancel := context.WithTimeoutCause(ctx, o.timeout, fmt.Errorf("not done after %s", o.timeout))
	defer cancel()
	s, err := startSite(ctx, o, log, stdout)
	if err != nil {
		return err
	}
	defer s.stop()
	if err := s.runAgent(ctx); err != nil {
		return err
	}
	waited := s.waitUntilBilled(ctx)
	sheet, err := s.results(context.WithoutCancel(ctx))
	if err != nil {
		return errors.Join(waited, err)
	}
	if waited != nil {
		sheet.Balanced = false
		sheet.Problems = append(sheet.Problems, waited.Error())
	}
	if err := s.write(context.WithoutCancel(ctx), sheet); err != nil {
		return err
	}
	if err := s.printSummary(context.WithoutCancel(ctx), sheet, stdout); err != nil {
		return err
	}
	if !sheet.Balanced {
		return errUnbalanced
	}
	return nil
}

// verify lets the product check itself: the balance compares both ends of the
// way of the data, this compares every step between them.
func (s *site) verify(ctx context.Context, sheet *balance.Sheet) error {
	landed, err := azurestore.Connect(s.setting, "LandingStorage")
	if err != nil {
		return err
	}
	report, err := verify.Run(ctx, verify.Stores{Tables: s.usage.Tables, Landing: landed.Blobs, App: s.usage.Blobs, NoBlob: azurestore.ErrNoBlob}, verify.Options{
		SettlingHours: 6, CloseDelay: 48 * time.Hour, SweepGrace: 15 * time.Minute, Now: time.Now(), TempDir: s.dir,
	})
	if err != nil {
		return err
	}
	for _, f := range report.Differences {
		sheet.Problems = append(sheet.Problems, "verify: "+f.String())
	}
	for _, f := range report.Open {
		s.progress("verify: open: %s", f)
	}
	sheet.Verified = len(report.Differences) == 0
	sheet.Balanced = sheet.Balanced && sheet.Verified
	s.progress("verified: %d hours, %d rows, %d days, %d revisions, %d records, %d answers; %d differences",
		report.Hours, report.Rows, report.Days, report.Revisions, report.Records, report.Answers, len(report.Differences))
	return nil
}
