package console

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

func (p *program) dial(t *testing.T) net.Conn {
	t.Helper()
	conn, err := net.DialTimeout("tcp", "127.0.0.1:"+p.port, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

// addresses are those of all pages, and of some that are none.
var addresses = []string{"/", "/calendar", "/calendar?registration=berlin", "/hour", "/row", "/days", "/day", "/explain", "/usage", "/usage?csv=lines", "/quarantine",
	"/quarantine?csv=list", "/batches", "/decisions", "/messages", "/findings", "/enter", "/enter?token=", "/enter?token=AAAAAAAAAAAAAAAAAAAAAAAAAA", "/nothing", "//evil.example/",
	"//127.0.0.1/", "/../", "/../../etc/passwd", "/.", "/..%2f..%2fetc%2fpasswd", "/%2e%2e/", "/%2f%2fevil.example", "/%00", "/style.css/", "/style.css/../", "/enter/",
	"/Enter", "/?token=x", "/%5c%5cevil.example", "/\\evil.example", "/;a=b", "/?a;b", "/?%zz", "/debug/pprof/", "/favicon.ico"}

func TestWithoutTheCookie(t *testing.T) {
	t.Parallel()
	p := start(t, forbidden(t))
	for _, address := range addresses {
		for name, cookie := range map[string]string{
			"none": "", "empty": "stackusage-" + p.port + "=", "invented": "stackusage-" + p.port + "=AAAAAAAAAAAAAAAAAAAAAAAAAA", "of another port": "stackusage-1=" + p.token,
			"the token as a cookie": "stackusage-" + p.port + "=" + p.token,
		} {
			a := p.get(t, address, cookie)
			if a.status != http.StatusForbidden || a.cookie != "" || a.head.Get("Location") != "" || strings.Contains(a.body, forbiddenCode) {
				t.Errorf("%s, cookie %s: status %d, cookie %q, location %q\n%s", address, name, a.status, a.cookie, a.head.Get("Location"), a.body)
			}
			headers(t, address, a)
		}
	}
	// The pages of those who may not look are drawn, too. It tells nothing of anybody's storage.
	if a := p.get(t, "/style.css", ""); a.status != http.StatusOK || a.head.Get("Content-Type") != "text/css; charset=utf-8" {
		t.Errorf("style sheet: %d %s", a.status, a.head.Get("Content-Type"))
	}
}

// headers checks what every response has.
func headers(t *testing.T, what string, a answer) {
	t.Helper()
	policy := a.head.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("%s: the policy %q has no %q", what, policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "script-src") || strings.Contains(policy, "*") || strings.Contains(policy, "http") {
		t.Errorf("%s: the policy is %q", what, policy)
	}
	for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store",
		"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin"} {
		if got := a.head.Get(name); got != want {
			t.Errorf("%s: %s is %q", what, name, got)
		}
	}
	for _, name := range []string{"Access-Control-Allow-Origin", "Access-Control-Allow-Private-Network", "Location"} {
		if got := a.head.Get(name); got != "" {
			t.Errorf("%s: %s is %q", what, name, got)
		}
	}
}

func TestTheTokenWorksOnce(t *testing.T) {
	t.Parallel()
	p, other := start(t, forbidden(t)), start(t, forbidden(t))
	if p.token == other.token {
		t.Fatal("two consoles have one token")
	}
	for _, token := range []string{"", strings.ToLower(p.token), p.token[:25], p.token + "A", p.token + "%00", other.token} {
		if a := p.get(t, "/enter?token="+token, ""); a.status != http.StatusForbidden || a.cookie != "" {
			t.Errorf("token %q: status %d, cookie %q", token, a.status, a.cookie)
		}
	}
	for _, method := range []string{http.MethodHead, http.MethodPost} {
		if a := p.send(t, method, "/enter?token="+p.token, ""); a.status != http.StatusMethodNotAllowed || a.cookie != "" {
			t.Errorf("%s: status %d, cookie %q", method, a.status, a.cookie)
		}
	}
	var all sync.WaitGroup
	answers := make([]answer, 20)
	for i := range answers {
		all.Go(func() { answers[i] = p.get(t, "/enter?token="+p.token+"&next=//evil.example/", "") })
	}
	all.Wait()
	cookie := ""
	for _, a := range answers {
		headers(t, "enter", a)
		switch {
		case a.status == http.StatusOK && a.cookie != "" && cookie == "":
			cookie = a.cookie
			if set := a.head.Get("Set-Cookie"); !strings.HasPrefix(set, "stackusage-"+p.port+"=") || !strings.HasSuffix(set, "; Path=/; HttpOnly; SameSite=Strict") {
				t.Errorf("cookie %s", set)
			}
			if strings.Contains(a.body, "evil") || strings.Contains(a.body, p.token) || !strings.Contains(a.body, `http-equiv="refresh" content="0; url=/"`) {
				t.Errorf("it does not go on to the overview:\n%s", a.body)
			}
		case a.status != http.StatusForbidden || a.cookie != "":
			t.Errorf("status %d, cookie %q", a.status, a.cookie)
		}
	}
	if cookie == "" {
		t.Fatal("nobody is signed in")
	}
	if a := p.get(t, "/", cookie); a.status != http.StatusOK || !strings.Contains(a.body, forbiddenCode) {
		t.Errorf("signed in: status %d\n%s", a.status, a.body)
	}
	if a := p.get(t, "/enter?token="+p.token, cookie); a.status != http.StatusOK || a.cookie != "" {
		t.Errorf("the browser that used it loads the address again: status %d, cookie %q", a.status, a.cookie)
	}
	if a := p.get(t, "/", "stackusage-"+p.port+"=planted; "+cookie); a.status != http.StatusOK {
		t.Errorf("a cookie that another program of the host planted: status %d", a.status)
	}
	for _, c := range []string{cookie, strings.Replace(cookie, p.port, other.port, 1)} {
		if a := other.get(t, "/", c); a.status != http.StatusForbidden {
			t.Errorf("the cookie of another console: status %d", a.status)
		}
	}
}

func TestHosts(t *testing.T) {
	t.Parallel()
	p := start(t, forbidden(t))
	cookie := p.signIn(t)
	ask := func(line, host string) answer {
		return p.raw(t, line+"\r\nHost: "+host+"\r\nCookie: "+cookie+"\r\nConnection: close\r\n\r\n")
	}
	for _, host := range []string{"127.0.0.1:" + p.port, "localhost:" + p.port} {
		if a := ask("GET / HTTP/1.1", host); a.status != http.StatusOK {
			t.Errorf("host %s: status %d", host, a.status)
		}
	}
	for _, host := range []string{"", "evil.example", "evil.example:" + p.port, "127.0.0.1", "localhost", "127.0.0.1:1", "127.0.0.1.evil.example:" + p.port, "localhost.evil.example:" + p.port,
		"0.0.0.0:" + p.port, "127.0.0.1:" + p.port + "@evil.example", "x@127.0.0.1:" + p.port, "127.1:" + p.port, "[::1]:" + p.port, "127.0.0.1:" + p.port + ":" + p.port} {
		a := ask("GET / HTTP/1.1", host)
		if a.status != http.StatusForbidden && a.status != http.StatusBadRequest || strings.Contains(a.body, forbiddenCode) {
			t.Errorf("host %q: status %d\n%s", host, a.status, a.body)
		}
		if a.status == http.StatusForbidden {
			headers(t, host, a)
		}
	}
	if a := ask("GET http://evil.example/ HTTP/1.1", "127.0.0.1:"+p.port); a.status != http.StatusForbidden {
		t.Errorf("an absolute target: status %d", a.status)
	}
	if a := ask("GET http://evil.example:"+p.port+"/ HTTP/1.1", "127.0.0.1:"+p.port); a.status != http.StatusForbidden {
		t.Errorf("an absolute target: status %d", a.status)
	}
	for _, text := range []string{"GET / HTTP/1.1\r\nCookie: " + cookie + "\r\n\r\n", "GET / HTTP/1.0\r\nCookie: " + cookie + "\r\n\r\n",
		"GET / HTTP/1.1\r\nHost: 127.0.0.1:" + p.port + "\r\nHost: evil.example\r\nCookie: " + cookie + "\r\n\r\n"} {
		if a := p.raw(t, text); a.status != http.StatusForbidden && a.status != http.StatusBadRequest {
			t.Errorf("%q: status %d", text, a.status)
		}
	}
}

func TestItReadsOnly(t *testing.T) {
	t.Parallel()
	p := start(t, forbidden(t))
	cookie := p.signIn(t)
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodOptions, http.MethodTrace, "PROPFIND"} {
		for _, address := range []string{"/", "/quarantine", "/enter", "/style.css", "*"} {
			if address == "*" && method != http.MethodOptions {
				continue
			}
			a := p.send(t, method, address, cookie)
			if a.status != http.StatusMethodNotAllowed || a.head.Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: status %d, allow %q", method, address, a.status, a.head.Get("Allow"))
			}
			headers(t, method+" "+address, a)
		}
	}
	if a := p.send(t, http.MethodHead, "/", cookie); a.status != http.StatusOK || a.body != "" {
		t.Errorf("HEAD: status %d, %q", a.status, a.body)
	}
}

