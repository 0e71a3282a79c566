package accountpage

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strconv"
	"sync"
	"time"
)

const (
	sessionCookie = "account_session"
	sessionTime   = time.Hour
	maxSessions   = 1000

	// Ten wrong passwords in a minute, and nobody may try before it is over.
	failureLimit = 10
	failureTime  = time.Minute
	maxForm      = 4 << 10 // bytes
)

// sessions are the hashes of the cookies that count, and the wrong passwords
// of the last minute.
type sessions struct {
	mu       sync.Mutex
	ends     map[[sha256.Size]byte]time.Time
	failures []time.Time
}

// begin makes a session and returns its cookie's value.
func (s *sessions) begin(now time.Time) string {
	value := rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ends == nil || len(s.ends) >= maxSessions {
		s.ends = make(map[[sha256.Size]byte]time.Time)
	}
	s.ends[sha256.Sum256([]byte(value))] = now.Add(sessionTime)
	return value
}

func (s *sessions) holds(value string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	end, ok := s.ends[sha256.Sum256([]byte(value))]
	return ok && now.Before(end)
}

func (s *sessions) end(value string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ends, sha256.Sum256([]byte(value)))
}

// wait is how long nobody may try to sign in.
func (s *sessions) wait(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.failures) > 0 && now.Sub(s.failures[0]) >= failureTime {
		s.failures = s.failures[1:]
	}
	if len(s.failures) < failureLimit {
		return 0
	}
	return failureTime - now.Sub(s.failures[0])
}

func (s *sessions) failed(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failures = append(s.failures, now)
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
	now := p.opts.Now()
	if wait := p.sessions.wait(now); wait > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)+1))
		refuse(http.StatusTooManyRequests, "Too many wrong passwords. Try again in a minute.")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(http.StatusBadRequest, "The form could not be read. Try again.")
		return
	}
	given := sha256.Sum256([]byte(r.PostFormValue("password")))
	right := subtle.ConstantTimeCompare(given[:], p.password[:]) == 1
	if r.PostFormValue("name") != p.opts.Account || !right {
		p.sessions.failed(now)
		refuse(http.StatusUnauthorized, "The account or the password is wrong. devstack prints both when it starts.")
		return
	}
	// Not Secure: this page is served on loopback, without TLS.
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Value: p.sessions.begin(now), Path: "/", MaxAge: int(sessionTime / time.Second),
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
