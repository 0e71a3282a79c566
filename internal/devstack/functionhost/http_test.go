package functionhost_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func web(more string) string {
	return `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"` + more + `},{"type":"http","direction":"out","name":"res"}]}`
}

const (
	anonymous  = `,"authLevel":"anonymous"`
	forwarding = `"enableForwardingHttpRequest":true`
	proxying   = `"enableProxyingHttpRequest":true`
)

func httpHost(timeout, mode string) string {
	if mode != "" {
		mode = "," + mode
	}
	return `{"version":"2.0","functionTimeout":"` + timeout + `","customHandler":{` + described + mode + `}}`
}

var noRedirects = &http.Client{
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       patience,
}

// do sends a request to the host and returns the answer with its body.
func (r *rig) do(method, path string, body io.Reader, header http.Header) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.URL()+path, body)
	must(r.t, err)
	for name, v := range header {
		req.Header[name] = v
	}
	resp, err := noRedirects.Do(req)
	must(r.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	must(r.t, err)
	return resp, string(b)
}

func (r *rig) code(method, path string) int {
	r.t.Helper()
	resp, _ := r.do(method, path, nil, nil)
	return resp.StatusCode
}

// last is the request that the handler saw last.
func (r *rig) last() seen {
	r.t.Helper()
	all := r.requests()
	if len(all) == 0 {
		r.t.Fatal("the handler saw no request")
	}
	return all[len(all)-1]
}

// unread hides a reader's length, so that the client sends it chunked.
type unread struct{ io.Reader }

func TestHTTPProxying(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{
		"host.json": httpHost("00:10:00", proxying),
		"Any":       web(anonymous + `,"route":"any/{*rest}"`),
		"Plus":      strings.Replace(web(anonymous), `]}`, `,{"type":"http","direction":"out","name":"two"}]}`, 1),
	}).start()

	t.Run("path, query, method and body arrive as they were sent", func(t *testing.T) {
		resp, body := r.do("PUT", "/api/any/a%20b?q=1&q=2&z=%20x", strings.NewReader("hello"), http.Header{"X-Custom": {"a", "b"}})
		got := r.last()
		if resp.StatusCode != 200 || body != "echo:hello" || got.Method != "PUT" || got.URI != "/api/any/a%20b?q=1&q=2&z=%20x" || got.Body != "hello" {
			t.Errorf("%s %q; handler saw %s %s %q", resp.Status, body, got.Method, got.URI, got.Body)
		}
		if len(got.Header["X-Custom"]) != 2 || got.Header.Get("X-Azure-Functions-InvocationId") == "" || got.Header.Get("X-Ms-Invocation-Id") == "" {
			t.Errorf("headers %v", got.Header)
		}
		if got.Host == strings.TrimPrefix(r.URL(), "http://") || got.Header.Get("X-Forwarded-Host") != strings.TrimPrefix(r.URL(), "http://") {
			t.Errorf("host %s, forwarded %s", got.Host, got.Header.Get("X-Forwarded-Host"))
		}
	})
	t.Run("an escaped slash is escaped once more", func(t *testing.T) {
		r.do("GET", "/api/any/a%2Fb", nil, nil)
		if got := r.last().URI; got != "/api/any/a%252Fb" {
			t.Errorf("handler saw %s", got)
		}
	})
	t.Run("a chunked body passes", func(t *testing.T) {
		if resp, body := r.do("POST", "/api/any", unread{strings.NewReader("flow")}, nil); resp.StatusCode != 200 || body != "echo:flow" {
			t.Errorf("%s %q", resp.Status, body)
		}
	})
	t.Run("the handler's status and headers pass, and it is a success", func(t *testing.T) {
		if resp, body := r.do("GET", "/api/any/teapot", nil, nil); resp.StatusCode != http.StatusTeapot || body != "short and stout" {
			t.Errorf("%s %q", resp.Status, body)
		}
		if resp, _ := r.do("GET", "/api/any/redirect", nil, nil); resp.StatusCode != http.StatusFound || resp.Header.Get("Location") != "/elsewhere" {
			t.Errorf("%s %v", resp.Status, resp.Header)
		}
		if got := r.stats("Any"); got.Failed != 0 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("a function with a second output gets the envelope", func(t *testing.T) {
		if got := r.code("POST", "/api/Plus"); got != http.StatusNoContent {
			t.Errorf("status %d", got)
		}
		if got := r.last(); got.URI != "/Plus" || !strings.HasPrefix(got.Body, `{"Data":`) {
			t.Errorf("handler saw %s %s", got.URI, got.Body)
		}
	})
}

func TestHTTPTimeout(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]string{"proxying": proxying, "forwarding": forwarding} {
		t.Run("functionTimeout kills the process when "+name, func(t *testing.T) {
			t.Parallel()
			r := stage(t, map[string]string{"host.json": httpHost("00:00:20", mode), "Slow": web(anonymous + `,"route":"sleep"`)})
			r.opts.TimeScale = 20
			r.start()
			pid := r.HandlerPID()
			if got := r.code("GET", "/api/sleep"); got != http.StatusInternalServerError {
				t.Errorf("status %d", got)
			}
			if got := r.stats("Slow"); got.Timeouts != 1 || got.Failed != 1 {
				t.Errorf("%+v", got)
			}
			r.eventually("the end of the process", func() bool { return !alive(pid) })
		})
	}
}

