package proxy_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/proxy"
)

func start(t *testing.T, to string) (*proxy.Server, *http.Client) {
	t.Helper()
	s, err := proxy.Start(to)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	where, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	return s, &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(where)}}
}

func TestProxy(t *testing.T) {
	t.Run("leads every host to one server", func(t *testing.T) {
		server := httptest.NewTLSServer(http.NotFoundHandler())
		t.Cleanup(server.Close)
		s, client := start(t, server.Listener.Addr().String())
		transport := client.Transport.(*http.Transport)
		transport.TLSClientConfig = server.Client().Transport.(*http.Transport).TLSClientConfig
		resp, err := client.Get("https://example.com/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusNotFound {
			t.Error(resp.Status)
		}
		if diff := cmp.Diff([]string{"CONNECT example.com:443"}, s.Asked()); diff != "" {
			t.Errorf("(-want +got)\n%s", diff)
		}
	})
	t.Run("says so when there is no server", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		_, client := start(t, ln.Addr().String())
		if resp, err := client.Get("https://example.com/"); err == nil {
			t.Errorf("answered %s", resp.Status)
		}
	})
	t.Run("knows CONNECT only", func(t *testing.T) {
		_, client := start(t, "127.0.0.1:1")
		resp, err := client.Get("http://example.com/")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed {
			t.Error(resp.Status)
		}
	})
}
