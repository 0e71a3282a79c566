// Package azurestack is a stand-in for the Resource Manager endpoints of one
// Azure Stack: the metadata endpoint, the provider's usage API, by the hour, and
// the provider's list of subscriptions. What it serves is either recorded
// answers of a real stack or a generated scenario.
//
//	Recordings(dir) ─────────┐
//	                         ├─> Source ─> New ─> Stack (http.Handler) ─> GET .../subscriberUsageAggregates
//	scenarios.Generate(name) ┘                      └─ /_devstack/{rows,faults}
//
// It is met over HTTP only and imports nothing of this module, so that what a
// client of it believes about the API is tested against a second reading of
// the documentation. Rows are kept and served as the bytes they are: no number
// passes through a float. Where the documentation leaves a choice, the stand-in
// is the stricter of the two: times off the hour are refused.
package azurestack

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"stackusage/internal/devstack/bearer"
)

const (
	// PageSize is how many rows the usage API answers at most at once.
	PageSize = 1000

	// SettlingHours is how long after the end of a usage day rows of that day
	// may still be reported.
	SettlingHours = 6
)

// Options set how a stack answers. The zero value serves a whole page per
// answer, without a token, by the clock of the machine.
type Options struct {
	// Token, if set, is the bearer token that every request but the one for the
	// metadata endpoint must carry. The doors under /_devstack stay open.
	Token string

	// KeysURL, if set, is where the issuer of this stack's tokens has its public
	// keys, as a JSON Web Key Set, and KeysClient what asks there. Every request
	// that would need Token needs a token then that such a key has signed, for
	// Audience and for now by the clock of the machine.
	KeysURL    string
	KeysClient *http.Client

	// Audience is the resource that tokens are for; empty means one made from the
	// provider subscription.
	Audience string

	// PageSize is the number of rows per answer; 0 means 1,000, as on a stack.
	PageSize int

	// Endings, if set, is how listings of usage end, in turn hour by hour: some
	// of EndAbsent, EndNull, EndEmpty and EndPage. Early stacks have EndPage alone.
	Endings []string

	// Deleted are subscriptions that have left the provider's list while their
	// usage is still served, to one who asks for them by name as well.
	Deleted []string

	// OldNamespace serves the provider's usage API under Microsoft.Commerce only,
	// as stacks of 2017 do.
	OldNamespace bool

	// LoginEndpoint is what the metadata endpoint names as the place that
	// issues tokens; empty means the stack's own address.
	LoginEndpoint string

	// Now is the stack's clock, which decides what lies in the future; nil
	// means time.Now.
	Now func() time.Time

	// Faults are served before anything else, first to last.
	Faults []Fault
}

// Ends of a listing, in its last answer.
const (
	EndAbsent = "absent" // no nextLink
	EndNull   = "null"   // nextLink is null
	EndEmpty  = "empty"  // nextLink is ""
	EndPage   = "page"   // a page without rows, and no nextLink
)

// Stack serves one stack. It is safe for concurrent use.
type Stack struct {
	source *Source
	opts   Options

	keys bearer.Keys

	mu     sync.Mutex
	faults []Fault
	reads  int // what is left of the subscription's read quota
}

