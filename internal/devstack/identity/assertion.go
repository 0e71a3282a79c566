package identity

import (
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// skew is how far a client's clock may be off.
const skew = 5 * time.Minute

// checkAssertion checks that client has signed text, for the token endpoint and
// for now, with a key whose certificate is registered and valid.
func (s *Server) checkAssertion(text, endpoint string, tenant Tenant, client Client) *refusal {
	now := s.clock()
	var cert *x509.Certificate
	methods := []string{"PS256", "RS256"}
	if tenant.ID == ADFS {
		methods = []string{"RS256"}
	}
	claims := jwt.MapClaims{}
	_, err := jwt.NewParser(
		jwt.WithValidMethods(methods), jwt.WithAudience(endpoint), jwt.WithIssuer(client.ID), jwt.WithSubject(client.ID),
		jwt.WithExpirationRequired(), jwt.WithLeeway(skew), jwt.WithTimeFunc(func() time.Time { return now }),
	).ParseWithClaims(text, claims, func(token *jwt.Token) (any, error) {
		var err error
		if cert, err = registered(client, token.Header, tenant.ID == ADFS); err != nil {
			return nil, err
		}
		return cert.PublicKey, nil
	})
	switch {
	case errors.Is(err, jwt.ErrTokenExpired) || errors.Is(err, jwt.ErrTokenNotValidYet) || errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return tenant.refusal(http.StatusUnauthorized, "invalid_client", 700024, fmt.Sprintf(
			"Client assertion is not within its valid time range. Current time: %s, expiry time of assertion %v.", now.UTC().Format(time.RFC3339), claims["exp"]))
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return tenant.refusal(http.StatusUnauthorized, "invalid_client", 700023, "Client assertion audience claim does not match Realm issuer.")
	case err != nil:
		return tenant.refusal(http.StatusUnauthorized, "invalid_client", 700027, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]")
	case now.After(cert.NotAfter):
		return tenant.refusal(http.StatusUnauthorized, "invalid_client", 700027, fmt.Sprintf(
			"Client assertion contains an invalid signature. [Reason - The key used is expired., Thumbprint of key used by client: '%X', Found key 'Start=%s, End=%s']",
			sha1.Sum(cert.Raw), cert.NotBefore.UTC().Format(time.RFC3339), cert.NotAfter.UTC().Format(time.RFC3339)))
	case now.Before(cert.NotBefore):
		return tenant.refusal(http.StatusUnauthorized, "invalid_client", 1000502, "The provided certificate is not within its specified validity period.")
	}
	return nil
}

// registered finds the certificate of client that a header names by thumbprint;
// a chain that comes with it must begin with that certificate.
func registered(client Client, header map[string]any, adfs bool) (*x509.Certificate, error) {
	thumbprint := func(cert *x509.Certificate) []byte { sum := sha256.Sum256(cert.Raw); return sum[:] }
	name, _ := header["x5t#S256"].(string)
	if sha, ok := header["x5t"].(string); ok {
		name, thumbprint = sha, func(cert *x509.Certificate) []byte { sum := sha1.Sum(cert.Raw); return sum[:] }
	} else if adfs {
		return nil, errors.New("AD FS knows thumbprints of SHA-1 only")
	}
	want, err := decode64(name)
	if err != nil {
		return nil, err
	}
	certs, err := client.certificates()
	if err != nil {
		return nil, err
	}
	for _, cert := range certs {
		if subtle.ConstantTimeCompare(thumbprint(cert), want) != 1 {
			continue
		}
		if chain, sent := header["x5c"]; sent {
			list, _ := chain.([]any)
			if len(list) == 0 {
				return nil, errors.New("x5c is no list")
			}
			first, _ := list[0].(string)
			if raw, err := base64.StdEncoding.DecodeString(first); err != nil || string(raw) != string(cert.Raw) {
				return nil, errors.New("x5c begins with another certificate")
			}
		}
		return cert, nil
	}
	return nil, errors.New("no such certificate")
}

// decode64 reads both alphabets of base64, as clients differ.
func decode64(text string) ([]byte, error) {
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	return base64.RawURLEncoding.DecodeString(text)
}
