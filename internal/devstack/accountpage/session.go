package accountpage

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

const (
	sessionCookie = "account_session"
	sessionTime   = time.Hour
	maxSessions   = 1000
	maxForm       = 4 << 10 // bytes
)

// sessions are the cookies that count, with their ends. Nobody guesses a password of 128
// random bits, so wrong ones are not counted.
type sessions struct {
	mu   sync.Mutex
	ends map[string]time.Time
}

// begin makes a session and returns its cookie's value.
func (s *sessions) begin(now time.Time) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends == nil || len(s.ends) >= maxSessions {
		s.ends = map[string]time.Time{}
	}
	value := rand.Text()
	s.ends[value] = now.Add(sessionTime)
	return value
}

func (s *sessions) holds(value string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return now.Before(s.ends[value])
}

func (s *sessions) end(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ends, value)
}

// session reports whether the request belongs to one.
func (p *Page) session(r *http.Request) bool {
	cookie, err := r.Cookie(sessionCookie)
	return err == nil && p.sessions.holds(cookie.Value, p.opts.Now())
}

// signInForm is what the sign-in page shows.
type signInForm struct{ Name, Wrong string }

func (p *Page) showSignIn(w http.ResponseWriter, r *http.Request) {
	if p.session(r) {
		http.Redirect(w, r, "/subscriptions", http.StatusSeeOther)
		return
	}
	p.render(w, r, http.StatusOK, "signin", view{Title: "Sign in", Data: signInForm{}})
}

func (p *Page) signIn(w http.ResponseWriter, r *http.Request) {
	refuse := func(status int, wrong string) {
		p.render(w, r, status, "signin", view{Title: "Sign in", Data: signInForm{Name: r.PostFormValue("name"), Wrong: wrong}})
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "The form could not be read. Try again.")
		return
	}
	given := sha256.Sum256([]byte(r.PostFormValue("password")))
	right := subtle.ConstantTimeCompare(given[:], p.password[:]) == 1
	if r.PostFormValue("name") != p.opts.Account || !right {
		refuse(http.StatusUnauthorized, "The account or the password is wrong. devstack prints both when it starts.")
		return
	}
	// Not Secure: this page is served on loopback, without TLS.
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: p.sessions.begin(p.opts.Now()), Path: "/", MaxAge: int(sessionTime / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/subscriptions", http.StatusSeeOther)
}

func (p *Page) signOut(w http.ResponseWriter, r *http.Request) {
	if cookie, err := r.Cookie(sessionCookie); err == nil {
		p.sessions.end(cookie.Value)
	}
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: "/", MaxAge: -1, HttpOnly: true, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, "/signin", http.StatusSeeOther)
}
