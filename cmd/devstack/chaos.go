package main

import (
	"context"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/storagefaults"
)

const chaosHelp = `devstack chaos runs the whole way of the data while everything around it fails, by a
seed, then lets it settle and checks that nothing is lost, billed twice or left over.

What goes wrong, as long as --storm lasts at most:
  storage    each write of the handler fails, not stored, and stored but reported as failed,
             once and on every retry of the client
  handler    SIGKILL before and after each kind of write; two hosts with a handler each
             work on the same messages, and messages come twice
  host       stops after three crashes within half an hour, as in Azure; is started again
  messages   fail five times and are poisoned; cannot be read
  Azurite    SIGTERM, and a new start on the same data
  clock      the handlers' clock goes hours ahead and back
  commerce   429, 500, 401, replies cut, wrong, in another order, incomplete
  stack      429, 503, 504, 202 and cut answers of the usage API

Every run ends with a table of the faults by kind. A run passes if the balance is exact,
verify finds no difference, nothing is pending, commerce was told the same sums as in a
calm run, and every kind of fault happened. The seed fixes what happens to the n-th write
of a kind and the order of everything else; processes still race, as they do in Azure.

Exit code: 0 all runs passed, 2 one did not (its seed is named), 1 anything else.
Build first with: make stage-chaos

Flags:
`

// chaosOptions is what devstack chaos is asked for.
type chaosOptions struct {
	options
	runs    int
	storm   time.Duration
	compare bool // with a calm run
	quick   bool // fewer faults: not every kind of write is met by each kill
}

// Host time passes fast enough for a lease of ten minutes to end in six
// seconds: a handler that is killed with its host leaves its messages leased.
const (
	chaosScale = 100
	chaosLimit = "15s" // an invocation's; functionTimeout takes 18 s
)

func chaosCommand(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var o chaosOptions
	fs := flag.NewFlagSet("devstack chaos", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() { fmt.Fprint(fs.Output(), chaosHelp); fs.PrintDefaults() }
	fs.StringVar(&o.recordings, "recordings", "", "serve the recorded hours in this `folder` instead of the scenario")
	fs.StringVar(&o.scenario, "scenario", "flawed-days", "serve the generated scenario of this `name`")
	fs.Uint64Var(&o.seed, "seed", 1, "seed of the first run; the next ones count up")
	fs.IntVar(&o.runs, "runs", 1, "how many runs, each with a site of its own")
	fs.DurationVar(&o.storm, "storm", 2*time.Minute, "how long faults go on at most; they end when every kind happened and all is reported")
	fs.DurationVar(&o.timeout, "timeout", 3*time.Minute, "how long a run may take to settle once the faults have ended")
	fs.BoolVar(&o.compare, "compare", true, "compare what commerce was told with a calm run")
	fs.BoolVar(&o.quick, "quick", false, "fewer faults: each kind of write meets two of them, no hours come late")
	fs.StringVar(&o.out, "out", filepath.Join("out", "chaos"), "`folder` for the results: seed-<N>/ with what devstack run writes, and faults.json")
	fs.StringVar(&o.app, "app", built("chaos", "app"), "staged function app `folder`, its handler built with -tags movedclock")
	fs.StringVar(&o.agent, "agent", built("bin", "stackusage-agent"), "the agent's `program`")
	fs.BoolVar(&o.keep, "keep", false, "keep the temporary folders (storage, spool)")
	if len(args) == 1 && args[0] == "--help" {
		fs.SetOutput(stdout)
		fs.Usage()
		return nil
	}
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("argument %q is not known", fs.Arg(0))
	}
	first, out := o.seed, o.out
	var failed []string
	for i := range o.runs {
		o.seed = first + uint64(i)
		o.out = filepath.Join(out, fmt.Sprintf("seed-%d", o.seed))
		err := chaosSeed(ctx, o, stdout, stderr)
		switch {
		case ctx.Err() != nil:
			return errInterrupted
		case errors.Is(err, errChaos):
			failed = append(failed, fmt.Sprint(o.seed))
		case err != nil:
			return fmt.Errorf("seed %d: %w", o.seed, err)
		}
	}
	if failed != nil {
		fmt.Fprintf(stderr, "FAILED with seed %s; again with: devstack chaos --seed %s\n", strings.Join(failed, ", "), failed[0])
		return errUnbalanced
	}
	fmt.Fprintf(stdout, "all %d runs passed\n", o.runs)
	return nil
}

