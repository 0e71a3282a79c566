package transport_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"stackusage/agent/transport"
)

// proxy is a CONNECT proxy that leads every name to one server and notes what it
// was asked for.
func proxy(t *testing.T, to *httptest.Server) (url string, asked chan string) {
	t.Helper()
	asked = make(chan string, 10)
	p := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.Host
		if r.Method != http.MethodConnect {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		there, err := net.Dial("tcp", to.Listener.Addr().String())
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
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
	}))
	t.Cleanup(p.Close)
	return p.URL, asked
}

// httptest's certificate is for this name, which leads nowhere without a proxy.
const far = "example.com"

func TestProxy(t *testing.T) {
	through := func(t *testing.T, conf transport.Config, asked chan string, url, want string) {
		t.Helper()
		if got, err := get(t, client(t, conf), url); err != nil || got != "hello" {
			t.Fatalf("%q, %v", got, err)
		}
		select {
		case got := <-asked:
			if got != want {
				t.Errorf("the proxy was asked for %q, want %q", got, want)
			}
		default:
			if want != "" {
				t.Error("the proxy was not asked")
			}
		}
	}
	t.Run("proxyUrl is used", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		url, asked := proxy(t, server)
		through(t, transport.Config{ProxyURL: url, CAFile: ca}, asked, "https://"+far, "CONNECT "+far+":443")
	})
	t.Run("the environment's proxy is used", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		url, asked := proxy(t, server)
		t.Setenv("HTTPS_PROXY", url)
		through(t, transport.Config{CAFile: ca}, asked, "https://"+far, "CONNECT "+far+":443")
	})
	t.Run("proxyUrl goes before the environment's", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		url, asked := proxy(t, server)
		t.Setenv("HTTPS_PROXY", "http://127.0.0.1:1")
		through(t, transport.Config{ProxyURL: url, CAFile: ca}, asked, "https://"+far, "CONNECT "+far+":443")
	})
	t.Run("loopback is reached without it", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		url, asked := proxy(t, server)
		through(t, transport.Config{ProxyURL: url, CAFile: ca}, asked, server.URL, "")
	})
	t.Run("noProxy is reached without it", func(t *testing.T) {
		direct(t)
		server, ca := serve(t, hello, nil)
		url, asked := proxy(t, server)
		c := client(t, transport.Config{ProxyURL: url, CAFile: ca, NoProxy: "azurestack.invalid"})
		_, err := get(t, c, "https://adminmanagement.local.azurestack.invalid")
		mustFail(t, err, "no such host")
		if len(asked) > 0 {
			t.Errorf("the proxy was asked for %q", <-asked)
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
		url, _ := proxy(t, server)
		_, err := get(t, client(t, transport.Config{ProxyURL: url}), "https://"+far)
		mustFail(t, err, "caFile", far)
	})
}
