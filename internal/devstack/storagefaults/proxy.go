package storagefaults

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"stackusage/internal/devstack/loopback"
)

// retries is how often the storage clients of Azure's SDK repeat a request, and
// so for how long "ever" lasts.
const retries = 4

// retrySoon is how long a client is asked to wait before it repeats a request
// that fails every time: its own backoff would take longer than all the rest.
const retrySoon = 5 * time.Millisecond

// Endpoints are the addresses, host and port, of the three services.
type Endpoints struct{ Blob, Queue, Table string }

// Proxy stands in front of the storage of one program.
type Proxy struct {
	faults  *Faults
	kill    func() bool
	targets Endpoints
	own     Endpoints
	client  *http.Transport
	stops   []func()

	mu   sync.Mutex
	left map[[sha256.Size]byte]int // retries of a request that are still to fail
}

// Start serves on three loopback ports that the kernel chooses. Kill ends the
// program with SIGKILL, waits for its end, and reports whether there was one.
func Start(f *Faults, targets Endpoints, kill func() bool) (*Proxy, error) {
	p := &Proxy{
		faults: f, kill: kill, targets: targets,
		client: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64},
		left:   map[[sha256.Size]byte]int{},
	}
	for _, s := range []struct {
		service service
		target  string
		own     *string
	}{{blobs, targets.Blob, &p.own.Blob}, {queues, targets.Queue, &p.own.Queue}, {tables, targets.Table, &p.own.Table}} {
		address, stop, err := loopback.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			p.serve(s.service, s.target, w, r)
		}))
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("start storage faults: %w", err)
		}
		*s.own = address
		p.stops = append(p.stops, stop)
	}
	return p, nil
}

// Close stops serving and cuts what is under way.
func (p *Proxy) Close() {
	for _, stop := range p.stops {
		stop()
	}
	p.client.CloseIdleConnections()
}

// Through is a connection string with the proxy in the place of the storage that
// it names. Requests are signed over the path and not over the host, so the
// storage accepts what was signed for the proxy.
func (p *Proxy) Through(connection string) string {
	return strings.NewReplacer(
		"://"+p.targets.Blob+"/", "://"+p.own.Blob+"/",
		"://"+p.targets.Queue+"/", "://"+p.own.Queue+"/",
		"://"+p.targets.Table+"/", "://"+p.own.Table+"/",
	).Replace(connection)
}

func (p *Proxy) serve(s service, target string, w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler) // the client has gone
	}
	kind := kindOf(s, r, body)
	if kind == "" {
		p.pass(target, w, r, body)
		return
	}
	if p.faults.refuses() {
		fail(w, http.StatusServiceUnavailable)
		return
	}
	key := sha256.Sum256(fmt.Appendf(nil, "%s %s\n%s", r.Method, r.URL.RequestURI(), body))
	if p.failsAgain(key) {
		fail(w, http.StatusServiceUnavailable)
		return
	}
	action := p.faults.next(kind)
	switch action {
	case Pass:
		p.pass(target, w, r, body)
		return
	case KillBefore:
		if p.ended(kind, action) {
			panic(http.ErrAbortHandler)
		}
		p.pass(target, w, r, body)
		return
	case NotStoredEver, UnreportedEver:
		p.failAgain(key)
	}
	status := p.faults.style(kind)
	if action == NotStored || action == NotStoredEver {
		p.faults.given(kind, action)
		fail(w, status)
		return
	}
	answer, err := p.forward(target, r, body)
	if err != nil {
		p.answered(key)
		p.faults.missed(kind, action)
		panic(http.ErrAbortHandler) // storage is away: that is another fault
	}
	defer answer.Body.Close()
	switch {
	case action == KillAfter:
		if p.ended(kind, action) {
			panic(http.ErrAbortHandler)
		}
		reply(w, answer)
		return
	case answer.StatusCode >= http.StatusBadRequest:
		// Storage has refused it, as it should when a row is there or has changed:
		// nothing was stored, so there is nothing to hide.
		p.answered(key)
		reply(w, answer)
		return
	}
	io.Copy(io.Discard, answer.Body)
	p.faults.given(kind, action)
	fail(w, status)
}

// ended kills the program.
func (p *Proxy) ended(kind string, a Action) bool {
	if !p.kill() {
		p.faults.missed(kind, a)
		return false
	}
	p.faults.given(kind, a)
	return true
}

// failAgain makes the retries of a request fail like its first try.
func (p *Proxy) failAgain(key [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left[key] = retries
}

func (p *Proxy) failsAgain(key [sha256.Size]byte) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := p.left[key]
	if n <= 1 {
		delete(p.left, key)
	} else {
		p.left[key] = n - 1
	}
	return n > 0
}

func (p *Proxy) answered(key [sha256.Size]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.left, key)
}

// fail answers a status, or cuts the connection if it is 0.
func fail(w http.ResponseWriter, status int) {
	if status == 0 {
		panic(http.ErrAbortHandler)
	}
	code := map[int]string{http.StatusInternalServerError: "InternalError", http.StatusServiceUnavailable: "ServerBusy"}[status]
	w.Header().Set("x-ms-error-code", code)
	w.Header().Set("x-ms-retry-after-ms", strconv.FormatInt(retrySoon.Milliseconds(), 10))
	w.WriteHeader(status)
}

func (p *Proxy) pass(target string, w http.ResponseWriter, r *http.Request, body []byte) {
	answer, err := p.forward(target, r, body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer answer.Body.Close()
	reply(w, answer)
}

// forward sends the request on. It goes on when the client has gone, as a
// request does that storage has received.
func (p *Proxy) forward(target string, r *http.Request, body []byte) (*http.Response, error) {
	out, err := http.NewRequest(r.Method, "http://"+target+r.URL.RequestURI(), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	out.Header = r.Header.Clone()
	out.Host = r.Host
	out.ContentLength = int64(len(body))
	return p.client.RoundTrip(out)
}

func reply(w http.ResponseWriter, answer *http.Response) {
	for name, v := range answer.Header {
		w.Header()[name] = v
	}
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		panic(http.ErrAbortHandler) // an answer that broke off must not look whole
	}
}
