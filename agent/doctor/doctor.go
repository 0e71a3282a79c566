// Package doctor looks at everything that lies between a stack's usage and
// Azure Storage and says, of each link, whether it holds, and if not, why and
// what to do.
//
//	configuration ─> spool, disk, what the agent says that runs
//	       │
//	       ├─> name ─> connection ─> TLS (of each host) ─> clock
//	       ├─> stack: endpoints ─> sign-in ─> usage API
//	       └─> storage: sign-in ─> create ─> create only
//
// What needs a link that is broken is skipped, so that what failed is the
// cause. The checks use the agent's own clients; apart from a blob of a few
// bytes below landing.ProbePrefix, which everything downstream ignores, they
// leave nothing behind.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/agent/config"
	"stackusage/agent/inspection"
	"stackusage/agent/signin"
	"stackusage/agent/stackapi"
	"stackusage/shared/usage"
)

// Outcome is how a check ended.
type Outcome string

// Outcomes of checks.
const (
	OK      Outcome = "ok"
	Warning Outcome = "warning" // the agent works, but something should be mended
	Failed  Outcome = "failed"
	Skipped Outcome = "skipped" // an earlier check that it needs did not end well
)

// Result is one check. Its texts hold no secrets.
type Result struct {
	Check   string  `json:"check"`
	Outcome Outcome `json:"outcome"`
	At      string  `json:"at,omitempty"`     // what was looked at
	Found   string  `json:"found,omitempty"`  // what is well
	Cause   string  `json:"cause,omitempty"`  // what is not, in one sentence
	Advice  string  `json:"advice,omitempty"` // what to do, a line each
}

// Stack is the agent's way to the stack.
type Stack interface {
	// Metadata is where to sign in to the stack and for what audience.
	Metadata(context.Context) (stackapi.Metadata, error)
	// SignIn gets a token for the stack.
	SignIn(context.Context) error
	// Namespace is that of the usage API, once Hour has found it.
	Namespace() string
	// Hour is stackapi.Client's.
	Hour(ctx context.Context, start time.Time, row func(raw []byte) error) (pages int, err error)
}

// Parts are what is looked at: those that the agent works with.
type Parts struct {
	Config                 config.Config
	Proxy                  func(*url.URL) (*url.URL, error) // of transport.ProxyFor
	Stack                  Stack
	StackHTTP, StorageHTTP *http.Client
	Storage                *azblob.Client

	// Inspect looks at the spool that the agent uses.
	Inspect func() (inspection.Inspection, error)

	// StorageSignIn gets a token for storage; nil where an account's key signs.
	StorageSignIn func(context.Context) error

	// StorageLogin is where that is done; empty for managed identities.
	StorageLogin string
}

// Options are how to look. Path and Load are needed.
type Options struct {
	// Path is the configuration file and Load makes Parts of it.
	Path string
	Load func() (Parts, error)

	// Timeout bounds all checks together; 0 means DefaultTimeout.
	Timeout time.Duration

	// Report, if set, is told of each check as it ends.
	Report func(Result)
}

// DefaultTimeout is how long all checks together may take.
const DefaultTimeout = time.Minute

// stepTimeout bounds one step of a check. The usage API, which is last, may use
// up what is left: a stack's gateway can take 85 s.
const stepTimeout = 10 * time.Second

// The checks in their order, but for those of hosts: see host.
const (
	checkConfig   = "configuration"
	checkSpool    = "spool folder"
	checkDisk     = "disk space"
	checkAgent    = "agent"
	checkMetadata = "stack endpoints"
	checkClock    = "clock"
	checkStorage  = "storage sign-in"
	checkCreate   = "storage create"
	checkOnly     = "create only"
	checkSignIn   = "stack sign-in"
	checkUsage    = "stack usage API"
)

// examination is one run of all checks.
type examination struct {
	ctx     context.Context // of all checks
	opts    Options
	parts   Parts
	results []Result
	ended   map[string]ending
	proxies map[string]string // names of the checks of each proxy, by its address
	clocks  []clock
	late    bool // a check has found its time used up
}

// ending is how a check ended, and what to blame if not well.
type ending struct {
	outcome Outcome
	root    string
}

// Run makes all checks and returns their results in order. Its error is that
// ctx ended; what a check finds wrong is in its result only.
func Run(ctx context.Context, opts Options) ([]Result, error) {
	if opts.Timeout <= 0 {
		opts.Timeout = DefaultTimeout
	}
	limited, cancel := context.WithTimeout(ctx, opts.Timeout)
	defer cancel()
	e := &examination{ctx: limited, opts: opts, ended: map[string]ending{}, proxies: map[string]string{}}
	e.all()
	return e.results, ctx.Err()
}

