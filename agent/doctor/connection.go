package doctor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stackusage/agent/neterr"
	"stackusage/shared/usage"
)

// host checks the way to one host and returns the name of the check that a user
// of it needs. Through a proxy, neither the host's name is looked up here nor is
// it connected to: the proxy's is.
func (e *examination) host(who, address string, client *http.Client, needs string) string {
	u := hostURL(address)
	reached := who + " connection"
	var proxy *url.URL
	var errProxy error
	if e.parts.Proxy != nil && u.Host != "" {
		proxy, errProxy = e.parts.Proxy(u)
	}
	switch {
	case errProxy != nil:
		e.check(reached, u.Host, []string{needs}, func(context.Context) Result {
			return failed("the proxy of the settings is no address", "Check proxy.url, and HTTPS_PROXY of the environment.")
		})
	case proxy != nil && e.proxies[proxy.Host] != "":
		reached = e.proxies[proxy.Host]
	case proxy != nil:
		reached = e.connect("proxy", proxy, needs)
		e.proxies[proxy.Host] = reached
	default:
		reached = e.connect(who, u, needs)
	}
	if u.Scheme == "http" { // an emulator on this machine
		return reached
	}
	name := who + " TLS"
	e.check(name, u.Host, []string{reached, needs}, func(ctx context.Context) Result {
		return e.tls(ctx, who, u, client, proxy != nil)
	})
	return name
}

func (e *examination) connect(who string, u *url.URL, needs string) string {
	name, connection := who+" name", who+" connection"
	host, address := u.Hostname(), hostPort(u)
	e.check(name, host, []string{needs}, func(ctx context.Context) Result {
		if net.ParseIP(host) != nil {
			return ok("an address")
		}
		found, err := net.DefaultResolver.LookupHost(ctx, host)
		if err != nil {
			return explain(who, host, false, err)
		}
		return ok(strings.Join(found[:min(len(found), 4)], ", "))
	})
	e.check(connection, address, []string{name}, func(ctx context.Context) Result {
		began := time.Now()
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return explain(who, address, false, err)
		}
		conn.Close()
		return ok("in " + time.Since(began).Round(100*time.Microsecond).String())
	})
	return connection
}

func hostPort(u *url.URL) string {
	if u.Host == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(u.Hostname(), port)
}

// explain is what the one place knows of an error, or the error itself.
func explain(who, address string, proxied bool, err error) Result {
	key := "storage.caFile"
	if strings.HasPrefix(who, "stack") {
		key = "stack.caFile"
	}
	why := neterr.Explain(err, neterr.Place{Host: address, Setting: settingOf(who), CASetting: key, Proxied: proxied})
	if why.Kind == neterr.None {
		return failed("the connection fails: "+brief(err), "Check that "+address+" is the address of the right service, and that nothing between cuts TLS.")
	}
	return failed(why.Cause, why.Advice)
}

func settingOf(who string) string {
	switch who {
	case "stack":
		return "stack.endpoint, or stack.region and stack.domain"
	case "stack login":
		return "stack.loginEndpoint, or leave it empty"
	case "proxy":
		return "proxy.url, or HTTPS_PROXY of the environment"
	case "storage":
		return "storage.account or storage.blobServiceUri"
	}
	return "the address"
}

// tls sends a request without any credential: whatever the answer is, it shows
// the certificate and the server's clock.
func (e *examination) tls(ctx context.Context, who string, u *url.URL, client *http.Client, proxied bool) Result {
	resp, sent, took, err := head(ctx, client, u)
	if err != nil {
		return e.explainTLS(ctx, who, u, err, proxied)
	}
	e.clocks = append(e.clocks, clockOf(u.Host, resp, sent, took)...)
	if resp.TLS == nil || len(resp.TLS.PeerCertificates) == 0 {
		return ok("")
	}
	until := resp.TLS.PeerCertificates[0].NotAfter
	found := fmt.Sprintf("%s, certificate until %s", tls.VersionName(resp.TLS.Version), until.UTC().Format(time.DateOnly))
	if left := time.Until(until); left < 7*24*time.Hour {
		return warning(fmt.Sprintf("the server's certificate ends in %s", usage.Span(left)), "Tell who runs "+u.Host+".")
	}
	return ok(found)
}

func head(ctx context.Context, client *http.Client, u *url.URL) (resp *http.Response, sent time.Time, took time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, u.Scheme+"://"+u.Host+"/", nil)
	if err != nil {
		return nil, sent, 0, err
	}
	sent = time.Now()
	if resp, err = client.Do(req); err != nil {
		return nil, sent, 0, neterr.Bare(err)
	}
	took = time.Since(sent)
	io.Copy(io.Discard, io.LimitReader(resp.Body, 64<<10))
	return resp, sent, took, resp.Body.Close()
}

func (e *examination) explainTLS(ctx context.Context, who string, u *url.URL, err error, proxied bool) Result {
	var untrusted *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	if errors.As(err, &invalid) && invalid.Reason == x509.Expired && errors.As(err, &untrusted) && len(untrusted.UnverifiedCertificates) > 0 {
		return e.explainExpired(ctx, u, untrusted.UnverifiedCertificates)
	}
	return explain(who, hostPort(u), proxied, err)
}

// brief is an error on one line, without what its repeats add.
func brief(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "..."
	}
	return text
}
