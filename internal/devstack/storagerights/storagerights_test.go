package storagerights_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"stackusage/internal/devstack/storagerights"
)

// TestRights asks a gate before a server that allows everything.
func TestRights(t *testing.T) {
	behind := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			w.WriteHeader(http.StatusCreated)
		}
	}))
	t.Cleanup(behind.Close)
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	const through = ""
	all := storagerights.Rights{Create: true, Overwrite: true, Read: true, List: true, Delete: true}
	for _, tt := range []struct {
		name    string
		rights  storagerights.Rights
		refusal map[string]string // code by request
	}{
		{"create only", storagerights.CreateOnly, map[string]string{
			"PUT /a/c/b": through, "PUT /a/c/b again": "UnauthorizedBlobOverwrite", "GET /a/c/b": "AuthorizationPermissionMismatch",
			"GET /a/c?comp=list": "AuthorizationPermissionMismatch", "DELETE /a/c/b": "AuthorizationPermissionMismatch",
		}},
		{"all", all, map[string]string{"PUT /a/c/b": through, "PUT /a/c/b again": through, "GET /a/c/b": through, "GET /a/c?comp=list": through, "DELETE /a/c/b": through}},
		{"reading", storagerights.Rights{Read: true}, map[string]string{
			"PUT /a/c/b": "AuthorizationPermissionMismatch", "PUT /a/c/b again": "AuthorizationPermissionMismatch", "GET /a/c/b": through,
			"GET /a/c?comp=list": "AuthorizationPermissionMismatch", "DELETE /a/c/b": "AuthorizationPermissionMismatch",
		}},
		{"kept out", storagerights.Rights{KeptOut: true, Create: true}, map[string]string{"PUT /a/c/b": "AuthorizationFailure", "GET /a/c/b": "AuthorizationFailure"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			server := httptest.NewServer(storagerights.New(target, http.DefaultTransport, tt.rights, time.Hour))
			t.Cleanup(server.Close)
			for _, ask := range []struct{ name, method, path string }{
				{"PUT /a/c/b", "PUT", "/a/c/b"}, {"PUT /a/c/b again", "PUT", "/a/c/b"}, {"GET /a/c/b", "GET", "/a/c/b"},
				{"GET /a/c?comp=list", "GET", "/a/c?comp=list"}, {"DELETE /a/c/b", "DELETE", "/a/c/b"},
			} {
				want, asked := tt.refusal[ask.name]
				if !asked {
					continue
				}
				req, err := http.NewRequestWithContext(t.Context(), ask.method, server.URL+ask.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer x")
				resp, err := http.DefaultClient.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if got := resp.Header.Get("x-ms-error-code"); got != want || (resp.StatusCode == http.StatusForbidden) != (want != through) {
					t.Errorf("%s: %s %q, want %q", ask.name, resp.Status, got, want)
				}
				if date, err := http.ParseTime(resp.Header.Get("Date")); err != nil || time.Until(date) < 59*time.Minute {
					t.Errorf("%s: Date %v, %v", ask.name, date, err)
				}
			}
		})
	}
}
