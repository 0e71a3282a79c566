// Package proxy is a stand-in for a company's HTTP proxy: it knows CONNECT only,
// leads every host to one address, and notes what it was asked for. Behind it a
// stand-in on loopback can be met by the name of what it stands for.
package proxy

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"stackusage/internal/devstack/loopback"
)

// Server is a running proxy.
type Server struct {
	to      string
	address string
	stop    func()

	mu    sync.Mutex
	asked []string
}

// Start listens on a loopback port of the kernel's choice and leads everything to
// the address to, host:port.
func Start(to string) (*Server, error) {
	s := &Server{to: to}
	var err error
	if s.address, s.stop, err = loopback.Serve(s); err != nil {
		return nil, fmt.Errorf("start proxy: %w", err)
	}
	return s, nil
}

// Stop ends the proxy; connections through it end with those who made them.
func (s *Server) Stop() { s.stop() }

// URL is what a client's settings name.
func (s *Server) URL() string { return "http://" + s.address }

// Asked returns the requests so far, such as "CONNECT example.com:443".
func (s *Server) Asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.asked)
}

// ServeHTTP joins two connections.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.asked = append(s.asked, r.Method+" "+r.Host)
	s.mu.Unlock()
	if r.Method != http.MethodConnect {
		http.Error(w, "CONNECT only", http.StatusMethodNotAllowed)
		return
	}
	dialer := net.Dialer{Timeout: 10 * time.Second}
	there, err := dialer.DialContext(context.WithoutCancel(r.Context()), "tcp", s.to)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer there.Close()
	w.WriteHeader(http.StatusOK)
	here, buffered, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return
	}
	defer here.Close()
	go func() {
		io.Copy(there, buffered)
		there.Close()
	}()
	io.Copy(here, there)
}