// errChaos: a run came to its end and found something wrong, and said what.
var errChaos = errors.New("the run did not pass")

func chaosSeed(ctx context.Context, o chaosOptions, stdout, stderr io.Writer) error {
	if err := os.RemoveAll(o.out); err != nil {
		return err
	}
	if err := os.MkdirAll(o.out, 0o755); err != nil {
		return err
	}
	logFile, err := os.Create(filepath.Join(o.out, "host.log"))
	if err != nil {
		return err
	}
	defer logFile.Close()
	log := slog.New(slog.NewTextHandler(logFile, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c, sheet, err := runChaos(ctx, o, log, stderr)
	if err != nil {
		return err
	}
	if err := c.report(stdout, sheet); err != nil {
		return err
	}
	if !sheet.Balanced {
		return errChaos
	}
	return nil
}

// chaos is one run.
type chaos struct {
	*site
	o      chaosOptions
	rng    *rand.Rand // of the loop in storm only
	faults *storagefaults.Faults
	hosts  []*chaosHost
	clock  movedClock

	outageEnd time.Time
	azurites  int // times that a restart of Azurite came up

	tally tally // once it has ended

	mu     sync.Mutex
	counts map[string]int
}

// count notes a fault that was really given.
func (c *chaos) count(kind string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts[kind]++
}

// runChaos does one run to its end. The sheet says what is wrong with it, if
// anything; err is for a run that could not be judged.
func runChaos(ctx context.Context, o chaosOptions, log *slog.Logger, progress io.Writer) (*chaos, balance.Sheet, error) {
	if err := followsMovedClock(o.app); err != nil {
		return nil, balance.Sheet{}, err
	}
	var want map[string]string
	if o.compare {
		var err error
		if want, err = calmSums(ctx, o, log, progress); err != nil {
			return nil, balance.Sheet{}, fmt.Errorf("calm run: %w", err)
		}
	}
	o.noHost = true
	s, err := startSite(ctx, o.options, log, progress)
	if err != nil {
		return nil, balance.Sheet{}, err
	}
	defer s.stop()
	c := &chaos{
		site: s, o: o, rng: rand.New(rand.NewPCG(o.seed, 0x6368616f73)),
		faults: storagefaults.New(o.seed), counts: map[string]int{},
		clock: movedClock{file: filepath.Join(s.dir, "clock")},
	}
	if o.quick {
		c.faults.Light()
	}
	for name, value := range map[string]string{
		"INVOCATION_LIMIT": chaosLimit, "SWEEP_GRACE": "4s", "FORWARD_RETRY": "100ms", "SEND_LIMIT": "5s", "LOG_LEVEL": "debug",
	} {
		s.settings[name] = value
	}
	s.accounted = c.accounted
	// A clock far ahead makes every batch look forgotten: each sweep sends it again.
	s.sweepEvery = 4 * time.Second
	if err := c.startHosts(); err != nil {
		return nil, balance.Sheet{}, err
	}
	if err := c.storm(ctx); err != nil {
		return nil, balance.Sheet{}, err
	}
	sheet, err := c.settle(ctx)
	if err != nil {
		return nil, balance.Sheet{}, err
	}
	c.judge(&sheet, want)
	c.tally = c.tallied(sheet.Balanced)
	c.tally.Faults[poisoned] = c.countPoisoned()
	return c, sheet, c.write(ctx, sheet)
}

// followsMovedClock refuses an app whose handler would not notice that its clock
// is moved.
func followsMovedClock(app string) error {
	handler := filepath.Join(app, "bin", "handler")
	info, err := buildinfo.ReadFile(handler)
	if err != nil {
		return fmt.Errorf("%w (build first with: make stage-chaos)", err)
	}
	for _, s := range info.Settings {
		if s.Key == "-tags" && strings.Contains(s.Value, "movedclock") {
			return nil
		}
	}
	return fmt.Errorf("%s is not built with -tags movedclock (build first with: make stage-chaos)", handler)
}
