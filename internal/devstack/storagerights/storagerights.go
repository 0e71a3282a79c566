// Package storagerights stands before the storage emulator and refuses what
// Azure's role assignments and network rules would refuse: the emulator checks
// who signs in, and then lets everybody do everything.
//
//	client ──> Gate ──> emulator
//
// It knows the requests of the blob service by method and query and answers in
// the words of Azure: 403 AuthorizationPermissionMismatch where a role is
// missing, 403 UnauthorizedBlobOverwrite for a create-only identity that
// overwrites, 403 AuthorizationFailure for a network that is kept out. It is a
// stand-in for the answers only: that Azure gives them for a certain role is not
// shown by it.
package storagerights

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"time"
)

// Rights are what is let through.
type Rights struct {
	Create, Overwrite, Read, List, Delete bool

	// KeptOut refuses everything, as network rules do.
	KeptOut bool
}

// CreateOnly is what an agent needs.
var CreateOnly = Rights{Create: true}

// Gate is an http.Handler before the emulator. It is safe for concurrent use.
type Gate struct {
	rights Rights
	ahead  time.Duration
	proxy  *httputil.ReverseProxy

	mu    sync.Mutex
	blobs map[string]bool // that were made through it
}

// New leads what rights allow to the emulator at target by way of transport.
// Its clock, as answers tell it, is ahead of this machine's by ahead.
func New(target *url.URL, transport http.RoundTripper, rights Rights, ahead time.Duration) *Gate {
	g := &Gate{rights: rights, ahead: ahead, blobs: map[string]bool{}}
	g.proxy = &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, target.Host
		},
		ModifyResponse: func(resp *http.Response) error {
			g.date(resp.Header)
			if resp.Request.Method == http.MethodPut && resp.StatusCode == http.StatusCreated {
				g.mu.Lock()
				defer g.mu.Unlock()
				g.blobs[resp.Request.URL.Path] = true
			}
			return nil
		},
	}
	return g
}

func (g *Gate) date(h http.Header) {
	h.Set("Date", time.Now().Add(g.ahead).UTC().Format(http.TimeFormat))
}

// ServeHTTP passes a request on or refuses it.
func (g *Gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if code := g.refuses(r); code != "" {
		g.date(w.Header())
		w.Header().Set("Content-Type", "application/xml")
		w.Header().Set("x-ms-error-code", code)
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprintf(w, `<?xml version="1.0" encoding="utf-8"?><Error><Code>%s</Code><Message>This request is not authorized to perform this operation.</Message></Error>`, code)
		return
	}
	g.proxy.ServeHTTP(w, r)
}

// refuses returns the code of the refusal, or nothing.
func (g *Gate) refuses(r *http.Request) string {
	const mismatch = "AuthorizationPermissionMismatch"
	// Before a request is authenticated nobody speaks of rights.
	if strings.Trim(r.URL.Path, "/") == "" || r.Header.Get("Authorization") == "" {
		return ""
	}
	if g.rights.KeptOut {
		return "AuthorizationFailure"
	}
	g.mu.Lock()
	there := g.blobs[r.URL.Path]
	g.mu.Unlock()
	allowed := false
	switch {
	case r.Method == http.MethodPut && there && g.rights.Create && !g.rights.Overwrite:
		return "UnauthorizedBlobOverwrite"
	case r.Method == http.MethodPut:
		allowed = g.rights.Create || g.rights.Overwrite
	case r.Method == http.MethodDelete:
		allowed = g.rights.Delete
	case r.URL.Query().Get("comp") == "list":
		allowed = g.rights.List
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		allowed = g.rights.Read
	}
	if !allowed {
		return mismatch
	}
	return ""
}
