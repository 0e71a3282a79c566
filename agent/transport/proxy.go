package transport

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"

	"golang.org/x/net/http/httpproxy"
)

// ProxyFor returns how a client of conf chooses its proxy for an address; nil
// means that it goes there directly. The environment is read now:
// http.ProxyFromEnvironment reads it once in the life of a process.
func ProxyFor(conf Config) (func(*url.URL) (*url.URL, error), error) {
	environment := httpproxy.FromEnvironment()
	if conf.ProxyURL != "" {
		proxy, err := url.Parse(conf.ProxyURL)
		if err != nil || proxy.Scheme != "http" && proxy.Scheme != "https" || proxy.Hostname() == "" {
			// Not quoted: what cannot be read may hold a password.
			return nil, errors.New("read proxyUrl: not of the form http://host:port")
		}
		if proxy.User != nil {
			return nil, fmt.Errorf("read proxyUrl %s: a password in it; leave proxyUrl empty and set HTTPS_PROXY in the environment", proxy.Redacted())
		}
		environment.HTTPProxy, environment.HTTPSProxy = conf.ProxyURL, conf.ProxyURL
		environment.NoProxy = cmp.Or(conf.NoProxy, environment.NoProxy)
		environment.CGI = false
	}
	for name, value := range map[string]string{"HTTPS_PROXY": environment.HTTPSProxy, "HTTP_PROXY": environment.HTTPProxy} {
		if !readable(value) { // which httpproxy would pass over, and go without a proxy
			return nil, fmt.Errorf("read %s from the environment: not of the form http://host:port", name)
		}
	}
	choose := environment.ProxyFunc()
	return func(to *url.URL) (*url.URL, error) {
		// Azure's endpoint for managed identities is link-local, where no proxy
		// can reach it; loopback is left out by httpproxy itself.
		if ip := net.ParseIP(to.Hostname()); ip != nil && ip.IsLinkLocalUnicast() {
			return nil, nil
		}
		return choose(to)
	}, nil
}

// readable reports whether a proxy of the environment, which may come without a
// scheme, is of use.
func readable(proxy string) bool {
	if proxy == "" {
		return true
	}
	for _, text := range []string{proxy, "http://" + proxy} {
		if u, err := url.Parse(text); err == nil && u.Hostname() != "" {
			return true
		}
	}
	return false
}
