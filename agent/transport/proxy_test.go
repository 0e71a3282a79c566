package transport_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/agent/transport"
	"stackusage/internal/devstack/proxy"
)

// proxyTo starts a proxy that leads every name to one server.
func proxyTo(t *testing.T, server *httptest.Server) *proxy.Server {
	t.Helper()
	p, err := proxy.Start(server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	return p
}

// httptest's certificate is for this name, which leads nowhere without a proxy.
const far = "example.com"

func TestProxy(t *testing.T) {
	through := func(t *testing.T, conf transport.Config, p *proxy.Server, url string, want ...string) {
		t.Helper()
		if got, err := get(t, client(t, conf), url); err != nil || got != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		if diff := cmp.Diff(want, p.Asked()); diff != "" {
			t.Errorf("asked of the proxy (-want +got)\n%s", diff)
		}
	}
	t.Run("proxyUrl is used", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		p := proxyTo(t, server)
		through(t, transport.Config{ProxyURL: p.URL(), CAFile: ca}, p, "https://"+far, "CONNECT "+far+":443")
	})
	t.Run("the environment's proxy is used", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		p := proxyTo(t, server)
		t.Setenv("HTTPS_PROXY", p.URL())
		through(t, transport.Config{CAFile: ca}, p, "https://"+far, "CONNECT "+far+":443")
	})
	t.Run("proxyUrl goes before the environment's", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		p := proxyTo(t, server)
		t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
		through(t, transport.Config{ProxyURL: p.URL(), CAFile: ca}, p, "https://"+far, "CONNECT "+far+":443")
	})
	t.Run("loopback is reached without it", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		p := proxyTo(t, server)
		through(t, transport.Config{ProxyURL: p.URL(), CAFile: ca}, p, server.URL)
	})
	t.Run("noProxy is reached without it", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		p := proxyTo(t, server)
		c := client(t, transport.Config{ProxyURL: p.URL(), CAFile: ca, NoProxy: "azurestack.invalid"})
		_, err := get(t, c, "https://adminmanagement.local.azurestack.invalid")
		mustFail(t, err, "no such host")
		if asked := p.Asked(); len(asked) > 0 {
			t.Errorf("the proxy was asked for %q", asked)
		}
	})
	t.Run("link-local addresses are reached without it", func(t *testing.T) {
		direct(t)
		c := client(t, transport.Config{ProxyURL: "http://127.0.0.1:1"})
		choose := transport.ProxyOf(c)
		for url, proxied := range map[string]bool{"http://169.254.169.254/metadata/identity": false, "http://192.0.2.1/": true} {
			req, err := http.NewRequest(http.MethodGet, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := choose(req); err != nil || (got != nil) != proxied {
				t.Errorf("%s: %v, %v", url, got, err)
			}
		}
	})
	t.Run("a proxy of the environment that is no URL is named without its password", func(t *testing.T) {
		direct(t)
		t.Setenv("HTTPS_PROXY", "http://user:secret@%zz")
		_, err := transport.New(transport.Config{})
		mustFail(t, err, "HTTPS_PROXY")
		mustNotSay(t, err, "secret")
	})
	t.Run("a server behind it must prove who it is", func(t *testing.T) {
		direct(t)
		server, _ := serve(t, hello, nil)
		p := proxyTo(t, server)
		_, err := get(t, client(t, transport.Config{ProxyURL: p.URL()}), "https://"+far)
		mustFail(t, err, "caFile", far)
	})
}