// TestSignedIn: what cannot be shown is a page, and nothing leads away.
func TestSignedIn(t *testing.T) {
	t.Parallel()
	p := start(t, forbidden(t))
	cookie := p.signIn(t)
	for _, address := range addresses {
		a := p.get(t, address, cookie)
		headers(t, address, a)
		if a.cookie != "" || strings.Contains(a.body, "goroutine ") {
			t.Errorf("%s: status %d, cookie %q\n%s", address, a.status, a.cookie, a.body)
		}
	}
	for address, want := range map[string]struct {
		status int
		text   string
	}{
		"/nothing":                         {404, "The console has no page /nothing."},
		"//evil.example/":                  {404, "The console has no page //evil.example/."},
		"/<script>alert(1)</script>":       {404, "&lt;script&gt;"},
		"/?a;b":                            {400, "This address cannot be read"},
		"/":                                {200, forbiddenCode},
		"/quarantine?csv=list":             {500, forbiddenCode},
		"/quarantine?csv=x%0d%0aEvil:%20y": {500, `no table "x\r\nEvil: y"`},
		"/quarantine?registration=--help":  {200, forbiddenCode},
	} {
		a := p.get(t, address, cookie)
		if a.status != want.status || !strings.Contains(a.body, want.text) || a.head.Get("Evil") != "" || strings.Contains(a.body, "<script") {
			t.Errorf("%s: status %d, no %q in\n%s", address, a.status, want.text, a.body)
		}
		if isCSV := strings.Contains(address, "csv="); isCSV != strings.HasPrefix(a.head.Get("Content-Type"), "text/plain") || a.head.Get("Content-Disposition") != "" {
			t.Errorf("%s: %s, %s", address, a.head.Get("Content-Type"), a.head.Get("Content-Disposition"))
		}
	}
	if a := p.get(t, "/"+strings.Repeat("a", 70<<10), cookie); a.status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a long address: status %d", a.status)
	}
	if a := p.get(t, fmt.Sprintf("/quarantine?registration=%s", strings.Repeat("%41", 20<<10)), cookie); a.status != http.StatusOK {
		t.Errorf("a long filter: status %d", a.status)
	}
}
