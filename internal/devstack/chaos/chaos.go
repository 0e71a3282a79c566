// Package chaos makes everything around the function app fail, by a seed, then
// lets it settle and checks that no usage is lost, billed twice or left over. It
// is no stand-in: it knows the product's queues and tables.
//
//	storm    two Functions hosts work on the same queues; faults of storage, handler,
//	         host, clock, commerce and stack, until each kind has happened
//	settle   no more faults, the clock ahead of all that was written
//	check    the balance, verify, and what commerce was sent in a calm run
//
// The seed fixes what happens to the n-th write of a kind and the order of
// everything else. Processes still race, as they do in Azure.
package chaos

import (
	"context"
	"debug/buildinfo"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"stackusage/internal/devstack/azurite"
	"stackusage/internal/devstack/balance"
	"stackusage/internal/devstack/functionhost"
	"stackusage/internal/devstack/storagefaults"
	"stackusage/shared/table"
)

// Options say how one run goes.
type Options struct {
	App    string        // staged function app, its handler built with -tags movedclock
	Seed   uint64        //
	Storm  time.Duration // longest time with faults
	Settle time.Duration // longest time to settle after them
	Quick  bool          // fewer faults: not every kind of write meets each kill
}

// Site is what runs around the Functions hosts, which Run starts.
type Site struct {
	Dir             string            // for files of the run
	Settings        map[string]string // of the function app; Run sets some
	Azurite         *azurite.Server
	Tables          table.Store // of the app
	Stack, Commerce string      // URLs
	CloudID         string
	First, End      time.Time // of the hours that the stack reports
	Log             *slog.Logger
	Progress        func(format string, args ...any)

	// Agent runs the agent over the reported hours before end; each time with the same
	// configuration and spool.
	Agent func(ctx context.Context, end time.Time) error
	// Ingested counts the landed files that were ingested.
	Ingested func(ctx context.Context) (int, error)
	// Balance waits until host has billed everything, and returns the balance sheet. A
	// failed message for which done is true counts as done.
	Balance func(ctx context.Context, host *functionhost.Host, done func(ctx context.Context, text string) bool) (balance.Sheet, error)
}

// Host time passes fast enough for a lease of ten minutes to end in six
// seconds: a handler that is killed with its host leaves its messages leased.
const (
	hostScale       = 100
	invocationLimit = "15s" // functionTimeout takes 18 s
)

// run is one run.
type run struct {
	Site
	o      Options
	rng    *rand.Rand // of the loop in storm only
	faults *storagefaults.Faults
	hosts  []*host
	clock  movedClock

	outageEnd time.Time
	restarts  int // of Azurite, also those that are left out

	mu     sync.Mutex
	counts map[string]int
}

// count notes a fault that really happened.
func (r *run) count(kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[kind]++
}

// Run does one run to its end. The sheet says what is wrong with it, if anything;
// the error is for a run that has no result. Want is what Sums returned for a calm
// run; nil: nothing is compared.
func Run(ctx context.Context, o Options, s Site, want map[string]string) (balance.Sheet, Tally, error) {
	r := &run{
		Site: s, o: o, rng: rand.New(rand.NewPCG(o.Seed, 0x6368616f73)),
		faults: storagefaults.New(o.Seed), counts: map[string]int{},
		clock: movedClock{file: filepath.Join(s.Dir, "clock")},
	}
	if o.Quick {
		r.faults.Light()
	}
	for name, value := range map[string]string{
		"INVOCATION_LIMIT": invocationLimit, "SWEEP_GRACE": "4s", "FORWARD_RETRY": "100ms", "SEND_LIMIT": "5s", "LOG_LEVEL": "debug",
	} {
		s.Settings[name] = value
	}
	stop, err := r.startHosts()
	defer stop()
	if err != nil {
		return balance.Sheet{}, Tally{}, err
	}
	if err := r.storm(ctx); err != nil {
		return balance.Sheet{}, Tally{}, err
	}
	sheet, err := r.settle(ctx)
	if err != nil {
		return balance.Sheet{}, Tally{}, err
	}
	r.check(ctx, &sheet, want)
	return sheet, r.tally(sheet.Balanced), nil
}

// FollowsMovedClock returns an error for an app whose handler does not notice
// that its clock is moved.
func FollowsMovedClock(app string) error {
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
