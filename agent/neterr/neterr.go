// Package neterr explains errors of DNS, connections, proxies and TLS to an operator. It
// is the one place that knows them: transport, signin and doctor ask here.
//
//	error ─> Explain(err, Place) ─> Explanation{Kind, Cause, Advice}
package neterr

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"syscall"
)

// Kind is what is wrong, for programs.
type Kind string

// Kinds of errors.
const (
	None                 Kind = "" // not of a connection
	UnknownHost          Kind = "unknownHost"
	Unreachable          Kind = "unreachable"
	TimedOut             Kind = "timedOut"
	ProxyBroken          Kind = "proxyBroken"
	UntrustedCertificate Kind = "untrustedCertificate"
	NoTLS                Kind = "noTLS" // none that is accepted
)

// TLS reports whether the server was reached and its TLS is what is wrong.
func (k Kind) TLS() bool { return k == UntrustedCertificate || k == NoTLS }

// Place is what could not be reached, for what to do about it.
type Place struct {
	Host      string // with its port, where that is known
	Setting   string // that names it; empty: the settings
	CASetting string // that names its authorities; empty: caFile
	Proxied   bool   // a proxy leads there
}

// Explanation is what is wrong and what to do, each in a sentence or two. Of an error
// that is not of a connection it is empty.
type Explanation struct {
	Kind          Kind
	Cause, Advice string
}

// Explain explains why a connection was not made or broke.
func Explain(err error, at Place) Explanation {
	var dns *net.DNSError
	var op *net.OpError
	var timeout net.Error
	setting := cmp.Or(at.Setting, "the name in the settings")
	host, _, split := strings.Cut(at.Host, ":")
	if !split {
		host = at.Host
	}
	late := errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
	isOp := errors.As(err, &op)
	const packets = "; a firewall that drops packets looks like this"
	switch {
	case err == nil, errors.Is(err, context.Canceled):
		return Explanation{}
	case isOp && op.Op == "proxyconnect", strings.Contains(err.Error(), "Proxy Authentication Required"):
		return Explanation{ProxyBroken, "the proxy cannot be reached or refuses to connect",
			"Check proxy.url or HTTPS_PROXY, and whether the proxy asks for a password or blocks the host."}
	case errors.As(err, &dns) && dns.IsNotFound:
		return Explanation{UnknownHost, "the name " + host + " cannot be resolved: no DNS server that this machine asks knows it",
			"Check " + setting + ". If it is right, give this machine a DNS server that knows the name; behind a proxy, set proxy.url."}
	case dns != nil:
		kind := UnknownHost
		if dns.IsTimeout {
			kind = TimedOut
		}
		return Explanation{kind, "the name " + host + " cannot be resolved: this machine's DNS server does not answer",
			"Check this machine's DNS servers and the network to them (port 53)."}
	}
	if e := explainTLS(err, at, host); e.Kind != None {
		return e
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED), isOp && strings.Contains(err.Error(), "refused"):
		return Explanation{Unreachable, at.Host + " cannot be reached: it refuses the connection, the port is blocked or closed",
			"Check " + setting + ", that a firewall lets this machine connect to " + at.Host + ", and whether it needs a proxy (proxy.url)."}
	case late && isOp && op.Op == "dial":
		return Explanation{TimedOut, at.Host + " does not answer in time: the port is blocked",
			"Have the firewall let this machine connect to " + at.Host + packets + ". If a proxy leads there, name it in proxy.url."}
	case late:
		return Explanation{TimedOut, at.Host + " does not answer in time",
			"Look at " + at.Host + " and what stands before it, at firewall and proxy" + packets + ", and a load balancer without servers."}
	case at.Proxied:
		return Explanation{ProxyBroken, "the proxy does not lead to " + host + ": " + err.Error(),
			"Have the proxy allow CONNECT to " + at.Host + "; if it asks for a password, name it in HTTPS_PROXY of the environment."}
	case isOp || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return Explanation{Unreachable, at.Host + " cannot be reached: " + err.Error(),
			"Check this machine's network and routes, and that a firewall lets it connect there."}
	}
	return Explanation{}
}

// NotReached reports whether no connection came about: nothing was sent that could be
// wrong or too large.
func NotReached(err error) bool {
	op := (*net.OpError)(nil)
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "proxyconnect") || errors.As(err, new(*tls.CertificateVerificationError))
}

// Bare is an error without the address that was called, which may hold a signature and
// adds a page of query to a line of log.
func Bare(err error) error {
	if call := (*url.Error)(nil); errors.As(err, &call) {
		return call.Err
	}
	return err
}

func explainTLS(err error, at Place, host string) Explanation {
	var untrusted *tls.CertificateVerificationError
	var invalid x509.CertificateInvalidError
	var name x509.HostnameError
	switch {
	case errors.As(err, &name):
		return Explanation{UntrustedCertificate, fmt.Sprintf("the server's certificate is for another name than %s: %v", host, name),
			"Use the name that is in the certificate, or have the server given one for this name."}
	case errors.As(err, new(x509.UnknownAuthorityError)):
		advice := "Name the PEM file of the authority that signs it in " + cmp.Or(at.CASetting, "caFile") + "."
		if at.Proxied {
			advice += " A proxy that opens TLS connections signs with an authority of its own."
		}
		return Explanation{UntrustedCertificate, "the server's certificate is not trusted: it is signed by an authority that this machine does not know", advice}
	case errors.As(err, &invalid), errors.As(err, &untrusted):
		return Explanation{UntrustedCertificate, "the server's certificate is not valid: " + err.Error(),
			"Have the server given a certificate that is valid for " + host + "; check this machine's clock."}
	case isOldTLS(err):
		return Explanation{NoTLS, "the server speaks no TLS 1.2 or later", "Update the server, or what terminates TLS in front of it."}
	case strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return Explanation{NoTLS, "the server speaks plain HTTP at this port", "Check the address and its port."}
	}
	return Explanation{}
}

// isOldTLS recognises a server that knows no version of TLS that is accepted,
// whether the server says so or picks one; crypto/tls has no error type for it.
func isOldTLS(err error) bool {
	text := err.Error()
	return strings.Contains(text, "tls: protocol version not supported") ||
		strings.Contains(text, "tls: server selected unsupported protocol version")
}