// New returns a stack that serves source. It refuses a negative page size and
// faults that cannot be served.
func New(source *Source, opts Options) (*Stack, error) {
	if source == nil {
		return nil, errors.New("make stack: no source")
	}
	if opts.PageSize < 0 {
		return nil, errors.New("make stack: PageSize is negative")
	}
	if opts.KeysURL != "" && (opts.KeysClient == nil || opts.Token != "") {
		return nil, errors.New("make stack: KeysURL needs KeysClient, and no Token")
	}
	if opts.PageSize == 0 {
		opts.PageSize = PageSize
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	for _, end := range opts.Endings {
		if !slices.Contains([]string{EndAbsent, EndNull, EndEmpty, EndPage}, end) {
			return nil, fmt.Errorf("make stack: a listing cannot end %.40q", end)
		}
	}
	for _, f := range opts.Faults {
		if err := f.validate(); err != nil {
			return nil, err
		}
	}
	return &Stack{
		source: source,
		opts:   opts,
		faults: slices.Clone(opts.Faults),
		reads:  15000,
		keys:   bearer.Keys{URL: opts.KeysURL, Client: opts.KeysClient},
	}, nil
}

// First returns the first reported hour: where the registration starts.
func (s *Stack) First() time.Time { return s.source.first }

// End returns the end (exclusive) of the reported hours that must be collected
// for every usage day to be settled: SettlingHours after the last usage day, or
// after the last hour with rows if that is later. Hours after it are empty.
func (s *Stack) End() time.Time { return s.source.end }

// Provider returns the default provider subscription, a GUID with dashes.
func (s *Stack) Provider() string { return s.source.provider }

// InfrastructureSubscriptions returns the stack's own subscriptions, the
// provider's first.
func (s *Stack) InfrastructureSubscriptions() []string {
	return slices.Clone(s.source.infrastructure)
}

// Subscriptions returns what the provider's list of subscriptions holds.
func (s *Stack) Subscriptions() []Subscription {
	return slices.DeleteFunc(slices.Clone(s.source.subscriptions), func(sub Subscription) bool {
		return slices.Contains(s.opts.Deleted, sub.SubscriptionID)
	})
}

// Region returns the stack's region name, such as "local".
func (s *Stack) Region() string { return s.source.region }

// Domain returns the stack's external domain, such as "azurestack.external".
func (s *Stack) Domain() string { return s.source.domain }

// ServeHTTP routes by path without regard to case, as Resource Manager does.
func (s *Stack) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.ToLower(strings.Trim(r.URL.Path, "/"))
	if strings.HasPrefix(path, "_devstack/") {
		s.serveDevstack(w, r, strings.TrimPrefix(path, "_devstack/"))
		return
	}
	s.headers(w)
	if path == "metadata/endpoints" {
		s.serveMetadata(w, r)
		return
	}
	w, faulted := s.fault(w, r)
	if faulted {
		return
	}
	if cut, ok := w.(*cutWriter); ok {
		defer cut.end()
	}
	if err := s.serveARM(w, r, strings.Split(path, "/")); err != nil {
		err.write(w)
	}
}

// serveARM answers /subscriptions/{id}/providers/{namespace}/{type}.
func (s *Stack) serveARM(w http.ResponseWriter, r *http.Request, path []string) *apiError {
	if err := s.authenticate(r); err != nil {
		w.Header().Set("WWW-Authenticate", `Bearer authorization_uri="`+s.loginEndpoint(r)+`"`)
		return err
	}
	if len(path) != 5 || path[0] != "subscriptions" || path[2] != "providers" {
		return &apiError{http.StatusNotFound, "NotFound", "No resource type is served at this path."}
	}
	if r.Method != http.MethodGet {
		return &apiError{http.StatusMethodNotAllowed, "MethodNotAllowed", "Only GET is supported."}
	}
	if s.opts.OldNamespace && path[3] == "microsoft.commerce.admin" {
		return &apiError{http.StatusNotFound, "InvalidResourceNamespace", "The resource namespace '" + path[3] + "' is invalid."}
	}
	resource := path[3] + "/" + path[4]
	serve := map[string]func(http.ResponseWriter, *http.Request) *apiError{
		"microsoft.commerce.admin/subscriberusageaggregates": s.serveUsage,
		"microsoft.commerce/subscriberusageaggregates":       s.serveUsage,
		"microsoft.subscriptions.admin/subscriptions":        s.serveSubscriptions,
	}[resource]
	switch subscription := path[1]; {
	case subscription == "":
		return &apiError{http.StatusBadRequest, "SubscriptionIdMissingInRequest", "The subscription ID is missing in the request."}
	case serve == nil:
		return &apiError{http.StatusNotFound, "InvalidResourceType", "The resource type '" + resource + "' could not be found."}
	case subscription != s.source.provider:
		return &apiError{http.StatusNotFound, "SubscriptionNotFound", "The subscription '" + subscription + "' could not be found."}
	}
	return serve(w, r)
}

// headers sets what a stack sends with every answer and operators quote in
// support cases.
func (s *Stack) headers(w http.ResponseWriter) {
	s.mu.Lock()
	s.reads = max(0, s.reads-1)
	left := s.reads
	s.mu.Unlock()

	id := uuid.NewString()
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("x-ms-request-id", id)
	h.Set("x-ms-correlation-request-id", id)
	h.Set("x-ms-routing-request-id", strings.ToUpper(s.source.region)+":"+s.opts.Now().UTC().Format("20060102T150405Z")+":"+id)
	h.Set("x-ms-ratelimit-remaining-subscription-reads", strconv.Itoa(left))
}
