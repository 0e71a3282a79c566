package transport

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// Place is what could not be reached, for what to do about it.
type Place struct {
	Host      string // with its port, where that is known
	Setting   string // that names it; empty: the settings
	CASetting string // that names its authorities; empty: caFile
	Proxied   bool   // a proxy leads there
}

// Explain says why a connection did not come about or broke, and what to do, each in
// a sentence or two for the operator. known is false for an error that is not of a
// connection. It is the one place that knows: who signs in, the doctor and the client
// of this package all ask here.
func Explain(err error, at Place) (cause, advice string, known bool) {
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	setting, ca := cmp.Or(at.Setting, "the name in the settings"), cmp.Or(at.CASetting, "caFile")
	host, _, split := strings.Cut(at.Host, ":")
	if !split {
		host = at.Host
	}
	late := errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	isOp := errors.As(err, &op)
	const packets = "; a firewall that drops packets looks like this"
	switch {
	case errors.Is(err, context.Canceled):
		return "", "", false
	case isOp && op.Op == "proxyconnect", strings.Contains(err.Error(), "Proxy Authentication Required"):
		return "the proxy cannot be reached or refuses to connect", "Check proxy.url or HTTPS_PROXY, and whether the proxy asks for a password or blocks the host.", true
	case errors.As(err, &dns) && dns.IsNotFound:
		return "the name " + host + " cannot be resolved: no DNS server that this machine asks knows it",
			"Check " + setting + ". If it is right, give this machine a DNS server that knows the name; behind a proxy, set proxy.url.", true
	case dns != nil:
		return "the name " + host + " cannot be resolved: this machine's DNS server does not answer", "Check this machine's DNS servers and the network to them (port 53).", true
	}
	if cause, advice, known = explainTLS(err, at, host, ca); known {
		return cause, advice, true
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), isOp && strings.Contains(err.Error(), "refused"):
		return at.Host + " cannot be reached: it refuses the connection, the port is blocked or closed",
			"Check " + setting + ", that a firewall lets this machine connect to " + at.Host + ", and whether it needs a proxy (proxy.url).", true
	case late && isOp && op.Op == "dial":
		return at.Host + " does not answer in time: the port is blocked", "Have the firewall let this machine connect to " + at.Host + packets + ". If a proxy leads there, name it in proxy.url.", true
	case late:
		return at.Host + " does not answer in time", "Look at " + at.Host + " and what stands before it, at firewall and proxy" + packets + ", and a load balancer without servers.", true
	case at.Proxied:
		return "the proxy does not lead to " + host + ": " + err.Error(), "Have the proxy allow CONNECT to " + at.Host + "; if it asks for a password, name it in HTTPS_PROXY of the environment.", true
	case isOp || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return at.Host + " cannot be reached: " + err.Error(), "Check this machine's network and routes, and that a firewall lets it connect there.", true
	}
	return "", "", false
}

func explainTLS(err error, at Place, host, ca string) (cause, advice string, known bool) {
	var untrusted *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return fmt.Sprintf("the server's certificate is for another name than %s: %v", host, name), "Use the name that is in the certificate, or have the server given one for this name.", true
	case errors.As(err, new(x509.UnknownAuthorityError)):
		advice = "Name the PEM file of the authority that signs it in " + ca + "."
		if at.Proxied {
			advice += " A proxy that opens TLS connections signs with an authority of its own."
		}
		return "the server's certificate is not trusted: it is signed by an authority that this machine does not know", advice, true
	case errors.As(err, &invalid), errors.As(err, &untrusted):
		return "the server's certificate is not valid: " + err.Error(), "Have the server given a certificate that is valid for " + host + "; check this machine's clock.", true
	case isOldTLS(err):
		return "the server speaks no TLS 1.2 or later", "Update the server, or what terminates TLS in front of it.", true
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "the server speaks plain HTTP at this port", "Check the address and its port.", true
	}
	return "", "", false
}

// isOldTLS recognises a server that knows no version of TLS that is accepted,
// whether the server says so or picks one; crypto/tls has no error type for it.
func isOldTLS(err error) bool {
	text := err.Error()
	return strings.Contains(text, "tls: protocol version not supported") ||
		strings.Contains(text, "tls: server selected unsupported protocol version")
}
