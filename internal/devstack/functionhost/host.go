package functionhost

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// drainLimit is how much host time Stop gives the invocations under way.
const drainLimit = 30 * time.Second

// Options says what to run. AppDir is required.
type Options struct {
	// AppDir is the staged folder: host.json, <Name>/function.json, the handler.
	AppDir string
	// Settings are the app settings. The handler sees them in its environment,
	// verbatim, after the environment of this process.
	Settings map[string]string
	// HandlerSettings replace Settings of the same name in the handler's
	// environment only: so a test puts something between the handler and what the
	// host itself reaches directly.
	HandlerSettings map[string]string
	// Addr is where HTTP functions and the admin interface listen; default
	// "127.0.0.1:0".
	Addr string
	// Key is the x-functions-key (or code=) that HTTP functions of authLevel
	// function and admin, and the admin interface, ask for. Empty: nobody asks.
	Key string
	// TimeScale is how many times faster host time passes; 0 and 1 mean real time.
	// See the package comment for what it touches.
	TimeScale int
	// TimerScale replaces TimeScale for the clock that timers follow; 0: TimeScale.
	TimerScale int
	// Epoch is the instant at which the host's clock agrees with the real one;
	// zero: the time of Start. Hosts with the same Epoch and scale, one after the
	// other, share one clock, so that timer status written by one makes sense to
	// the next.
	Epoch time.Time
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
	app     *app
	set     settings
	log     *slog.Logger
	clock   *clock // durations
	timers  *clock // schedules and the times in envelopes
	stats   *counters
	sup     *supervisor
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
		set:   settings(opts.Settings),
		log:   opts.Log,
		clock: newClock(opts.Epoch, int64(opts.TimeScale)),
		gate:  newGate(),
		done:  make(chan struct{}),
	}
	h.timers = h.clock
	if opts.TimerScale != 0 {
		h.timers = newClock(opts.Epoch, int64(opts.TimerScale))
	}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	var err error
	if h.app, err = loadApp(opts.AppDir, h.set, h.log); err != nil {
		return nil, err
	}
	addr := opts.Addr
	if addr == "" {
		addr = "127.0.0.1:0"
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("start host: %w", err)
	}
	if err := h.assemble(ln.Addr().String()); err != nil {
		ln.Close()
		return nil, err
	}
	h.launch(ln)
	first, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(h.working, cancel)()
	if _, err := h.sup.await(first); err != nil {
		h.KillHost()
		if own := h.Err(); own != nil {
			err = own
		}
		return nil, fmt.Errorf("start host: %w", err)
	}
	return h, nil
}

// assemble makes the parts that do not run yet.
func (h *Host) assemble(addr string) error {
	h.url = "http://" + addr
	h.stats = newCounters(h.app)
	h.sup = newSupervisor(&workerSpec{app: h.app, set: h.set, own: h.opts.HandlerSettings, addr: addr, log: h.log}, h.clock, h.log, h.stats)
	out, err := h.openOutputs()
	if err != nil {
		return err
	}
	h.invoker = &invoker{
		sup: h.sup, clock: h.clock, log: h.log, stats: h.stats,
		outputs: out, timeout: h.app.config.functionTimeout,
	}
	handler, err := h.routes()
	if err != nil {
		return err
	}
	h.server = &http.Server{Handler: handler, ReadHeaderTimeout: 30 * time.Second, ErrorLog: slog.NewLogLogger(h.log.Handler(), slog.LevelDebug)}
	h.listening, h.stopListening = context.WithCancel(context.Background())
	h.working, h.stopWork = context.WithCancelCause(context.Background())
	return nil
}

func (h *Host) openOutputs() (*outputWriter, error) {
	out := &outputWriter{queues: make(map[string]*queueClient), base64: h.app.config.queues.base64}
	for _, fn := range h.app.functions {
		for _, b := range fn.outputs {
			if b.Type != queueOutput {
				continue
			}
			q, err := h.openQueue(b, b.QueueName)
			if err != nil {
				return nil, err
			}
			out.queues[outputKey(fn, b)] = q
		}
	}
	return out, nil
}

func (h *Host) openQueue(b binding, name string) (*queueClient, error) {
	connection, err := h.set.connection(b.Connection)
	if err != nil {
		return nil, err
	}
	return h.opts.newQueueClient(connection, name)
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
		if err := h.sup.run(h.working); err != nil {
			h.end(err)
		}
	})
	for _, fn := range h.app.functions {
		if fn.disabled {
			h.log.Info("Function '" + fn.name + "' is disabled")
			continue
		}
		run, err := h.listener(fn)
		if err != nil {
			h.end(fmt.Errorf("start listener of %s: %w", fn.name, err))
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
func (h *Host) listener(fn *function) (func(ctx, work context.Context), error) {
	switch fn.trigger.Type {
	case queueTrigger:
		q, err := h.openQueue(fn.trigger, fn.trigger.QueueName)
		if err != nil {
			return nil, err
		}
		l := &queueListener{
			fn: fn, queue: q, config: h.app.config.queues, invoker: h.invoker,
			gate: h.gate, clock: h.clock, log: h.log, stats: h.stats, now: h.timers.now,
			poisonName: poisonQueueFor(q.name),
		}
		if l.poisonName != "" {
			p, err := h.openQueue(fn.trigger, l.poisonName)
			if err != nil {
				return nil, err
			}
			l.poison = p
		}
		return l.run, nil
	case timerTrigger:
		s, err := parseSchedule(fn.trigger.Schedule)
		if err != nil {
			return nil, err
		}
		l := &timerListener{fn: fn, schedule: s, invoker: h.invoker, gate: h.gate, clock: h.timers, log: h.log}
		if orElse(fn.trigger.UseMonitor, true) && !s.tooFast(h.timers.now()) {
			connection, err := h.set.connection(defaultConnection)
			if err != nil {
				return nil, err
			}
			store, err := h.opts.newBlobStatus(connection, hostID(h.set, h.app.dir))
			if err != nil {
				return nil, err
			}
			l.store = store
		}
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
