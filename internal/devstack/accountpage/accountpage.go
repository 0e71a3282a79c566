// Package accountpage is the stand-in for the place where Azure customers look
// at their bill: sign in, pick a subscription and a period, see usage and amount
// of each meter, download the usage details file. It asks the commerce stand-in
// over HTTP, so that what it shows is what the API answers.
//
//	browser --> session --> page --> GET /v1/bill, /v1/daily-costs, /v1/resource-costs, /v1/usage-details.csv
//
// Pages are rendered here and need no script; the chart is drawn here, too. The
// answers' Content-Security-Policy forbids scripts, and everything from elsewhere.
//
// Paths:
//
//	GET  /                                       to the subscriptions
//	GET  /signin, POST /signin, POST /signout    a session is a cookie
//	GET  /subscriptions                          what was charged, by subscription
//	GET  /subscriptions/{id}[?period=2019-12]    one of them in one period
//	GET  /subscriptions/{id}/costs.svg           daily cost by meter, a drawing [?look=dark, narrow, narrow-dark]
//	GET  /subscriptions/{id}/usage-details.csv   the usage details file, to be saved
package accountpage

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"path"
	"time"

	"github.com/google/uuid"
)

//go:embed web
var web embed.FS

// Options says whose page it is and where the numbers come from.
type Options struct {
	Commerce string // URL of commerce, before /v1
	Account  string // name of the one account that may sign in
	Password string // of that account; must not be empty
	Now      func() time.Time
	Log      *slog.Logger // default: nothing is logged
}

// Page is an http.Handler. It is safe for concurrent use; sessions end with it.
type Page struct {
	opts     Options
	password [sha256.Size]byte
	api      api
	views    map[string]*template.Template
	sessions sessions
	handler  http.Handler
}

// New makes a page.
func New(opts Options) (*Page, error) {
	if opts.Account == "" || opts.Password == "" {
		return nil, errors.New("account page: account or password is missing")
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	p := &Page{opts: opts, password: sha256.Sum256([]byte(opts.Password)), api: api(opts.Commerce), views: make(map[string]*template.Template)}
	for _, name := range []string{"signin", "subscriptions", "subscription", "nothing", "problem"} {
		view, err := template.ParseFS(web, "web/layout.html", "web/parts.html", "web/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("account page: %w", err)
		}
		p.views[name] = view
	}
	drawing, err := template.ParseFS(web, "web/costs.svg")
	if err != nil {
		return nil, fmt.Errorf("account page: %w", err)
	}
	p.views["costs.svg"] = drawing
	mux := http.NewServeMux()
	mux.HandleFunc("GET /style.css", p.style)
	mux.HandleFunc("GET /signin", p.showSignIn)
	mux.HandleFunc("POST /signin", p.signIn)
	mux.HandleFunc("POST /signout", p.signOut)
	mux.Handle("GET /{$}", http.RedirectHandler("/subscriptions", http.StatusSeeOther))
	for pattern, show := range map[string]func(w http.ResponseWriter, r *http.Request) error{
		"GET /subscriptions":                        p.subscriptions,
		"GET /subscriptions/{id}":                   p.subscription,
		"GET /subscriptions/{id}/costs.svg":         p.costsChart,
		"GET /subscriptions/{id}/usage-details.csv": p.usageDetails,
	} {
		mux.Handle(pattern, p.signedIn(show))
	}
	// A form of another site that posts here is refused by what the browser says
	// of it (Sec-Fetch-Site, Origin); beside it the cookie is SameSite.
	p.handler = headers(http.NewCrossOriginProtection().Handler(mux))
	return p, nil
}

// ServeHTTP answers the paths in the package comment.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

func headers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (p *Page) style(w http.ResponseWriter, r *http.Request) {
	http.ServeFileFS(w, r, web, "web/style.css")
}

// notFound is what somebody asks for and is not there.
type notFound struct{ what string }

func (e notFound) Error() string { return e.what }

// signedIn lets only a session through, and answers what show could not.
func (p *Page) signedIn(show func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !p.session(r) {
			http.Redirect(w, r, "/signin", http.StatusSeeOther)
			return
		}
		err := show(w, r)
		var missing notFound
		switch {
		case err == nil:
		case errors.As(err, &missing):
			p.problem(w, r, http.StatusNotFound, missing.what)
		default:
			p.opts.Log.ErrorContext(r.Context(), "page failed", slog.String("path", r.URL.Path), slog.Any("error", err))
			p.problem(w, r, http.StatusBadGateway, "Commerce could not be asked. Try again in a minute; the numbers are kept there.")
		}
	})
}

func (p *Page) problem(w http.ResponseWriter, r *http.Request, status int, text string) {
	p.render(w, r, status, "problem", view{Title: http.StatusText(status), Account: p.opts.Account, Data: text})
}

// view is what the layout shows; Account is empty before the sign-in.
type view struct {
	Title   string
	Account string
	Data    any
}

// render writes a page whole or not at all.
func (p *Page) render(w http.ResponseWriter, r *http.Request, status int, name string, v any) {
	var page bytes.Buffer
	if err := p.views[name].Execute(&page, v); err != nil {
		p.opts.Log.ErrorContext(r.Context(), "page not rendered", slog.String("page", name), slog.Any("error", err))
		http.Error(w, "the page could not be made", http.StatusInternalServerError)
		return
	}
	kind := "text/html; charset=utf-8"
	if path.Ext(name) == ".svg" {
		kind = "image/svg+xml"
	}
	w.Header().Set("Content-Type", kind)
	w.WriteHeader(status)
	w.Write(page.Bytes())
}

// subscriptionID is the subscription that a path names.
func subscriptionID(r *http.Request) (string, error) {
	id, err := uuid.Parse(r.PathValue("id"))
	if err != nil || id.String() != r.PathValue("id") {
		return "", notFound{"The address names no subscription."}
	}
	return id.String(), nil
}
