package console

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/console/page"
)

// TestPagesThatFail: a defect of a page is a page, and half a table is never a whole one.
func TestPagesThatFail(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	s := &server{log: slog.New(slog.NewTextHandler(&log, nil)), pages: map[string]show{
		"/panics": func(*page.Request) (*page.Page, error) { panic("nobody thought of it") },
		"/late": func(r *page.Request) (*page.Page, error) {
			p := &page.Page{Title: "Late"}
			p.Part(r, "list", "", func(part *page.Part) error {
				return part.Show(r, page.Table{Columns: []page.Column{{Name: "TEXT"}}, Rows: func(yield func([]page.Cell, error) bool) {
					for range 10_000 {
						if !yield([]page.Cell{{Text: "some row of a long table"}}, nil) {
							return
						}
					}
				}})
			})
			return nil, errors.New("it fails behind the table")
		},
	}}
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.Start()
	t.Cleanup(server.Close)
	_, s.port, _ = strings.Cut(strings.TrimPrefix(server.URL, "http://"), ":")
	var token string
	s.session, token = newSession(s.port)
	cookie := s.session.enter(token)
	get := func(address string) (int, string, error) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+address, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(cookie)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return resp.StatusCode, string(body), err
	}
	status, body, err := get("/panics")
	if status != http.StatusInternalServerError || err != nil || !strings.Contains(body, "This page cannot be shown") || strings.Contains(body, "goroutine") || !strings.Contains(log.String(), "goroutine") {
		t.Errorf("status %d, %v\n%s\nlog: %s", status, err, body, &log)
	}
	if status, body, err = get("/late?csv=list"); err == nil || strings.Contains(body, "<") || !strings.Contains(body, "some row") {
		t.Errorf("status %d, %v\n%.300s", status, err, body)
	}
	if status, body, err = get("/late"); status != http.StatusInternalServerError || err != nil || !strings.Contains(body, "it fails behind the table") {
		t.Errorf("status %d, %v\n%s", status, err, body)
	}
}

func TestOurs(t *testing.T) {
	t.Parallel()
	for host, want := range map[string]bool{"127.0.0.1": true, "localhost": true, "localhost:80": true, "evil.example": false, "127.0.0.1:81": false, "[::1]": false, "": false} {
		if got := ours(host, "80"); got != want {
			t.Errorf("%q on port 80: %t", host, got)
		}
	}
}
