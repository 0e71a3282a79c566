// Package loopback is what stand-ins share to run on one machine: servers, ports,
// requests and child processes. Everything is on 127.0.0.1.
package loopback

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Serve serves h on a port that the kernel chooses, over TLS if there is a
// certificate. It returns the address, host:port, and what ends it and cuts the
// requests under way.
func Serve(h http.Handler, certificates ...tls.Certificate) (address string, stop func(), err error) {
	return ServeOn(0, h, certificates...)
}

// ServeOn is Serve on a port; 0: one that the kernel chooses.
func ServeOn(port int, h http.Handler, certificates ...tls.Certificate) (address string, stop func(), err error) {
	ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if err != nil {
		return "", nil, err
	}
	address = ln.Addr().String()
	server := &http.Server{Handler: h, ReadHeaderTimeout: 30 * time.Second}
	if certificates != nil {
		ln = tls.NewListener(ln, &tls.Config{Certificates: certificates, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}})
		server.ErrorLog = log.New(io.Discard, "", 0) // clients that do not trust the certificate, and agents that end
	}
	go server.Serve(ln)
	return address, func() { server.Close() }, nil
}

// JSON answers with v as JSON.
func JSON(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err) // stand-ins answer with strings and numbers of their own
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	w.Write(text)
}

// Ask sends a request, whose body is JSON, and returns the body of a response that
// is no failure. The caller closes it.
func Ask(ctx context.Context, method, url, body string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		resp.Body.Close()
		return nil, fmt.Errorf("%s %s: HTTP %d: %s", method, url, resp.StatusCode, text)
	}
	return resp.Body, nil
}

// Tell is Ask where the body of the response does not matter.
func Tell(ctx context.Context, method, url, body string) error {
	answer, err := Ask(ctx, method, url, body)
	if err != nil {
		return err
	}
	return answer.Close()
}

// ports are those that Port has returned.
var ports = struct {
	sync.Mutex
	taken map[int]bool
}{taken: map[int]bool{}}

// Port finds a free port for a child process, another one each time. It is below the
// range from which the kernel gives ports to clients: such a client could take it
// before the child does.
func Port() (int, error) {
	ports.Lock()
	defer ports.Unlock()
	for range 1000 {
		port := 20000 + rand.IntN(12000)
		if ports.taken[port] {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			continue
		}
		ports.taken[port] = true
		return port, ln.Close()
	}
	return 0, errors.New("no free port from 20000 to 32000")
}
