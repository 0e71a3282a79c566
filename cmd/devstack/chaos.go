package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/devstack/results"
	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/chaos"
	"stackusage/internal/devstack/functionhost"
)

// chaosOptions are those of devstack chaos.
type chaosOptions struct {
	options
	runs    int
	storm   time.Duration
	compare bool // with a calm run
	quick   bool
}

func chaosCommand() *cobra.Command {
	o := chaosOptions{options: options{registration: asIntegrated}}
	cmd := &cobra.Command{
		Use:   "chaos",
		Short: "Fail everything around the app, and check the bill",
		Long: `Run the whole data flow while everything around it fails, by a seed, then let it
settle and check that no usage is lost, billed twice or left over.

Faults, for --storm at most:
  storage    each write of the handler fails: not stored, and stored but reported as
             failed; once and on every retry of the client
  handler    SIGKILL before and after each kind of write; two hosts with a handler each
             work on the same messages, and messages come twice
  host       stops after three crashes within half an hour, as in Azure; is started again
  messages   fail five times and are poisoned; cannot be read
  Azurite    SIGTERM, and a new start on the same data
  clock      the handlers' clock goes hours ahead and back
  commerce   429, 500, 401; responses that are cut, wrong, in another order, incomplete
  stack      429, 503, 504, 202 and cut responses of the usage API

Every run ends with a table of the faults by kind. A run passes if the balance is exact,
verify finds no difference, nothing is pending, commerce accepted the same sums as in a
calm run, and every kind of fault happened.

Exit code: 0 all runs passed, 2 a run did not pass (its seed is printed), 1 any other error.
Build first with: make stage-chaos`,
		Example: `  devstack chaos --runs 3
  devstack chaos --seed 17 --quick`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return chaosRuns(cmd.Context(), o, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	stackFlags(cmd, &o.options, "flawed-days")
	flags := cmd.Flags()
	flags.Uint64Var(&o.seed, "seed", 1, "seed of the first run; the next runs count up")
	flags.IntVar(&o.runs, "runs", 1, "number of runs, each with a site of its own")
	flags.DurationVar(&o.storm, "storm", 5*time.Minute, "longest `time` with faults; they end when every kind happened and all hours are ingested")
	flags.DurationVar(&o.timeout, "timeout", 3*time.Minute, "longest `time` to settle after the faults")
	flags.BoolVar(&o.compare, "compare", true, "compare what commerce accepted with a calm run")
	flags.BoolVar(&o.quick, "quick", false, "fewer faults: each kind of write meets two of them, no hours come late")
	flags.StringVar(&o.out, "out", filepath.Join("out", "chaos"), "`folder` for the results: seed-<N>/ with those of devstack run, and faults.json")
	flags.StringVar(&o.app, "app", built("chaos", "app"), "`folder` of the staged function app, its handler built with -tags movedclock")
	return cmd
}

func chaosRuns(ctx context.Context, o chaosOptions, stdout, stderr io.Writer) error {
	if err := chaos.FollowsMovedClock(o.app); err != nil {
		return err
	}
	first, out := o.seed, o.out
	var failed []string
	for i := range o.runs {
		o.seed = first + uint64(i)
		o.out = filepath.Join(out, fmt.Sprintf("seed-%d", o.seed))
		passed, err := chaosRun(ctx, o, stdout, stderr)
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case err != nil:
			return fmt.Errorf("seed %d: %w", o.seed, err)
		case !passed:
			failed = append(failed, fmt.Sprint(o.seed))
		}
	}
	if failed != nil {
		return fmt.Errorf("%w: seed %s; run it again with: devstack chaos --seed %s", errUnbalanced, strings.Join(failed, ", "), failed[0])
	}
	fmt.Fprintf(stdout, "all %d runs passed\n", o.runs)
	return nil
}

// chaosRun is the run of one seed.
func chaosRun(ctx context.Context, o chaosOptions, stdout, progress io.Writer) (passed bool, err error) {
	if err := os.RemoveAll(o.out); err != nil {
		return false, err
	}
	log, done, err := openLog(o.logFile())
	if err != nil {
		return false, err
	}
	defer done()
	var want map[string]string
	if o.compare {
		if want, err = calmSums(ctx, o.options, log, progress); err != nil {
			return false, fmt.Errorf("calm run: %w", err)
		}
	}
	o.noHost = true
	s, err := startSite(ctx, o.options, log, progress)
	if err != nil {
		return false, err
	}
	defer s.stop()
	// A clock far ahead makes every batch look forgotten: each sweep sends it again.
	s.sweepEvery = 4 * time.Second
	sheet, tally, err := chaos.Run(ctx, chaos.Options{App: o.app, Seed: o.seed, Storm: o.storm, Settle: o.timeout, Quick: o.quick}, s.failing(), want)
	if err != nil {
		return false, err
	}
	if err := results.Write(ctx, s.o.out, s.commerce, s.usage.Tables, sheet); err != nil {
		return false, err
	}
	return sheet.Balanced, printTally(stdout, o.out, tally, sheet)
}

// failing is the site as chaos sees it.
func (s *site) failing() chaos.Site {
	return chaos.Site{
		Dir: s.dir, Settings: s.settings, Azurite: s.azurite, Tables: s.usage.Tables, Stack: s.stackURL, Commerce: s.commerce,
		CloudID: cloudID, First: s.stack.First(), End: s.stack.End(), Log: s.log, Progress: s.progress, Agent: s.agentUntil,
		Ingested: func(ctx context.Context) (int, error) {
			ingested, _, err := s.hours(ctx)
			return ingested, err
		},
		Balance: func(ctx context.Context, host *functionhost.Host, done func(context.Context, string) bool) (balance.Sheet, error) {
			s.host, s.accounted = host, done
			return s.balance(ctx)
		},
	}
}

// calmSums is what commerce accepts when nothing goes wrong.
func calmSums(ctx context.Context, o options, log *slog.Logger, progress io.Writer) (map[string]string, error) {
	s, err := startSite(ctx, o, log, progress)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	if err := s.runAgent(ctx); err != nil {
		return nil, err
	}
	if err := s.waitUntilBilled(ctx); err != nil {
		return nil, err
	}
	return chaos.Sums(ctx, s.commerce)
}

// printTally prints what happened and how it ended, and writes faults.json.
func printTally(out io.Writer, folder string, t chaos.Tally, sheet balance.Sheet) error {
	t.Print(out)
	results.PrintProblems(out, sheet.Problems, 20)
	if sheet.Balanced {
		fmt.Fprintf(out, "\nseed %d passed: %d rows billed or quarantined to the last digit, verified, nothing pending\n", t.Seed, sheet.RowsServed)
	} else {
		fmt.Fprintf(out, "\nSEED %d DID NOT PASS\n", t.Seed)
	}
	fmt.Fprintln(out, "results:", folder)
	text, err := json.MarshalIndent(t, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "faults.json"), append(text, '\n'), 0o644)
}