func (e *examination) all() {
	e.check(checkConfig, e.opts.Path, nil, e.configuration)
	e.check(checkSpool, e.parts.Config.Spool.Dir, []string{checkConfig}, e.spool)
	e.check(checkDisk, e.parts.Config.Spool.Dir, []string{checkConfig}, e.disk)
	e.check(checkAgent, "", []string{checkSpool}, e.agent)

	stack := e.host("stack", e.parts.Config.Stack.Endpoint, e.parts.StackHTTP, checkConfig)
	var found stackapi.Metadata
	e.check(checkMetadata, hostOf(e.parts.Config.Stack.Endpoint), []string{stack}, func(ctx context.Context) (r Result) {
		found, r = e.metadata(ctx)
		return r
	})
	login := checkMetadata
	if found.LoginEndpoint != "" && e.parts.Config.Stack.SignIn.Method != signin.ManagedIdentity {
		login = e.host("stack login", found.LoginEndpoint, e.parts.StackHTTP, checkMetadata)
	}
	service := ""
	if e.parts.Storage != nil {
		service = e.parts.Storage.URL()
	}
	var ways []string // to storage
	if !e.parts.Config.Storage.None {
		ways = append(ways, e.host("storage", service, e.parts.StorageHTTP, checkConfig))
		if e.parts.StorageLogin != "" {
			ways = append(ways, e.host("storage login", e.parts.StorageLogin, e.parts.StorageHTTP, checkConfig))
		}
	}
	e.check(checkClock, "", []string{checkConfig}, e.clock)
	if !e.parts.Config.Storage.None {
		e.storage(service, ways)
	}
	e.check(checkSignIn, hostOf(found.LoginEndpoint), []string{checkMetadata, login, checkClock}, e.stackSignIn)
	e.check(checkUsage, hostOf(e.parts.Config.Stack.Endpoint), []string{checkSignIn}, e.usage)
}

// storage looks at the storage account, to which the agent has the given ways.
func (e *examination) storage(service string, ways []string) {
	at := e.parts.StorageLogin
	if at == "" {
		at = service
	}
	e.check(checkStorage, hostOf(at), append(ways, checkClock), e.storageSignIn)
	container := e.parts.Config.Storage.Container
	var probe string
	e.check(checkCreate, container, []string{checkStorage}, func(ctx context.Context) (r Result) {
		probe, r = e.create(ctx)
		return r
	})
	e.check(checkOnly, container, []string{checkCreate}, func(ctx context.Context) Result { return e.createOnly(ctx, probe) })
}

// check makes one check, unless one that it needs did not end well.
func (e *examination) check(name, at string, needs []string, look func(context.Context) Result) Outcome {
	var r Result
	root := name
	if blame, broken := e.broken(needs); broken {
		root, r = blame, Result{Outcome: Skipped, Cause: "because " + blame + " failed"}
	} else {
		ctx, cancel := e.ctx, context.CancelFunc(func() {})
		if name != checkUsage {
			ctx, cancel = context.WithTimeout(e.ctx, stepTimeout)
		}
		const timeUp = "the time for all checks is up"
		switch {
		case e.ctx.Err() == nil:
			r = look(ctx)
		case !e.late:
			e.late = true
			r = failed(timeUp+": "+usage.Span(e.opts.Timeout), "Fix what took so long, or give it more: --timeout 5m.")
		default:
			r = Result{Outcome: Skipped, Cause: "because " + timeUp}
		}
		cancel()
	}
	r.Check, r.At = name, at
	e.ended[name] = ending{r.Outcome, root}
	e.results = append(e.results, r)
	if e.opts.Report != nil {
		e.opts.Report(r)
	}
	return r.Outcome
}

func (e *examination) broken(needs []string) (root string, broken bool) {
	for _, need := range needs {
		// A clock that nobody could be asked about may be right.
		if end := e.ended[need]; end.outcome == Failed || end.outcome == Skipped && need != checkClock {
			return end.root, true
		}
	}
	return "", false
}

func (e *examination) configuration(context.Context) Result {
	parts, err := e.opts.Load()
	var wrong *config.Error
	switch {
	case errors.As(err, &wrong):
		lines := make([]string, len(wrong.Problems))
		for i, p := range wrong.Problems {
			lines[i] = p.String()
		}
		return failed(fmt.Sprintf("wrong or missing in it: %d", len(lines)), strings.Join(lines, "\n"))
	case err != nil:
		return failed(err.Error(), "Fix that; stackusage-agent config sample explains every key.")
	}
	e.parts = parts
	if parts.Config.Storage.None {
		return ok("registration " + parts.Config.CloudID + "; storage none: hours wait for stackusage-agent export")
	}
	return ok("registration " + parts.Config.CloudID)
}

func ok(found string) Result { return Result{Outcome: OK, Found: found} }
func warning(cause, advice string) Result {
	return Result{Outcome: Warning, Cause: cause, Advice: advice}
}
func failed(cause, advice string) Result {
	return Result{Outcome: Failed, Cause: cause, Advice: advice}
}
func hostOf(address string) string { return hostURL(address).Host }

// hostURL is an address that was checked before; "" is one of a configuration
// that did not load.
func hostURL(address string) *url.URL {
	u, err := url.Parse(address)
	if err != nil {
		return &url.URL{}
	}
	return u
}
