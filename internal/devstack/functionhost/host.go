package functionhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/process"
	"stackusage/internal/devstack/functionhost/storage"
)

// drainLimit is how much host time Stop gives the invocations under way.
const drainLimit = 30 * time.Second

// Options says what to run. AppDir is required.
type Options struct {
	// AppDir is the staged folder: host.json, <Name>/function.json, the handler.
	AppDir string
	// Port is where the host serves HTTP, on loopback; 0: the kernel chooses.
	Port int
	// Settings are the app settings. The handler sees them in its environment,
	// verbatim, after the environment of this process.
	Settings map[string]string
	// HandlerSettings replace Settings of the same name in the handler's
	// environment only: so a test puts something between the handler and what the
	// host itself reaches directly.
	HandlerSettings map[string]string
	// Key is the x-functions-key (or code=) that HTTP functions of authLevel
	// function and admin, and the admin interface, ask for. Empty: nobody asks.
	Key string
	// TimeScale is how many times faster host time passes; 0 and 1 mean real time.
	// See the package comment for what it touches.
	TimeScale int
	// Identity is the app's managed identity, by which the host itself reaches the
	// storage of connections with <name>__credential=managedidentity; nil: the app
	// has none. The handler signs in for itself.
	Identity azcore.TokenCredential
	// Transport is how the host's own calls reach storage; nil: as usual.
	Transport policy.Transporter
	// Log gets what the host and the handler log; nil: nothing is logged.
	Log *slog.Logger
}

// Host is a running stand-in.
type Host struct {
	opts    Options
	app     *app.App
	set     app.Settings
	log     *slog.Logger
	clock   *clock
	stats   *counters
	sup     *process.Supervisor
	invoker *invoker
	gate    *gate
	server  *http.Server
	url     string

	stopListening context.CancelFunc      // no new work
	stopWork      context.CancelCauseFunc // all is over
	listening     context.Context
	working       context.Context
	running       sync.WaitGroup
	done          chan struct{}

	mu  sync.Mutex
	err error
}

// Start loads the app, starts its handler and its triggers, and returns once the
// handler answers. An app that the real host would not run, or would run without
// one of its functions, is an error; so is a handler that does not come up,
// which wraps ErrTooManyCrashes. Ctx bounds only the start. The caller must call
// Stop or KillHost.
func Start(ctx context.Context, opts Options) (*Host, error) {
	if opts.AppDir == "" {
		return nil, errors.New("start host: AppDir is missing")
	}
	h := &Host{
		opts:  opts,
		set:   app.Settings(opts.Settings),
		log:   opts.Log,
		clock: newClock(int64(opts.TimeScale)),
		gate:  newGate(),
		done:  make(chan struct{}),
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if h.app, err = app.Load(opts.AppDir, h.set); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(opts.Port)))
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	h.assemble(ln.Addr().String())
	h.launch(ln)
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.working, cancel)()
	if _, err := h.sup.Await(first); err != nil {
		h.KillHost()
		if own := h.Err(); own != nil {
			err = own
		}
		return nil, fmt.Errorf("start host: %w", err)
	}
	return h, nil
}

// assemble makes the parts that do not run yet.
func (h *Host) assemble(addr string) {
	h.url = "http://" + addr
	h.stats = newCounters(h.app)
	h.sup = process.NewSupervisor(&process.Spec{
		Dir: h.app.Dir, Executable: h.app.Config.Executable, Env: h.environment(addr),
		InitTimeout: h.app.Config.InitTimeout, Log: h.log,
	}, h.clock.now, h.stats.restarted)
	h.invoker = &invoker{sup: h.sup, clock: h.clock, log: h.log, stats: h.stats, timeout: h.app.Config.FunctionTimeout}
	h.server = &http.Server{Handler: h.handler(), ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)}
	h.listening, h.stopListening = context.WithCancel(context.Background())
	h.working, h.stopWork = context.WithCancelCause(context.Background())
}

// environment is what the handler sees: this process's environment, the app settings
// verbatim, those that only the handler has, and what the host adds.
func (h *Host) environment(addr string) []string {
	env := os.Environ()
	for _, m := range []map[string]string{h.opts.Settings, h.opts.HandlerSettings, {
		"FUNCTIONS_APP_ROOT_PATH":  h.app.Dir,
		"AzureWebJobsScriptRoot":   h.app.Dir,
		"FUNCTIONS_WORKER_RUNTIME": "custom",
		"WEBSITE_HOSTNAME":         addr,
	}} {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			env = append(env, k+"="+m[k])
		}
	}
	return env
}

func (h *Host) openQueue(b app.Binding, name string) (*storage.Queue, error) {
	connection, err := h.set.Connection(b.Connection)
	if err != nil {
		return nil, err
	}
	return storage.Access{Identity: h.opts.Identity, Transport: h.opts.Transport}.Queue(connection, name)
}

// launch starts everything at once, as the real host does: messages and
// requests that come before the handler is ready wait for it.
func (h *Host) launch(ln net.Listener) {
	h.running.Go(func() {
		if err := h.server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			h.end(fmt.Errorf("serve HTTP: %w", err))
		}
	})
	h.running.Go(func() {
		if err := h.sup.Run(h.working); err != nil {
			h.end(err)
		}
	})
	for _, fn := range h.app.Functions {
		if fn.Disabled {
			h.log.Info("Function '" + fn.Name + "' is disabled")
			continue
		}
		run, err := h.listener(fn)
		if err != nil {
			h.end(fmt.Errorf("start listener of %s: %w", fn.Name, err))
			break
		}
		if run != nil {
			h.running.Go(func() { run(h.listening, h.working) })
		}
	}
	go func() {
		<-h.working.Done()
		h.stopListening()
		h.gate.close()
		h.server.Close()
		h.running.Wait()
		<-h.gate.close()
		close(h.done)
	}()
}

// listener is what watches for a function's trigger; nil for triggers that come
// over HTTP.
func (h *Host) listener(fn *app.Function) (func(ctx, work context.Context), error) {
	switch fn.Trigger.Type {
	case app.QueueTrigger:
		q, err := h.openQueue(fn.Trigger, fn.Trigger.QueueName)
		if err != nil {
			return nil, err
		}
		p, err := h.openQueue(fn.Trigger, q.Name+poisonSuffix)
		if err != nil {
			return nil, err
		}
		l := &queueListener{
			fn: fn, queue: q, poison: p, config: h.app.Config.Queues, call: h.invoker.call, envelope: h.envelope,
			gate: h.gate, clock: h.clock, log: h.log, stats: h.stats,
		}
		return l.run, nil
	case app.TimerTrigger:
		l := &timerListener{fn: fn, call: h.invoker.call, envelope: h.envelope, gate: h.gate, clock: h.clock}
		return l.run, nil
	}
	return nil, nil
}

// end stops everything, with err as the reason if it is the first.
func (h *Host) end(err error) {
	h.mu.Lock()
	if h.err == nil {
		h.err = err
	}
	h.mu.Unlock()
	h.stopWork(err)
}
