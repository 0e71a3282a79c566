package transport

import (
	"net/http"
	"net/url"
)

// ProxyOf returns how c chooses its proxy.
func ProxyOf(c *http.Client) func(*http.Request) (*url.URL, error) {
	return c.Transport.(*explaining).Proxy
}

var ParseCertificates = parseCertificates
