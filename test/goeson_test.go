package test

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/usage"
)

// TestTheAgentGoesOnBesideHoursThatFail runs the program against a stack that answers
// the oldest hours with a fault for ever.
func TestTheAgentGoesOnBesideHoursThatFail(t *testing.T) {
	t.Parallel()
	const hours = 60
	s := newAgentSite(t, hours, "", "")
	at := func(n int) time.Time { return s.first.Add(time.Duration(n) * time.Hour) }
	faults := []azurestack.Fault{{Status: 202}, {Status: 404}, {Status: 504}, {Status: 200}, {Status: 500}, {CutAfter: 20}}
	for n, f := range faults {
		f.Hour, f.Always = at(n), true
		s.order(t, f)
	}
	if code, out, errs := s.agent(t, "once"); code != 2 {
		t.Fatalf("once: %d\n%s%s", code, out, errs)
	}
	landed := s.landed(t)
	for n := range hours {
		if want := n >= len(faults); landed[at(n)] == 1 != want {
			t.Errorf("hour %d landed %d times", n, landed[at(n)])
		}
	}
	code, out, _ := s.agent(t, "status")
	for n := range faults {
		if line := "hour " + usage.Point(at(n)) + " is not collected after "; code != 2 || !strings.Contains(out, line) {
			t.Errorf("status: %d, without %q\n%s", code, line, out)
		}
	}
	if code, out, _ := s.agent(t, "doctor"); code != 2 || !strings.Contains(out, "agent                     FAILED   hour "+usage.Point(at(0))+" is not collected, ") {
		t.Errorf("doctor: %d\n%s", code, out)
	}
	w := httptest.NewRecorder()
	s.stack.ServeHTTP(w, httptest.NewRequest(http.MethodDelete, "/_devstack/faults", nil))
	if code, out, errs := s.agent(t, "once"); code != 0 || !strings.HasPrefix(out, fmt.Sprint(len(faults))+" hours collected") {
		t.Errorf("once, mended: %d\n%s%s", code, out, errs)
	}
	if code, out, _ := s.agent(t, "status"); code != 0 || !strings.Contains(out, "(fixed since)") && !strings.Contains(out, "none") {
		t.Errorf("status, mended: %d\n%s", code, out)
	}
	if len(s.landed(t)) != hours {
		t.Errorf("%d hours landed", len(s.landed(t)))
	}
}

// TestTheAgentGoesOnBesideFilesThatStorageRefuses: the ten oldest of 44.
func TestTheAgentGoesOnBesideFilesThatStorageRefuses(t *testing.T) {
	t.Parallel()
	const hours, refused = 44, 10
	s := newAgentSite(t, hours, "", "")
	var refuses atomic.Bool
	refuses.Store(true)
	behind, err := url.Parse(s.storage.BlobURL(0))
	must(t, err)
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: behind.Scheme, Host: behind.Host})
	proxy.Transport = s.client.Transport
	gate := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		day, hour := filepath.Split(r.URL.Path)
		at, err := time.Parse("2006/01/02/15", strings.Join(strings.Split(strings.Trim(day, "/"), "/")[2:], "/")+"/"+hour[:min(2, len(hour))])
		if refuses.Load() && err == nil && at.Before(s.first.Add(refused*time.Hour)) {
			w.Header().Set("x-ms-request-id", "1")
			w.Header().Set("x-ms-error-code", "InvalidInput")
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	cert, key, err := s.issuer.ServerCertificate()
	must(t, err)
	pair, err := tls.X509KeyPair(cert, key)
	must(t, err)
	gate.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	gate.StartTLS()
	t.Cleanup(gate.Close)
	s.file(t, "config.yaml", strings.Replace(s.description, s.storage.BlobURL(0), gate.URL+behind.Path, 1))
	for try := range 3 { // after the third they are set aside
		code, out, errs := s.agent(t, "once")
		if code != 2 || try == 0 && !strings.Contains(out, fmt.Sprintf("%d hours collected with %d rows, %d uploaded; %d wait", hours, 3*hours, hours-refused, refused)) {
			t.Errorf("once: %d\n%s%s", code, out, errs)
		}
	}
	if n := len(s.landed(t)); n != hours-refused {
		t.Errorf("%d hours landed", n)
	}
	aside, err := filepath.Glob(filepath.Join(s.spool, "rejected", "*"))
	if err != nil || len(aside) != refused {
		t.Errorf("%d files set aside, %v", len(aside), err)
	}
	code, out, _ := s.agent(t, "status")
	if code != 2 || strings.Count(out, "is rejected by storage and set aside as rejected/") != refused {
		t.Errorf("status: %d\n%s", code, out)
	}
	refuses.Store(false)
	if code, out, errs := s.agent(t, "once"); code != 0 || !strings.Contains(out, fmt.Sprintf("%d uploaded", refused)) {
		t.Errorf("once, mended: %d\n%s%s", code, out, errs)
	}
	if n := len(s.landed(t)); n != hours {
		t.Errorf("%d hours landed", n)
	}
	if code, out, _ := s.agent(t, "status"); code != 0 {
		t.Errorf("status, mended: %d\n%s", code, out)
	}
}

// order has the stack serve a fault.
func (s *agentSite) order(t *testing.T, f azurestack.Fault) {
	t.Helper()
	w := httptest.NewRecorder()
	s.stack.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/_devstack/faults", strings.NewReader(fmt.Sprintf(
		`{"status":%d,"hour":%q,"always":%v,"cutAfter":%d}`, f.Status, f.Hour.Format(time.RFC3339), f.Always, f.CutAfter))))
	if w.Code != http.StatusOK {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
}
