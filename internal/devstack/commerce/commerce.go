// Package commerce is the stand-in for Azure's commerce system: it takes daily
// records over HTTP, keeps what it accepted in memory, and turns that into a bill.
// The wire contract is docs/formats/commerce.md, the record is
// docs/formats/daily-record.md. The package imports nothing of ours, so that a
// mistake in the sender is not repeated here.
//
//	POST /v1/records --> decode --> rules --> what was accepted --> results
//	                                               |
//	        read-back, records.ndjson <------------+-----> price sheet --> bill, usage details
//
// Endpoints:
//
//	POST   /v1/records                                   a batch
//	POST   /v1/records/query                             which of some records were accepted
//	GET    /v1/records.ndjson[?cloudId=]                 every accepted record, byte for byte
//	GET    /v1/bill[?format=&subscription=&month=]       the rated bill; json, or csv if asked for
//	GET    /v1/daily-costs?subscription=&month=          what each charged meter cost on each day
//	GET    /v1/resource-costs?subscription=&month=       what each resource cost in a month
//	GET    /v1/usage-details.csv[?subscription=&month=]  Account Center usage file, version 2
//	POST   /_devstack/faults                             misbehave on purpose (see fault)
//	DELETE /_devstack/faults                             behave again
//	GET    /_devstack/stats                              requests, records by status, faults given
//
// Every quantity is exact decimal text on its way in and on its
// way out. Money is exact until each bill line is rounded to cents, half-even.
package commerce

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stackusage/internal/devstack/commerce/rating"
	"stackusage/internal/devstack/loopback"
)

// Limits of a batch, as in the wire contract.
const (
	defaultMaxRecords = 500
	maxBytes          = 1 << 20
)

// Options says how commerce behaves. The zero value is the wire contract with
// no lateness limit.
type Options struct {
	// Now is the clock of acceptance and lateness.
	// Default: time.Now.
	Now func() time.Time
	// LatenessLimit is how long after the end of its usage day a record is
	// still taken. Zero: for ever.
	LatenessLimit time.Duration
	// MaxRecords is how many records a batch may hold. Default 500.
	MaxRecords int
}

// Server is a running commerce: an http.Handler. It is safe for concurrent use;
// batches are taken one after another.
type Server struct {
	opts   Options
	store  store
	prices rating.Sheet
	mux    *http.ServeMux
	hooks  hooks
}

// New returns a commerce that has accepted nothing yet.
func New(opts Options) (*Server, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.MaxRecords = cmp.Or(opts.MaxRecords, defaultMaxRecords)
	prices, err := rating.Published()
	if err != nil {
		return nil, fmt.Errorf("read price sheet: %w", err)
	}
	s := &Server{opts: opts, store: store{accepted: map[string]taken{}}, prices: prices, mux: http.NewServeMux()}
	s.hooks.reset()
	for pattern, serve := range map[string]func(http.ResponseWriter, *http.Request) error{
		"POST /v1/records":          s.send,
		"POST /v1/records/query":    s.readBack,
		"GET /v1/records.ndjson":    s.export,
		"GET /v1/bill":              s.bill,
		"GET /v1/daily-costs":       s.dailyCosts,
		"GET /v1/resource-costs":    s.resourceCosts,
		"GET /v1/usage-details.csv": s.usageDetails,
		"POST /_devstack/faults":    s.addFault,
		"DELETE /_devstack/faults":  s.clearFaults,
		"GET /_devstack/stats":      s.showStats,
	} {
		s.mux.HandleFunc(pattern, answer(serve))
	}
	return s, nil
}

// ServeHTTP answers the endpoints in the package comment. A cut fault aborts
// the connection by panicking with http.ErrAbortHandler, as net/http asks.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// answer answers what serve did not. A failure that is ours is an unknown outcome to
// the sender, which is why it is not a 503: that one promises that nothing was taken.
func answer(serve func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := serve(w, r)
		var bad *problem
		switch {
		case err == nil:
		case errors.As(err, &bad):
			loopback.JSON(w, bad.status, map[string]*problem{"error": bad})
		default:
			loopback.JSON(w, http.StatusInternalServerError, map[string]*problem{"error": {Code: "InternalError", Message: err.Error()}})
		}
	}
}

// problem refuses a whole request; it is the body of the answer.
type problem struct {
	status  int
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.Code + ": " + p.Message }

func invalidQuery(format string, args ...any) error {
	return &problem{http.StatusBadRequest, "InvalidQuery", fmt.Sprintf(format, args...)}
}

// params returns the query parameters of r, each at most once and none but
// the allowed ones: a misspelt filter must not answer everything.
func params(r *http.Request, allowed ...string) (map[string]string, error) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, invalidQuery("the query string cannot be read")
	}
	out := make(map[string]string, len(allowed))
	for _, name := range allowed {
		switch values := query[name]; {
		case len(values) > 1:
			return nil, invalidQuery("%s is given more than once", name)
		case len(values) == 1:
			out[name] = values[0]
		}
		delete(query, name)
	}
	if len(query) > 0 {
		return nil, invalidQuery("only these parameters are known: %s", strings.Join(allowed, ", "))
	}
	return out, nil
}
