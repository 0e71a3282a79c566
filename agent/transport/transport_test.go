package transport_test

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackusage/agent/transport"
)

// serve starts a TLS server and returns it with a file of its authority.
func serve(t *testing.T, h http.HandlerFunc, change func(*tls.Config)) (server *httptest.Server, caFile string) {
	t.Helper()
	server = httptest.NewUnstartedServer(h)
	server.TLS = &tls.Config{}
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if change != nil {
		change(server.TLS)
	}
	server.StartTLS()
	t.Cleanup(server.Close)
	caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return server, caFile
}

func hello(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") }

// direct keeps the proxies of the machine that runs the tests out of them.
func direct(t *testing.T) {
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy"} {
		t.Setenv(name, "")
	}
}

func client(t *testing.T, conf transport.Config) *http.Client {
	t.Helper()
	c, err := transport.New(conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.CloseIdleConnections)
	return c
}

// get returns the answer's text, or the error as its user sees it.
func get(t *testing.T, c *http.Client, url string) (string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return string(text), err
}

func mustFail(t *testing.T, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%q does not say %q", err, word)
		}
	}
}

func TestTLS(t *testing.T) {
	direct(t)
	t.Run("an authority in caFile is trusted", func(t *testing.T) {
		server, ca := serve(t, hello, nil)
		if got, err := get(t, client(t, transport.Config{CAFile: ca}), server.URL); err != nil || got != "hello" {
			t.Errorf("%q, %v", got, err)
		}
	})
	t.Run("an unknown authority is refused, and the setting named", func(t *testing.T) {
		server, _ := serve(t, hello, nil)
		_, err := get(t, client(t, transport.Config{}), server.URL)
		mustFail(t, err, "unknown authority", "caFile")
	})
	t.Run("an authority that is not in caFile is refused, and the file named", func(t *testing.T) {
		server, _ := serve(t, hello, nil)
		ca := filepath.Join("testdata", "other-ca.pem")
		_, err := get(t, client(t, transport.Config{CAFile: ca}), server.URL)
		mustFail(t, err, "unknown authority", ca)
	})
	t.Run("TLS 1.1 is refused", func(t *testing.T) {
		server, ca := serve(t, hello, func(c *tls.Config) { c.MinVersion, c.MaxVersion = tls.VersionTLS10, tls.VersionTLS11 })
		_, err := get(t, client(t, transport.Config{CAFile: ca}), server.URL)
		mustFail(t, err, "127.0.0.1: the server speaks no TLS 1.2 or later")
	})
	t.Run("TLS 1.2 is accepted", func(t *testing.T) {
		server, ca := serve(t, hello, func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 })
		if _, err := get(t, client(t, transport.Config{CAFile: ca}), server.URL); err != nil {
			t.Error(err)
		}
	})
	t.Run("a certificate for another host is refused", func(t *testing.T) {
		server, ca := serve(t, hello, nil)
		_, err := get(t, client(t, transport.Config{CAFile: ca}), strings.Replace(server.URL, "127.0.0.1", "localhost", 1))
		mustFail(t, err, "localhost")
	})
}

func TestRedirectIsAnAnswer(t *testing.T) {
	direct(t)
	var followed atomic.Bool
	server, ca := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/elsewhere" {
			followed.Store(true)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}, nil)
	resp, err := client(t, transport.Config{CAFile: ca}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTemporaryRedirect || followed.Load() {
		t.Errorf("%s, followed: %t", resp.Status, followed.Load())
	}
}

// The limits are short here and the waits they end would last for ever, so a
// slow machine makes these tests slow, not wrong.
func TestTimeLimits(t *testing.T) {
	direct(t)
	t.Run("a server that never answers", func(t *testing.T) {
		hung := make(chan struct{})
		server, ca := serve(t, func(http.ResponseWriter, *http.Request) { <-hung }, nil)
		t.Cleanup(func() { close(hung) }) // before the server is closed, which waits for its requests
		_, err := get(t, client(t, transport.Config{CAFile: ca, HeaderTimeout: 50 * time.Millisecond}), server.URL)
		mustFail(t, err, "timeout awaiting response headers")
	})
	t.Run("a server that never shakes hands", func(t *testing.T) {
		mute, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { mute.Close() })
		_, err = get(t, client(t, transport.Config{TLSTimeout: 50 * time.Millisecond}), "https://"+mute.Addr().String())
		mustFail(t, err, "TLS handshake timeout")
	})
	t.Run("the request's context ends it", func(t *testing.T) {
		server, ca := serve(t, hello, nil)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = client(t, transport.Config{CAFile: ca}).Do(req)
		mustFail(t, err, "context canceled")
	})
}

func TestBadSettings(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	key := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("x")})
	for name, tc := range map[string]struct {
		conf transport.Config
		says string
	}{
		"a CA file that is not there":       {transport.Config{CAFile: filepath.Join(dir, "none.pem")}, "caFile"},
		"a CA file without a certificate":   {transport.Config{CAFile: file("text.pem", "DER or so")}, "no PEM certificate"},
		"a CA file with a key":              {transport.Config{CAFile: file("key.pem", string(key))}, `"PRIVATE KEY"`},
		"a CA file that is damaged":         {transport.Config{CAFile: file("bad.pem", strings.ReplaceAll(string(key), "PRIVATE KEY", "CERTIFICATE"))}, "PEM block 1"},
		"a CA file that is too large":       {transport.Config{CAFile: file("big.pem", strings.Repeat(" ", transport.MaxCABytes+1))}, "larger than"},
		"a proxy that is no URL":            {transport.Config{ProxyURL: "://secret"}, "proxyUrl"},
		"a proxy without a scheme":          {transport.Config{ProxyURL: "proxy:3128"}, "http://host:port"},
		"a proxy of a kind that is unknown": {transport.Config{ProxyURL: "ftp://proxy:21"}, "http://host:port"},
		"a proxy's password":                {transport.Config{ProxyURL: "http://user:secret@proxy:3128"}, "HTTPS_PROXY"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := transport.New(tc.conf)
			mustFail(t, err, tc.says)
			mustNotSay(t, err, "secret")
		})
	}
}

func mustNotSay(t *testing.T, err error, word string) {
	t.Helper()
	if strings.Contains(err.Error(), word) {
		t.Errorf("%v says %q", err, word)
	}
}

func FuzzParseCertificates(f *testing.F) {
	other, err := os.ReadFile(filepath.Join("testdata", "other-ca.pem"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(other)
	f.Add(append(other, other...))
	f.Add([]byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		certs, err := transport.ParseCertificates(text)
		if (err == nil) != (len(certs) > 0) {
			t.Errorf("%d certificates, %v", len(certs), err)
		}
	})
}
