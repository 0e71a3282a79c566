package neterr_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"stackusage/agent/neterr"
	"stackusage/internal/devstack/identity"
)

// serve serves over TLS and returns the address.
func serve(t *testing.T, h http.Handler, change func(*tls.Config)) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{}
	if change != nil {
		change(server.TLS)
	}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	t.Cleanup(server.Close)
	return server.URL
}

// by serves a certificate that was made for an application.
func by(t *testing.T, until time.Duration) func(*tls.Config) {
	t.Helper()
	cert, key, err := identity.ClientCertificate("someone", time.Now().Add(-2*time.Hour), time.Now().Add(until))
	if err != nil {
		t.Fatal(err)
	}
	return func(conf *tls.Config) {
		conf.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: key}}
	}
}

func closedPort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// TestExplain makes connections that fail, and errors that this machine cannot cause.
func TestExplain(t *testing.T) {
	get := func(address string, change func(*http.Transport)) error {
		transport := &http.Transport{TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}}
		if change != nil {
			change(transport)
		}
		defer transport.CloseIdleConnections()
		resp, err := (&http.Client{Transport: transport, Timeout: 5 * time.Second}).Get(address)
		if err == nil {
			resp.Body.Close()
		}
		return err
	}
	through := func(proxy string) func(*http.Transport) {
		return func(t *http.Transport) { t.Proxy = http.ProxyURL(&url.URL{Scheme: "http", Host: proxy}) }
	}
	closed := closedPort(t)
	hello := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	plain := httptest.NewServer(hello)
	defer plain.Close()
	hang := make(chan struct{})
	defer close(hang)
	late := func() error {
		return get(serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-hang }), nil), func(t *http.Transport) {
			t.TLSClientConfig.InsecureSkipVerify, t.ResponseHeaderTimeout = true, 50*time.Millisecond
		})
	}
	place := neterr.Place{Host: "stack.example:443", Setting: "stack.endpoint", CASetting: "stack.caFile"}
	proxied := place
	proxied.Proxied = true
	for name, tc := range map[string]struct {
		err           error
		at            neterr.Place
		kind          neterr.Kind
		cause, advice string
	}{
		"no such name":                      {get("https://stack.invalid", nil), place, neterr.UnknownHost, "the name stack.example cannot be resolved: no DNS server", "Check stack.endpoint."},
		"no DNS":                            {&net.DNSError{IsTimeout: true}, place, neterr.TimedOut, "DNS server does not answer", "port 53"},
		"DNS out of order":                  {&net.DNSError{IsTemporary: true}, place, neterr.UnknownHost, "DNS server does not answer", "port 53"},
		"a closed port":                     {get("https://"+closed, nil), place, neterr.Unreachable, "stack.example:443 cannot be reached: it refuses", "proxy.url"},
		"a port that drops packets":         {&net.OpError{Op: "dial", Err: context.DeadlineExceeded}, place, neterr.TimedOut, "the port is blocked", "drops packets"},
		"a server that does not answer":     {late(), place, neterr.TimedOut, "stack.example:443 does not answer in time", "load balancer"},
		"no time left":                      {fmt.Errorf("get: %w", context.DeadlineExceeded), place, neterr.TimedOut, "does not answer in time", "firewall"},
		"a server that hangs up":            {io.ErrUnexpectedEOF, place, neterr.Unreachable, "cannot be reached: unexpected EOF", "routes"},
		"no route":                          {&net.OpError{Op: "dial", Err: errors.New("no route to host")}, place, neterr.Unreachable, "no route to host", "routes"},
		"a proxy that is away":              {get("https://stack.invalid", through(closed)), place, neterr.ProxyBroken, "the proxy cannot be reached", "proxy.url"},
		"a proxy that wants a password":     {errors.New("Proxy Authentication Required"), place, neterr.ProxyBroken, "refuses to connect", "password"},
		"a proxy that leads nowhere":        {errors.New("Not Found"), proxied, neterr.ProxyBroken, "the proxy does not lead to stack.example: Not Found", "allow CONNECT to stack.example:443"},
		"an unknown authority":              {get(serve(t, hello, nil), nil), place, neterr.UntrustedCertificate, "an authority that this machine does not know", "in stack.caFile."},
		"an unknown authority, by a proxy":  {get(serve(t, hello, nil), nil), proxied, neterr.UntrustedCertificate, "does not know", "an authority of its own"},
		"an unknown authority, no setting":  {get(serve(t, hello, nil), nil), neterr.Place{}, neterr.UntrustedCertificate, "does not know", "in caFile."},
		"another name":                      {get(serve(t, hello, by(t, time.Hour)), nil), place, neterr.UntrustedCertificate, "another name than stack.example", "Use the name"},
		"an expired certificate":            {get(serve(t, hello, by(t, -time.Hour)), nil), place, neterr.UntrustedCertificate, "the server's certificate is not valid", "valid for stack.example"},
		"TLS 1.1":                           {get(serve(t, hello, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 }), nil), place, neterr.NoTLS, "no TLS 1.2", "Update"},
		"TLS 1.1 by choice":                 {errors.New("tls: server selected unsupported protocol version 302"), place, neterr.NoTLS, "no TLS 1.2", "Update"},
		"plain HTTP":                        {get(strings.Replace(plain.URL, "http:", "https:", 1), nil), place, neterr.NoTLS, "plain HTTP", "port"},
		"a caller that gives up":            {fmt.Errorf("get: %w", context.Canceled), place, neterr.None, "", ""},
		"an error of something else":        {errors.New("disk full"), place, neterr.None, "", ""},
		"no error":                          {nil, place, neterr.None, "", ""},
		"a name without a setting to check": {&net.DNSError{IsNotFound: true}, neterr.Place{Host: "a"}, neterr.UnknownHost, "the name a cannot", "Check the name in the settings."},
	} {
		t.Run(name, func(t *testing.T) {
			got := neterr.Explain(tc.err, tc.at)
			if got.Kind != tc.kind || !strings.Contains(got.Cause, tc.cause) || !strings.Contains(got.Advice, tc.advice) || (got.Kind == neterr.None) != (got.Cause == "") {
				t.Errorf("%v is explained as %+v", tc.err, got)
			}
			if tls := got.Kind == neterr.UntrustedCertificate || got.Kind == neterr.NoTLS; got.Kind.TLS() != tls {
				t.Errorf("%s is of TLS: %t", got.Kind, got.Kind.TLS())
			}
		})
	}
}
