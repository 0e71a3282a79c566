package console

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
)

// maxWait is how long a page waits for storage.
const maxWait = 30 * time.Second

// policy lets a page load its style sheet and send its forms, and nothing else.
const policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// show makes a page. A page that cannot be made at all is an error.
type show func(*page.Request) (*page.Page, error)

// server serves the console.
type server struct {
	env     *cli.Env
	root    func(*cli.Env) *cobra.Command
	prices  []string // flags of commands that compute amounts
	port    string
	session *session
	jobs    *page.Jobs
	pages   map[string]show
	log     *slog.Logger
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	head := w.Header()
	head.Set("Content-Security-Policy", policy)
	head.Set("X-Content-Type-Options", "nosniff")
	head.Set("Referrer-Policy", "no-referrer")
	head.Set("Cross-Origin-Opener-Policy", "same-origin")
	head.Set("Cross-Origin-Resource-Policy", "same-origin")
	head.Set("Cache-Control", "no-store") // bills stay out of the browser's files
	switch {
	case !ours(r.Host, s.port):
		s.refuse(w, r, http.StatusForbidden, "Not this host", "The console answers calls to 127.0.0.1 and localhost only.")
	case r.Method != http.MethodGet && (r.Method != http.MethodHead || r.URL.Path == enterPath): // a preview must not use the token
		head.Set("Allow", "GET, HEAD")
		s.refuse(w, r, http.StatusMethodNotAllowed, "Read only", "The console reads only. Commands of stackusage change things.")
	case r.URL.Path == "/style.css":
		head.Set("Content-Type", "text/css; charset=utf-8")
		_, _ = w.Write(page.Style()) // the browser has gone
	case r.URL.Path == enterPath:
		s.enter(w, r)
	case !s.session.holds(r):
		s.refuse(w, r, http.StatusForbidden, "Not signed in", "Open the address that stackusage console printed. It works once; start the console again for another browser. "+
			"If this browser is signed in and a link of another site led here, go to the address bar and press Enter.")
	default:
		s.page(w, r)
	}
}

// enterPath is where the token is exchanged.
const enterPath = "/enter"

// enter exchanges the token for the cookie. It answers with a page that goes on by
// itself: a Strict cookie is not sent along a redirect that began in a file.
func (s *server) enter(w http.ResponseWriter, r *http.Request) {
	if s.session.holds(r) { // the address is loaded again by the browser that used it
		page.WriteEnter(w)
		return
	}
	cookie := s.session.enter(r.URL.Query().Get("token"))
	if cookie == nil {
		s.refuse(w, r, http.StatusForbidden, "This address does not work any more", "The token in it works once. If another browser used it, that one is signed in; start the console again for this one.")
		return
	}
	http.SetCookie(w, cookie)
	page.WriteEnter(w)
}

func (s *server) page(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), maxWait)
	defer cancel()
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		s.refuse(w, r, http.StatusBadRequest, "This address cannot be read", err.Error())
		return
	}
	show, known := s.pages[r.URL.Path]
	if !known {
		s.refuse(w, r, http.StatusNotFound, "No such page", "The console has no page "+r.URL.Path+".")
		return
	}
	req := &page.Request{Context: ctx, Path: r.URL.Path, Query: query, Now: time.Now(), Env: s.env, Root: s.root, Prices: s.prices, Jobs: s.jobs}
	if req.CSV() != "" { // a table may be long: it ends when its reader goes
		req.Context = r.Context()
	}
	req.Begin(w)
	p, err := s.make(show, req)
	if err != nil && req.Sent() { // half a table, and a page behind it, would be taken for a table
		panic(http.ErrAbortHandler)
	}
	if err != nil {
		s.log.Warn("page failed", "path", r.URL.Path, "error", err)
		s.refuse(w, r, http.StatusInternalServerError, "This page cannot be shown", page.Explain(err))
		return
	}
	page.Write(w, req, http.StatusOK, p)
}

// make makes a page. A page that panics is an error: people get a page, and the log the
// stack.
func (s *server) make(show show, req *page.Request) (p *page.Page, err error) {
	defer func() {
		if v := recover(); v != nil {
			s.log.Error("page panicked", "path", req.Path, "panic", v, "stack", string(debug.Stack()))
			err = fmt.Errorf("this is a defect of the console: %v", v)
		}
	}()
	return show(req)
}

// refuse answers with a page that says why there is no other one.
func (s *server) refuse(w http.ResponseWriter, r *http.Request, status int, title, why string) {
	page.Write(w, &page.Request{Context: r.Context(), Path: r.URL.Path, Now: time.Now()}, status, &page.Page{Title: title, Lead: why})
}

// serve serves until the context ends, and pages under way end with it.
func (s *server) serve(ctx context.Context, listener net.Listener) error {
	server := &http.Server{
		Handler: s, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext:                  func(net.Listener) context.Context { return ctx },
		DisableGeneralOptionsHandler: true, // OPTIONS * is refused as everything else
		ErrorLog:                     slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serve the console: %w", err)
	case <-ctx.Done():
	}
	wait, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := server.Shutdown(wait)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	return err
}
