// Package handlers is what the Functions host calls: one mux route for each
// folder of package functions. functions.go calls the workflows.
//
//	POST /IngestHour    queue usage-landed    a landed hour blob -> partials, quarantine, verdict
//	POST /CloseDay      queue usage-days      a usage day        -> revision, batches
//	POST /ForwardBatch  queue usage-batches   a batch            -> commerce -> outcomes
//	POST /Sweep         timer                 what may close, what got lost, what failed
//	GET  /api/status    HTTP                  what is open
//	     /api/registrations...                billing subscriptions: arm.go
//
// The host is strict: an answer without a JSON object hangs and then kills the
// process and all its neighbours. Every route goes through invoke.Reply, panics
// included. Permanent failures are recorded where people look and answered 200;
// anything else fails the invocation, and the host tries again (replies.go).
package handlers

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"runtime/debug"
	"slices"
	"time"

	"github.com/gorilla/mux"
	"golang.org/x/sync/semaphore"

	"stackusage/functions"
	"stackusage/shared/closing"
	"stackusage/shared/content"
	"stackusage/shared/forward"
	"stackusage/shared/invoke"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/sweep"
	"stackusage/shared/table"
	"stackusage/shared/telemetry"
)

// Landing is the storage that the stacks drop hour blobs in.
type Landing interface {
	sweep.Landing
	content.Opener
}

// App is the function app. All fields are set before Router is called.
type App struct {
	Tables         table.Store
	Landing        Landing
	LandingService string // URL of the landing storage's blobs, without a signature: what activation keys name
	Blobs          content.Store
	Queues         sweep.Queues
	Registrations  registration.Store
	Commerce       forward.Commerce
	Meters         *meter.Catalogue
	Log            *slog.Logger
	Now            func() time.Time
	Settings       Settings
}

// Settings are the rules and bounds that a deployment may change.
type Settings struct {
	closing.Rules
	Limits         landing.Limits
	SpillSums      int           // sums in memory before a run goes to disk
	TempDir        string        // for runs and files on their way to storage
	ForwardRetry   time.Duration // first delay after a failed send; doubles up to an hour
	SendLimit      time.Duration // how long one sender alone asks commerce for a batch
	SweepGrace     time.Duration // how long a message may be on its way before Sweep sends another
	SweepLookback  time.Duration // reported hours that each Sweep compares with what landed; older ones once a day
	InstanceMemory int           // MiB, of one instance
	InstanceDisk   int64         // MiB of temporary disk of one instance; 0: without bound
	// BehindAuthentication: App Service authentication is in front, and says who calls.
	BehindAuthentication bool
	InvocationLimit      time.Duration // after which an invocation gives up; below functionTimeout
}

// function is one envelope function: its work, and how many run at once.
type function struct {
	work  func(ctx context.Context, req invoke.Request) error
	slots int64
}

func (a *App) functions() map[string]function {
	s := a.Settings
	return map[string]function{
		"IngestHour":   {a.ingestHour, min(s.slots(40, ingestMemory), s.diskSlots(70))},
		"CloseDay":     {a.closeDay, s.slots(30, closeMemory)},
		"ForwardBatch": {a.forwardBatch, s.slots(20, forwardMemory)},
		"Sweep":        {a.sweep, 1},
	}
}

// pages are the HTTP functions.
func (a *App) pages() map[string]http.Handler {
	return map[string]http.Handler{
		"Status":                http.HandlerFunc(a.status),
		"Registrations":         a.arm(a.registrations),
		"Registration":          a.arm(a.registration),
		"ActivationKey":         a.arm(a.activationKey),
		"Infrastructure":        a.arm(a.infrastructure),
		"CustomerSubscriptions": a.arm(a.customerSubscriptions),
		"CustomerSubscription":  a.arm(a.customerSubscription),
	}
}

// What one invocation may take, in MiB: a full set of sums in memory; the open
// partials of a day with their decompressors; a batch with its answers.
const (
	ingestMemory  = 112
	closeMemory   = 160
	forwardMemory = 24
	hostMemory    = 256 // the host's own, on the same instance
)

// slots is how many invocations of a function fit its share of the memory. The
// host's own concurrency is one number for the whole app.
func (s Settings) slots(percent, each int) int64 {
	return int64(max(1, (s.InstanceMemory-hostMemory)*percent/100/each))
}

// diskSlots is how many hour blobs may be added up at once on a share of the temporary
// disk, so that none finds it full because of the others.
func (s Settings) diskSlots(percent int64) int64 {
	if s.InstanceDisk == 0 {
		return math.MaxInt64
	}
	return max(1, s.InstanceDisk<<20*percent/100/cmp.Or(s.Limits.Disk, landing.DefaultMaxDisk))
}

// Router routes what the host calls. It fails if routes and functions differ.
func (a *App) Router() (http.Handler, error) {
	all, err := functions.All()
	if err != nil {
		return nil, err
	}
	return a.route(all, a.functions())
}

func (a *App) route(all []functions.Function, envelope map[string]function) (http.Handler, error) {
	r := mux.NewRouter()
	pages := a.pages()
	for _, f := range all {
		trigger := f.Trigger()
		if trigger.Type == "httpTrigger" {
			page, ok := pages[f.Name]
			if !ok {
				return nil, fmt.Errorf("route function %s: no handler", f.Name)
			}
			delete(pages, f.Name)
			r.Handle("/api/"+trigger.Route, a.guard(f.Name, a.signedIn(page))).Methods(slices.Clone(trigger.Methods)...).Name(f.Name)
			continue
		}
		fn, ok := envelope[f.Name]
		if !ok {
			return nil, fmt.Errorf("route function %s: no handler", f.Name)
		}
		delete(envelope, f.Name)
		r.Handle("/"+f.Name, a.guard(f.Name, a.invoked(f, fn))).Methods(http.MethodPost).Name(f.Name)
	}
	for name := range envelope {
		return nil, fmt.Errorf("route function %s: no folder in functions/", name)
	}
	for name := range pages {
		return nil, fmt.Errorf("route function %s: no folder in functions/", name)
	}
	notFound := func(w http.ResponseWriter, req *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"error":"no such function"}`)
	}
	r.NotFoundHandler = http.HandlerFunc(notFound)
	r.MethodNotAllowedHandler = http.HandlerFunc(notFound)
	return r, nil
}

// guard turns a panic into a failed invocation: the neighbours live on.
func (a *App) guard(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if p := recover(); p != nil {
				a.Log.ErrorContext(r.Context(), "function panicked", slog.String("function", name),
					slog.Any("panic", p), slog.String("stack", string(debug.Stack())))
				invoke.Reply(w, fmt.Errorf("function %s panicked: %v", name, p))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// invoked decodes the envelope, waits for a slot, does the work and replies.
func (a *App) invoked(f functions.Function, fn function) http.Handler {
	slots := semaphore.NewWeighted(fn.slots)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), a.Settings.InvocationLimit)
		defer cancel()
		log := a.Log.With(slog.String("function", f.Name), slog.String("invocation", r.Header.Get(invoke.HeaderInvocationID)))
		req, err := invoke.Decode(r.Body)
		if err == nil {
			if err = slots.Acquire(ctx, 1); err == nil {
				err = func() error {
					defer slots.Release(1)
					return fn.work(telemetry.WithLogger(ctx, log), req)
				}()
			}
		}
		invoke.Reply(w, a.settle(ctx, log, f, req, err))
	})
}

// log is the logger of the running invocation.
func (a *App) log(ctx context.Context) *slog.Logger { return telemetry.Logger(ctx) }
