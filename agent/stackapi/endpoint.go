package stackapi

import (
	"fmt"
	"net/http"
	"net/url"

	"stackusage/shared/activation"
)

// endpointURL checks the address of a stack.
func endpointURL(endpoint string) (*url.URL, error) {
	base, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("read Endpoint: %w", err)
	}
	if base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, fmt.Errorf("read Endpoint %q: not of the form https://host", base.Redacted())
	}
	if base.Scheme != "https" && (base.Scheme != "http" || !activation.Loopback(base.Hostname())) {
		return nil, fmt.Errorf("read Endpoint %q: must be https", endpoint)
	}
	return base, nil
}

// noRedirect ends a request at a redirect, which could carry the token to
// another host.
func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
