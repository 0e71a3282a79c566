package functionhost_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func web(more string) string {
	return `{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"` + more + `},{"type":"http","direction":"out","name":"res"}]}`
}

const anonymous = `,"authLevel":"anonymous"`

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
		"host.json": hostJSON("00:10:00", ""),
		"Any":       web(anonymous + `,"route":"any/{what}"`),
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
		if resp, body := r.do("POST", "/api/any/x", unread{strings.NewReader("flow")}, nil); resp.StatusCode != 200 || body != "echo:flow" {
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
}

func TestHTTPTimeoutKillsTheProcess(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": hostJSON("00:00:20", ""), "Slow": web(anonymous + `,"route":"sleep"`)})
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
}

func TestHTTPDead(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{"host.json": hostJSON("00:10:00", ""), "Web": web(anonymous), "F": byHand}).start()
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

func TestHTTPRouting(t *testing.T) {
	t.Parallel()
	r := stage(t, map[string]string{
		"host.json": hostJSON("00:10:00", `"extensions":{"http":{"routePrefix":"v1/app"}}`),
		"Default":   web(anonymous + `,"methods":["get","POST"]`),
		"Item":      web(anonymous + `,"route":"items/{id}"`),
		"Literal":   web(anonymous + `,"route":"items/special"`),
		"Locked":    web(`,"route":"locked"`),
		"Admin":     web(`,"route":"adm","authLevel":"admin"`),
		"F":         byHand,
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
		{"GET", "/v1/app/items/a/b", 404, ""},
		{"GET", "/v1/app/locked", 401, ""},
		{"GET", "/v1/app/locked?code=wrong", 401, ""},
		{"GET", "/v1/app/locked?code=sesame", 200, "Locked"},
		{"GET", "/v1/app/adm", 401, ""},
		{"GET", "/v1/app/adm?code=sesame", 200, "Admin"},
		{"POST", "/admin/functions/F", 401, ""},
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
