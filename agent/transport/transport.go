// Package transport makes the one HTTP client through which the agent meets the
// stack, the token issuers and Azure Storage: TLS 1.2 or later, every wait up to
// the answer's headers bounded, redirects never followed.
//
//	proxy.go: which proxy ─┐
//	CAFile + system roots ─┼─> New ─> *http.Client ─> stackapi.Config.HTTP
//	time limits ───────────┘                      └─> policy.ClientOptions.Transport
//
// The client has no time limit for whole requests, as pages are read as a
// stream: who sends a request bounds it by its context.
package transport

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"time"

	"stackusage/agent/neterr"
)

// MaxCABytes is the largest CA file that is read; a system's whole bundle has
// about 250 KiB.
const MaxCABytes = 4 << 20

const (
	idleTimeout    = 90 * time.Second
	maxHeaderBytes = 256 << 10
)

// Config says how the agent reaches others. The zero value honours the
// environment's proxies, trusts the system's authorities and has no time limits.
type Config struct {
	// ProxyURL is the proxy for everything but what NoProxy names, http://host:port
	// or https://host:port. Empty means what HTTPS_PROXY, HTTP_PROXY and NO_PROXY
	// say. It carries no password: one that is needed goes into the environment.
	ProxyURL string

	// NoProxy lists hosts, domains and networks that are reached directly, as
	// NO_PROXY does: "local.azurestack.external,10.0.0.0/8". It only counts beside
	// ProxyURL; empty means what NO_PROXY says. Loopback and link-local addresses
	// are always reached directly.
	NoProxy string

	// CAFile is a file of PEM certificates that are trusted beside the system's;
	// empty means none.
	CAFile string

	DialTimeout   time.Duration // of connecting to one host, name look-up included; 0: none
	TLSTimeout    time.Duration // of one TLS handshake
	HeaderTimeout time.Duration // of the headers of an answer, from when the request was sent

	// Clocks, if set, sees the Date of every answer.
	Clocks *Clocks
}

// New checks conf, reads its CAFile and returns a client for it.
func New(conf Config) (*http.Client, error) {
	proxy, err := ProxyFor(conf)
	if err != nil {
		return nil, err
	}
	roots, err := rootsOf(conf.CAFile)
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Transport: &explaining{caFile: conf.CAFile, clocks: conf.Clocks, Transport: &http.Transport{
			Proxy:                  func(req *http.Request) (*url.URL, error) { return proxy(req.URL) },
			DialContext:            (&net.Dialer{Timeout: conf.DialTimeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
			TLSHandshakeTimeout:    conf.TLSTimeout,
			ResponseHeaderTimeout:  conf.HeaderTimeout,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConnsPerHost:    8,
			MaxResponseHeaderBytes: maxHeaderBytes,
			ForceAttemptHTTP2:      true,
			ReadBufferSize:         64 << 10, // as a page comes: 4 KiB, the default, is a quarter of a TLS record
		}},
		// A redirect could carry a token or a secret to another host.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// rootsOf returns the system's authorities and those of file.
func rootsOf(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil // the system's
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read caFile: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxCABytes+1))
	if err != nil {
		return nil, fmt.Errorf("read caFile: %w", err)
	}
	certs, err := parseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("read caFile %s: %w", file, err)
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificate authorities: %w", err)
	}
	for _, cert := range certs {
		roots.AddCert(cert)
	}
	return roots, nil
}

// parseCertificates reads PEM. A block that is no readable certificate is an
// error: x509.CertPool would leave it out, and the operator wonder why its
// signatures are not trusted.
func parseCertificates(text []byte) (certs []*x509.Certificate, err error) {
	if len(text) > MaxCABytes {
		return nil, fmt.Errorf("larger than %d bytes", MaxCABytes)
	}
	for n := 1; ; n++ {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("PEM block %d is no certificate but %.40q", n, block.Type)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("PEM block %d: %w", n, err)
		}
		certs = append(certs, cert)
	}
	if len(certs) == 0 {
		return nil, errors.New("no PEM certificate in it (-----BEGIN CERTIFICATE-----)")
	}
	return certs, nil
}

// explaining adds to errors of TLS what an operator can do about them.
type explaining struct {
	*http.Transport
	caFile string
	clocks *Clocks
}

func (e *explaining) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := e.Transport.RoundTrip(req)
	if err == nil {
		if e.clocks != nil {
			e.clocks.observe(resp)
		}
		return resp, nil
	}
	at := neterr.Place{Host: req.URL.Hostname(), CASetting: "the setting caFile"}
	if e.caFile != "" {
		at.CASetting = "caFile " + e.caFile
	}
	if why := neterr.Explain(err, at); why.Kind.TLS() {
		err = fmt.Errorf("%w: %s: %s: %s", err, at.Host, why.Cause, why.Advice)
	}
	return nil, err
}