func TestHTTPDead(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": httpHost("00:10:00", proxying), "Web": web(anonymous), "F": manual}).start()
	r.invoke("F", "exit:0")
	r.finished("F", 1)
	r.eventually("the end of the process", func() bool { return !alive(r.HandlerPID()) })
	begin := time.Now()
	if got := r.code("GET", "/api/Web"); got != http.StatusInternalServerError {
		t.Errorf("status %d", got)
	}
	if took := time.Since(begin); took < time.Second {
		t.Errorf("gave up after %v; a refused connection is retried", took)
	}
}

func TestHTTPForwarding(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": httpHost("00:10:00", forwarding), "Any": web(anonymous + `,"route":"any/{*rest}"`)}).start()

	t.Run("the query is rebuilt, the rest arrives", func(t *testing.T) {
		resp, body := r.do("POST", "/api/any/a%2Fb?q=1&q=2", strings.NewReader("hello"), http.Header{"Content-Language": {"de"}, "User-Agent": {"me"}})
		got := r.last()
		if resp.StatusCode != 200 || body != "echo:hello" || got.URI != "/api/any/a%2Fb?q=1,2" {
			t.Errorf("%s %q; handler saw %s", resp.Status, body, got.URI)
		}
		if got.Host != strings.TrimPrefix(r.URL(), "http://") || got.Header.Get("Content-Language") != "" || !strings.HasPrefix(got.Header.Get("User-Agent"), "me Azure-Functions-Host/") {
			t.Errorf("host %s, headers %v", got.Host, got.Header)
		}
	})
	t.Run("a chunked body fails with 500", func(t *testing.T) {
		if resp, _ := r.do("POST", "/api/any", unread{strings.NewReader("flow")}, nil); resp.StatusCode != http.StatusInternalServerError {
			t.Errorf("%s", resp.Status)
		}
	})
	t.Run("redirects are not followed", func(t *testing.T) {
		if resp, _ := r.do("GET", "/api/any/redirect", nil, nil); resp.StatusCode != http.StatusFound {
			t.Errorf("%s", resp.Status)
		}
	})
}

func TestHTTPEnvelope(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": httpHost("00:10:00", ""), "Raw": web(anonymous + `,"route":"raw/{id}"`)}).start()
	resp, body := r.do("POST", "/api/raw/42?q=1&q=2", strings.NewReader(`{"k":"v"}`), http.Header{"Content-Type": {"application/json"}})
	if resp.StatusCode != http.StatusNoContent || body != "" {
		t.Errorf("an answer without output: %s %q, want 204", resp.Status, body)
	}
	var got struct {
		Data     struct{ Req map[string]any }
		Metadata map[string]any
	}
	must(t, json.Unmarshal([]byte(r.last().Body), &got))
	if got.Data.Req["Body"] != `{"k":"v"}` || got.Data.Req["Url"] != r.URL()+"/api/raw/42?q=1&q=2" {
		t.Errorf("request %v", got.Data.Req)
	}
	if got.Metadata["k"] != `"v"` || got.Metadata["id"] != `"42"` || got.Metadata["q"] != `"2"` {
		t.Errorf("metadata %v", got.Metadata)
	}
}

