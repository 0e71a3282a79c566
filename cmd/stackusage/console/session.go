package console

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"net/http"
	"strings"
	"sync"
)

// session is who may look: whoever had the token first. Another user of the machine
// reaches the port, too, and has neither token nor cookie.
type session struct {
	cookieName string // with the port: consoles of one machine have one host, and so one set of cookies

	mu      sync.Mutex
	token   [sha256.Size]byte
	used    bool
	cookie  [sha256.Size]byte
	entered func() // is told that the token was used; may be nil
}

// newSession returns a session and its one-time token of 128 random bits.
func newSession(port string) (*session, string) {
	token := rand.Text()
	return &session{cookieName: "stackusage-" + port, token: sha256.Sum256([]byte(token))}, token
}

// enter takes the token, and returns the cookie for it; nil if it is not the token, or
// was used before.
func (s *session) enter(token string) *http.Cookie {
	sum := sha256.Sum256([]byte(token))
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used || subtle.ConstantTimeCompare(sum[:], s.token[:]) != 1 {
		return nil
	}
	s.used = true
	value := rand.Text()
	s.cookie = sha256.Sum256([]byte(value))
	if s.entered != nil {
		s.entered()
	}
	// Not Secure: the console is served on loopback, without TLS.
	return &http.Cookie{Name: s.cookieName, Value: value, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode}
}

// holds reports whether a request has the cookie. It may have others of the name: whatever
// else listens on this host, on any port, can set cookies for it.
func (s *session) holds(r *http.Request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cookie := range r.CookiesNamed(s.cookieName) {
		sum := sha256.Sum256([]byte(cookie.Value))
		if s.used && subtle.ConstantTimeCompare(sum[:], s.cookie[:]) == 1 {
			return true
		}
	}
	return false
}

// ours reports whether a Host header is loopback's, on our port. A page of another name
// that resolves to 127.0.0.1 has its own name there.
func ours(host, port string) bool {
	if port == "80" && !strings.Contains(host, ":") { // browsers leave it out
		host += ":80"
	}
	name, found := strings.CutSuffix(host, ":"+port)
	return found && (name == "127.0.0.1" || name == "localhost")
}
