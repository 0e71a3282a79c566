package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/cmd/devstack/front"
	"stackusage/internal/devstack/azurite"
	"stackusage/internal/devstack/blobevents"
	"stackusage/internal/devstack/commerce"
	"stackusage/internal/devstack/functionhost"
	"stackusage/internal/devstack/loopback"
	"stackusage/shared/azurestore"
	"stackusage/shared/landing"
	"stackusage/shared/queue"
)

// timeScale makes the Functions host's time pass faster: its ten-minute lease
// takes half a minute. invocationLimit keeps the handler inside the scaled
// functionTimeout.
const (
	timeScale       = 20
	invocationLimit = "80s"
)

// site is everything that runs.
type site struct {
	*local // the first stack
	stacks []*local

	o        options
	log      *slog.Logger
	out      io.Writer
	dir      string
	azurite  *azurite.Server
	settings map[string]string // of the function app
	front    *front.Front      // what the agents meet
	commerce string            // URL
	host     *functionhost.Host
	usage    *azurestore.Account

	// sweepEvery is the least time between two sweeps while all is waited for.
	sweepEvery time.Duration
	// accounted reports whether the work of a failed message has been done by
	// another; nil: no message may fail.
	accounted func(ctx context.Context, text string) bool

	closers []func() // run last to first

	progressing sync.Mutex // agents may run side by side
}

const (
	usageAccount = iota
	landingAccount
	accounts
)

func startSite(ctx context.Context, o options, log *slog.Logger, out io.Writer) (*site, error) {
	for _, path := range []string{filepath.Join(o.app, "host.json"), o.agent} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w (build first with: make stage)", err)
		}
	}
	s := &site{o: o, log: log, out: out}
	if err := s.start(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *site) start(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "devstack-"); err != nil {
		return err
	}
	if s.o.keep {
		fmt.Fprintln(s.out, "temporary folder (kept):", s.dir)
	} else {
		s.closers = append(s.closers, func() { os.RemoveAll(s.dir) })
	}
	s.progress("starting Azurite, the stack, commerce and the Functions host")
	if err := s.startStacks(); err != nil { // first: it finds what is wrong with the call
		return err
	}
	if err := s.startStorage(ctx); err != nil {
		return err
	}
	if err := s.startCommerce(); err != nil {
		return err
	}
	if err := s.register(ctx); err != nil {
		return err
	}
	if err := s.startEvents(); err != nil {
		return err
	}
	if s.o.noHost {
		return nil
	}
	return s.startHost(ctx)
}

func (s *site) progress(format string, args ...any) {
	s.progressing.Lock()
	defer s.progressing.Unlock()
	fmt.Fprintf(s.out, "%s  %s\n", time.Now().UTC().Format("15:04:05Z"), fmt.Sprintf(format, args...))
}

func (s *site) stop() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
	s.closers = nil
}

func (s *site) folder(name string) (string, error) {
	dir := filepath.Join(s.dir, name)
	return dir, os.MkdirAll(dir, 0o755)
}

func (s *site) startStorage(ctx context.Context) error {
	dir, err := s.folder("azurite")
	if err != nil {
		return err
	}
	if s.azurite, err = azurite.Start(ctx, azurite.Options{Dir: dir, Accounts: accounts, Ports: s.o.ports.Storage}); err != nil {
		return err
	}
	s.closers = append(s.closers, s.azurite.Kill)
	tmp, err := s.folder("tmp")
	if err != nil {
		return err
	}
	s.settings = map[string]string{
		"AzureWebJobsStorage": s.azurite.ConnectionString(usageAccount),
		"UsageStorage":        s.azurite.ConnectionString(usageAccount),
		"LandingStorage":      s.azurite.ConnectionString(landingAccount),
		"SWEEP_SCHEDULE":      quietTimer,
		"SWEEP_GRACE":         "20s",
		"FORWARD_RETRY":       "1s",
		"SEND_LIMIT":          "10s",
		"REOPEN_DELAY":        "1s",
		"INVOCATION_LIMIT":    invocationLimit,
		"TMPDIR":              tmp,
	}
	if s.o.up {
		s.settings["SWEEP_SCHEDULE"] = "0 */5 * * * *"
	}
	if len(s.stacks) > 1 {
		s.settings["CLOSE_DELAY"] = "20s" // a day with a gap closes while somebody waits
	}
	if s.usage, err = azurestore.Connect(s.setting, "UsageStorage"); err != nil {
		return err
	}
	for _, l := range s.stacks {
		if l.landingURL, err = s.front.Landing(s.settings["LandingStorage"], landing.Container(l.cloudID)); err != nil {
			return err
		}
	}
	return nil
}

// quietTimer keeps the timer quiet during run, which sweeps by itself once
// all hours are in: a timer in the middle would close a day before its late
// rows come, and the same recording would give other revisions each time.
const quietTimer = "0 0 0 1 1 *"

func (s *site) setting(name string) string { return s.settings[name] }

func (s *site) startCommerce() error {
	server, err := commerce.New(commerce.Options{})
	if err != nil {
		return err
	}
	if s.commerce, err = s.serve(s.o.ports.Commerce, server); err != nil {
		return err
	}
	s.settings["COMMERCE_ENDPOINT"] = s.commerce
	return nil
}

// serve serves h on a port until the site stops; 0: the kernel chooses.
func (s *site) serve(port int, h http.Handler) (url string, err error) {
	address, stop, err := loopback.ServeOn(port, h)
	if err != nil {
		return "", err
	}
	s.closers = append(s.closers, stop)
	return "http://" + address, nil
}

func (s *site) startEvents() error {
	blobs, err := azblob.NewClientFromConnectionString(s.settings["LandingStorage"], nil)
	if err != nil {
		return err
	}
	queue, err := azqueue.NewQueueClientFromConnectionString(s.settings["UsageStorage"], queue.Landed, nil)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	w := &blobevents.Watcher{Blobs: blobs, Queue: queue, Prefix: landing.Container(""), Every: 200 * time.Millisecond}
	var running sync.WaitGroup
	running.Go(func() { w.Run(ctx) })
	s.closers = append(s.closers, func() { cancel(); running.Wait() })
	return nil
}

func (s *site) startHost(ctx context.Context) (err error) {
	s.host, err = functionhost.Start(ctx, functionhost.Options{AppDir: s.o.app, Port: s.o.ports.Host, Settings: s.settings, TimeScale: timeScale, Log: s.log})
	if err != nil {
		return fmt.Errorf("%w (the log is %s)", err, s.o.logFile())
	}
	s.closers = append(s.closers, func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.host.Stop(ctx); err != nil {
			s.log.Error("host did not stop", "error", err)
		}
	})
	return nil
}