func TestHTTPRouting(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{
		"host.json": `{"version":"2.0","customHandler":{` + described + `,` + proxying + `},"extensions":{"http":{"routePrefix":"v1/app"}}}`,
		"Default":   web(anonymous + `,"methods":["get","POST"]`),
		"Item":      web(anonymous + `,"route":"items/{id}"`),
		"Literal":   web(anonymous + `,"route":"items/special"`),
		"Rest":      web(anonymous + `,"route":"items/{*rest}"`),
		"Locked":    web(`,"route":"locked"`),
		"Admin":     web(`,"route":"adm","authLevel":"admin"`),
		"F":         manual,
	})
	r.opts.Key = "sesame"
	r.start()
	for _, test := range []struct {
		method, path string
		want         int
		function     string
	}{
		{"GET", "/v1/app/Default", 200, "Default"},
		{"POST", "/v1/app/DEFAULT", 200, "Default"},
		{"PUT", "/v1/app/Default", 404, ""},
		{"GET", "/api/Default", 404, ""},
		{"GET", "/v1/app/items/7", 200, "Item"},
		{"GET", "/v1/app/items/special", 200, "Literal"},
		{"GET", "/v1/app/items/a/b", 200, "Rest"},
		{"GET", "/v1/app/locked", 401, ""},
		{"GET", "/v1/app/locked?code=wrong", 401, ""},
		{"GET", "/v1/app/locked?code=sesame", 200, "Locked"},
		{"GET", "/v1/app/adm", 401, ""},
		{"GET", "/v1/app/adm?code=sesame", 200, "Admin"},
		{"POST", "/admin/functions/F", 401, ""},
		{"GET", "/admin/host/status", 401, ""},
		{"GET", "/admin/host/status?code=sesame", 200, ""},
		{"POST", "/admin/functions/None?code=sesame", 404, ""},
		{"POST", "/admin/functions/Default?code=sesame", 400, ""},
		{"POST", "/admin/functions/F?code=sesame", 202, "F"},
	} {
		t.Run(fmt.Sprint(test.method, " ", test.path), func(t *testing.T) {
			before := r.stats(test.function).Invocations
			if got := r.code(test.method, test.path); got != test.want {
				t.Errorf("status %d, want %d", got, test.want)
			}
			if test.function != "" {
				r.eventually("a call of "+test.function, func() bool { return r.stats(test.function).Invocations == before+1 })
			}
		})
	}
	if resp, _ := r.do("GET", "/v1/app/locked", nil, http.Header{"X-Functions-Key": {"sesame"}}); resp.StatusCode != 200 {
		t.Errorf("with the key in a header: %s", resp.Status)
	}
}

func TestHTTPOutput(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": httpHost("00:10:00", ""), "Echo": web(anonymous)}).start()
	type answer struct {
		Status     int
		Type, X, B string
	}
	for _, test := range []struct {
		name, output string
		want         answer
	}{
		{"status, headers and body", `{"statusCode":201,"body":"made","headers":{"X-A":"1"}}`, answer{201, "text/plain; charset=utf-8", "1", "made"}},
		{"a status as a string", `{"statusCode":"404"}`, answer{404, "", "", ""}},
		{"status is ignored", `{"status":500,"body":"x"}`, answer{200, "text/plain; charset=utf-8", "", "x"}},
		{"an object is indented", `{"body":{"a":1}}`, answer{200, "application/json; charset=utf-8", "", "{\n  \"a\": 1\n}"}},
		{"base64 is not decoded", `{"body":"test"}`, answer{200, "text/plain; charset=utf-8", "", "test"}},
		{"the content type is honoured", `{"body":"<a/>","headers":{"content-type":"text/xml"}}`, answer{200, "text/xml", "", "<a/>"}},
		{"a bare string is the body", `"bare"`, answer{200, "text/plain; charset=utf-8", "", "bare"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			resp, body := r.do("POST", "/api/Echo", bytes.NewReader([]byte(`{"Outputs":{"res":`+test.output+`}}`)), nil)
			got := answer{resp.StatusCode, resp.Header.Get("Content-Type"), resp.Header.Get("X-A"), body}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
