package identity

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"stackusage/internal/devstack/loopback"
)

// Directory is whom the issuer knows.
type Directory struct {
	Tenants []Tenant `json:"tenants"`

	// Managed is the identity of the machine that /msi/token is for; nil means
	// that it has none.
	Managed *Managed `json:"managed,omitempty"`
}

// Tenant is one directory.
type Tenant struct {
	ID        string   `json:"id"`        // a GUID or a domain name, or ADFS
	Audiences []string `json:"audiences"` // what tokens may be for, each by its exact text
	Clients   []Client `json:"clients"`
}

// Client is an application.
type Client struct {
	ID            string   `json:"id"`
	Secret        string   `json:"secret,omitempty"`
	SecretExpired bool     `json:"secretExpired,omitempty"`
	Certificates  []string `json:"certificates,omitempty"` // PEM, without keys
}

// Managed is a managed identity.
type Managed struct {
	Header    string   `json:"header"`   // what IDENTITY_HEADER must hold
	Tenant    string   `json:"tenant"`   // its tokens' tenant
	ClientID  string   `json:"clientId"` // by which a user-assigned one is asked for
	Audiences []string `json:"audiences"`
}

// Faults are what goes wrong, until they are replaced.
type Faults struct {
	Status        int  `json:"status,omitempty"`        // answered to every request; 0 means none
	Times         int  `json:"times,omitempty"`         // how often Status is answered; 0 means always
	RetryAfter    int  `json:"retryAfter,omitempty"`    // seconds, sent with Status; 0 means not
	Hang          bool `json:"hang,omitempty"`          // requests are never answered
	ClockOffset   int  `json:"clockOffset,omitempty"`   // seconds that the issuer's clock is ahead
	TokenLifetime int  `json:"tokenLifetime,omitempty"` // seconds; negative ones are expired when issued; 0 means an hour
}

// Issued is one token that was issued.
type Issued struct {
	Tenant   string `json:"tenant"`
	ClientID string `json:"clientId"`
	Audience string `json:"audience"`
	By       string `json:"by"` // secret, certificate or managedIdentity
}

func (d Directory) check() error {
	seen := map[string]bool{}
	for _, t := range d.Tenants {
		if t.ID == "" || strings.ContainsAny(t.ID, "/ ") || seen[strings.ToLower(t.ID)] {
			return fmt.Errorf("tenant %q: empty, not a name, or there twice", t.ID)
		}
		seen[strings.ToLower(t.ID)] = true
		for _, c := range t.Clients {
			if c.ID == "" {
				return fmt.Errorf("tenant %s: a client without an id", t.ID)
			}
			if _, err := c.certificates(); err != nil {
				return fmt.Errorf("client %s: %w", c.ID, err)
			}
		}
	}
	return nil
}

func (c Client) certificates() (certs []*x509.Certificate, err error) {
	for _, text := range c.Certificates {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil, errors.New("a certificate that is not PEM")
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		certs = append(certs, cert)
	}
	return certs, nil
}

func (s *Server) tenant(id string) (Tenant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.directory.Tenants {
		if strings.EqualFold(t.ID, id) {
			return t, true
		}
	}
	return Tenant{}, false
}

func (t Tenant) client(id string) (Client, bool) {
	for _, c := range t.Clients {
		if strings.EqualFold(c.ID, id) {
			return c, true
		}
	}
	return Client{}, false
}

// clock is the issuer's time, which may be wrong.
func (s *Server) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now().Add(time.Duration(s.faults.ClockOffset) * time.Second)
}

// fault answers in place of the issuer, if that is how things are.
func (s *Server) fault(w http.ResponseWriter, r *http.Request) bool {
	s.mu.Lock()
	f := s.faults
	if f.Status != 0 && f.Times > 0 {
		if s.faults.Times--; s.faults.Times == 0 {
			s.faults.Status = 0
		}
	}
	s.mu.Unlock()
	if f.Hang {
		io.Copy(io.Discard, r.Body) // only then the server notices that the connection has ended
		<-r.Context().Done()
		panic(http.ErrAbortHandler) // to return would be an answer, which may overtake the end of the request
	}
	if f.Status == 0 {
		return false
	}
	if f.RetryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(f.RetryAfter))
	}
	loopback.JSON(w, f.Status, map[string]string{"error": "temporarily_unavailable", "error_description": "The service is temporarily unavailable."})
	return true
}

// putDirectory takes a Directory in place of the one before.
func (s *Server) putDirectory(w http.ResponseWriter, r *http.Request) {
	put(w, r, func(d Directory) error {
		if err := d.check(); err != nil {
			return err
		}
		s.mu.Lock()
		s.directory = d
		s.mu.Unlock()
		return nil
	})
}

// putFaults takes Faults in place of the ones before.
func (s *Server) putFaults(w http.ResponseWriter, r *http.Request) {
	put(w, r, func(f Faults) error {
		if f.Status != 0 && (f.Status < 400 || f.Status > 599) || f.Times < 0 || f.RetryAfter < 0 {
			return errors.New("status is from 400 to 599; times and retryAfter are not negative")
		}
		s.mu.Lock()
		s.faults = f
		s.mu.Unlock()
		return nil
	})
}

// getIssued answers {"issued":[{"tenant","clientId","audience","by"}]}, oldest first.
func (s *Server) getIssued(w http.ResponseWriter, _ *http.Request) {
	s.mu.Lock()
	issued := append([]Issued{}, s.issued...)
	s.mu.Unlock()
	loopback.JSON(w, http.StatusOK, map[string][]Issued{"issued": issued})
}

func put[T any](w http.ResponseWriter, r *http.Request, take func(T) error) {
	var v T
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	err := decoder.Decode(&v)
	if err == nil {
		err = take(v)
	}
	if err != nil {
		loopback.JSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	loopback.JSON(w, http.StatusOK, struct{}{})
}

func (t Tenant) knows(audience string) bool { return slices.Contains(t.Audiences, audience) }
