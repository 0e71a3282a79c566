package functionhost

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"stackusage/internal/devstack/functionhost/app"
	"stackusage/internal/devstack/functionhost/envelope"
)

const (
	maxAdminBody   = 1 << 20
	maxRequestBody = 100 << 20 // the real host's limit
)

// handler is the host's own HTTP interface.
func (h *Host) handler() http.Handler {
	functions := newRoutes(h.app)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /admin/functions/{name}", h.serveInvoke)
	mux.HandleFunc("/admin/", http.NotFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect paths that are not clean; the functions' own must
		// arrive as they are.
		if strings.HasPrefix(r.URL.Path, "/admin/") {
			mux.ServeHTTP(w, r)
		} else if fn := functions.find(r); fn != nil {
			h.serveFunction(w, r, fn)
		} else {
			http.NotFound(w, r)
		}
	})
}

func (h *Host) allowed(r *http.Request) bool {
	if h.opts.Key == "" {
		return true
	}
	given := r.Header.Get("X-Functions-Key")
	if given == "" {
		given = r.URL.Query().Get("code")
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(h.opts.Key)) == 1
}

// serveInvoke runs a function now, disabled or not, and does not wait for it. A queue
// function gets the input as the content of a message.
func (h *Host) serveInvoke(w http.ResponseWriter, r *http.Request) {
	if !h.allowed(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fn := h.app.Find(r.PathValue("name"))
	if fn == nil {
		http.NotFound(w, r)
		return
	}
	var in struct {
		Input string `json:"input"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxAdminBody)).Decode(&in)
	if errors.Is(err, io.EOF) {
		err = nil // no body at all
	}
	if err != nil || fn.Trigger.Type == app.HTTPTrigger {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	body := h.envelope(fn).Timer(nil, false)
	if fn.Trigger.Type == app.QueueTrigger {
		body = h.envelope(fn).Queue([]byte(in.Input), envelope.Message{Expires: maxTime, Inserted: h.clock.now(), Visible: maxTime})
	}
	if !h.gate.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	go func() {
		defer h.gate.leave()
		_ = h.invoker.call(h.working, fn, callReason, body) // logged there
	}()
	w.WriteHeader(http.StatusAccepted)
}

// envelope makes the body of a call now.
func (h *Host) envelope(fn *app.Function) envelope.Call {
	return envelope.Call{Function: fn.Name, Binding: fn.Trigger.Name, Now: h.clock.now()}
}

func (h *Host) serveFunction(w http.ResponseWriter, r *http.Request, fn *app.Function) {
	if !strings.EqualFold(fn.Trigger.AuthLevel, "anonymous") && !h.allowed(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !h.gate.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer h.gate.leave()
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	h.pass(w, r, fn)
}

const callReason = "This function was programmatically called via the host APIs."

var maxTime = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
