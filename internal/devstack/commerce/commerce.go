// Package commerce is the stand-in for Azure's commerce system: it takes daily
// records over HTTP, keeps what it accepted in one SQLite file, and turns that
// into a bill. The wire contract is docs/formats/commerce.md, the record is
// docs/formats/daily-record.md. The package imports nothing of ours, so that a
// mistake in the sender is not repeated here.
//
//	POST /v1/records --> decode --> rules --> one transaction --> results
//	                                               |
//	                                          SQLite file
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
//	GET    /v1/usage-details.csv[?subscription=&month=]  Account Center usage file, version 2
//	POST   /_devstack/faults                             misbehave on purpose (see fault)
//	DELETE /_devstack/faults                             behave again
//	GET    /_devstack/stats                              requests, records by status, faults given
//
// Every quantity is exact decimal text on its way in, in the file and on its
// way out. Money is exact until each bill line is rounded to cents, half-even.
package commerce

import (
	"crypto/subtle"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"stackusage/internal/devstack/commerce/rating"
)

const (
	defaultMaxRecords = 500     // records in a batch, as in the wire contract
	defaultMaxBytes   = 1 << 20 // bytes of a batch, as in the wire contract
)

// Options says how commerce behaves. The zero value is the wire contract with
// no lateness limit and no credentials.
type Options struct {
	// Now is the clock of acceptance and lateness.
	// Default: time.Now.
	Now func() time.Time
	// LatenessLimit is how long after the end of its usage day a record is
	// still taken. Zero: for ever.
	LatenessLimit time.Duration
	// MaxRecords is how many records a batch may hold. Default 500.
	MaxRecords int
	// MaxBytes is how long a batch may be, in bytes. Default 1,048,576.
	MaxBytes int64
	// Token is what callers of /v1 must send as "Authorization: Bearer
	// <token>". Empty: nobody is asked. The /_devstack hooks are always open.
	Token string
	// Log gets one line for each batch. Default: nothing is logged.
	Log *slog.Logger
}

// Server is a running commerce: an http.Handler over one SQLite file. It is
// safe for concurrent use; batches are taken one after another.
type Server struct {
	opts   Options
	store  *store
	prices rating.Sheet
	mux    *http.ServeMux

	// taking is held for a whole batch: SQLite has one writer, and waiting
	// here is cheaper than its busy loop.
	taking sync.Mutex
	hooks  hooks
}

// Open opens the SQLite file at path, making it if it is not there. A file
// that was written by another version is refused.
func Open(path string, opts Options) (*Server, error) {
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.MaxRecords <= 0 {
		opts.MaxRecords = defaultMaxRecords
	}
	if opts.MaxBytes <= 0 {
		opts.MaxBytes = defaultMaxBytes
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	prices, err := rating.Published()
	if err != nil {
		return nil, fmt.Errorf("read price sheet: %w", err)
	}
	st, err := openStore(path)
	if err != nil {
		return nil, fmt.Errorf("open commerce %s: %w", path, err)
	}
	s := &Server{opts: opts, store: st, prices: prices, mux: http.NewServeMux()}
	s.hooks.reset()
	for pattern, handle := range map[string]http.HandlerFunc{
		"POST /v1/records":          s.send,
		"POST /v1/records/query":    s.readBack,
		"GET /v1/records.ndjson":    s.export,
		"GET /v1/bill":              s.bill,
		"GET /v1/daily-costs":       s.dailyCosts,
		"GET /v1/usage-details.csv": s.usageDetails,
	} {
		s.mux.Handle(pattern, s.authorized(handle))
	}
	s.mux.HandleFunc("POST /_devstack/faults", s.addFault)
	s.mux.HandleFunc("DELETE /_devstack/faults", s.clearFaults)
	s.mux.HandleFunc("GET /_devstack/stats", s.showStats)
	return s, nil
}

// ServeHTTP answers the endpoints in the package comment. A cut fault aborts
// the connection by panicking with http.ErrAbortHandler, as net/http asks.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.mux.ServeHTTP(w, r) }

// Close closes the file after the batch in hand, if any. What was answered
// Accepted before is there when the file is opened again.
func (s *Server) Close() error {
	s.taking.Lock()
	defer s.taking.Unlock()
	return s.store.close()
}

func (s *Server) authorized(next http.HandlerFunc) http.Handler {
	want := []byte("Bearer " + s.opts.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := []byte(r.Header.Get("Authorization"))
		if s.opts.Token != "" && subtle.ConstantTimeCompare(got, want) != 1 {
			w.Header().Set("WWW-Authenticate", "Bearer")
			writeError(w, http.StatusUnauthorized, "Unauthorized", "the bearer token is missing or wrong")
			return
		}
		next(w, r)
	})
}

// problem is the body of every answer that refuses a whole request.
type problem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (p *problem) Error() string { return p.Code + ": " + p.Message }

func writeError(w http.ResponseWriter, status int, code, message string) {
	writeJSON(w, status, map[string]problem{"error": {code, message}})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// internal answers a failure that is ours. The sender must take it as an
// unknown outcome, which is why it is not a 503: that one promises that
// nothing was taken.
func (s *Server) internal(w http.ResponseWriter, r *http.Request, err error) {
	s.opts.Log.ErrorContext(r.Context(), "request failed", slog.String("path", r.URL.Path), slog.Any("error", err))
	writeError(w, http.StatusInternalServerError, "InternalError", "the request could not be finished")
}

// params returns the query parameters of r, each at most once and none but
// the allowed ones: a misspelt filter must not answer everything.
func params(r *http.Request, allowed ...string) (map[string]string, *problem) {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, &problem{"InvalidQuery", "the query string cannot be read"}
	}
	out := make(map[string]string, len(allowed))
	for _, name := range allowed {
		switch values := query[name]; {
		case len(values) > 1:
			return nil, &problem{"InvalidQuery", name + " is given more than once"}
		case len(values) == 1:
			out[name] = values[0]
		}
		delete(query, name)
	}
	if len(query) > 0 {
		return nil, &problem{"InvalidQuery", "only these parameters are known: " + strings.Join(allowed, ", ")}
	}
	return out, nil
}
