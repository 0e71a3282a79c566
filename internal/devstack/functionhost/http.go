package functionhost

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
)

const (
	maxAdminBody   = 1 << 20
	maxRequestBody = 100 << 20 // the real host's limit
)

// routes is the host's own HTTP interface.
func (h *Host) routes() (http.Handler, error) {
	var routes []*route
	for _, fn := range h.app.functions {
		if fn.trigger.Type != httpTrigger || fn.disabled {
			continue
		}
		r, err := parseRoute(fn, h.app.config.routePrefix)
		if err != nil {
			return nil, err
		}
		routes = append(routes, r)
	}
	sortRoutes(routes)
	mux := http.NewServeMux()
	mux.HandleFunc("GET /admin/host/status", h.admin(h.serveStatus))
	mux.HandleFunc("POST /admin/functions/{name}", h.admin(h.serveInvoke))
	mux.HandleFunc("/admin/", http.NotFound)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// ServeMux would redirect paths that are not clean; the functions' own must
		// arrive as they are.
		if strings.HasPrefix(r.URL.Path, "/admin/") {
			mux.ServeHTTP(w, r)
			return
		}
		for _, route := range routes {
			if params, ok := route.match(r); ok {
				h.serveFunction(w, r, route.fn, params)
				return
			}
		}
		http.NotFound(w, r)
	}), nil
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

func (h *Host) admin(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !h.allowed(r) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		next(w, r)
	}
}

// serveStatus says Running also when the handler is dead: so does the real host.
func (h *Host) serveStatus(w http.ResponseWriter, _ *http.Request) {
	state := "Running"
	if h.Err() != nil {
		state = "Error"
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = io.WriteString(w, string(object{{"state", quote(state)}, {"version", quote(Version)}}.json()))
}

// serveInvoke runs a function now, disabled or not, and does not wait for it.
func (h *Host) serveInvoke(w http.ResponseWriter, r *http.Request) {
	fn := h.app.find(r.PathValue("name"))
	if fn == nil {
		http.NotFound(w, r)
		return
	}
	var in struct {
		Input *string `json:"input"`
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxAdminBody))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &in)
	}
	if err != nil || fn.trigger.Type == httpTrigger {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	envelope, err := h.adminEnvelope(fn, orElse(in.Input, ""))
	if err != nil {
		h.log.Error("invoke by hand", "function", fn.name, "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if !h.gate.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	go func() {
		defer h.gate.leave()
		_, _ = h.invoker.call(h.working, fn, callReason, envelope) // logged there
	}()
	w.WriteHeader(http.StatusAccepted)
}

func (h *Host) adminEnvelope(fn *function, input string) ([]byte, error) {
	now := h.timers.now()
	switch fn.trigger.Type {
	case timerTrigger:
		s, err := parseSchedule(fn.trigger.Schedule)
		if err != nil {
			return nil, err
		}
		return timerEnvelope(fn, s, nil, false, now), nil
	case queueTrigger:
		return queueEnvelope(fn, []byte(input), &message{expires: maxTime, inserted: now, visible: maxTime}, now), nil
	default:
		return manualEnvelope(fn, input, now), nil
	}
}

func (h *Host) serveFunction(w http.ResponseWriter, r *http.Request, fn *function, params map[string]string) {
	if !strings.EqualFold(fn.trigger.AuthLevel, "anonymous") && !h.allowed(r) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if !h.gate.enter() {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	defer h.gate.leave()
	r.Body = http.MaxBytesReader(w, r.Body, maxRequestBody)
	switch {
	case fn.simpleHTTP() && h.app.config.proxying:
		h.pass(w, r, fn, proxy)
	case fn.simpleHTTP() && h.app.config.forwarding:
		h.pass(w, r, fn, forward)
	default:
		h.serveEnvelope(w, r, fn, params)
	}
}

func (h *Host) serveEnvelope(w http.ResponseWriter, r *http.Request, fn *function, params map[string]string) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	resp, err := h.invoker.call(h.working, fn, callReason, httpEnvelope(fn, r, params, body, h.timers.now()))
	switch {
	case errors.Is(err, errHostEnded):
		w.WriteHeader(http.StatusServiceUnavailable)
	case err != nil:
		w.WriteHeader(http.StatusInternalServerError)
	default:
		writeHTTPOutput(w, fn, resp)
	}
}

const callReason = "This function was programmatically called via the host APIs."
