package azurestack

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// authenticate refuses a request without the token that it needs.
func (s *Stack) authenticate(r *http.Request) *apiError {
	refuse := func(code, message string) *apiError {
		return &apiError{http.StatusUnauthorized, code, message}
	}
	header := r.Header.Get("Authorization")
	if s.opts.KeysURL == "" {
		if s.opts.Token != "" && header != "Bearer "+s.opts.Token {
			return refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing or not valid.")
		}
		return nil
	}
	token, bearer := strings.CutPrefix(header, "Bearer ")
	if !bearer {
		return refuse("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	_, err := jwt.Parse(token, func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		return s.keys.find(r.Context(), kid)
	}, jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(s.Audience()), jwt.WithExpirationRequired())
	switch {
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return refuse("InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource. It should exactly match '"+s.Audience()+"'.")
	case errors.Is(err, jwt.ErrTokenExpired):
		return refuse("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time '"+time.Now().UTC().Format(time.RFC3339)+"'.")
	case err != nil:
		return refuse("InvalidAuthenticationToken", "The access token is invalid.")
	}
	return nil
}

// keySet is what an issuer signs with. Keys are asked for once, and again when a
// token names one that is not known.
type keySet struct {
	url    string
	client *http.Client

	mu   sync.Mutex
	keys map[string]*rsa.PublicKey
}

func (k *keySet) find(ctx context.Context, id string) (*rsa.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.keys[id] == nil {
		keys, err := k.fetch(ctx)
		if err != nil {
			return nil, err
		}
		k.keys = keys
	}
	if k.keys[id] == nil {
		return nil, fmt.Errorf("no key %q", id)
	}
	return k.keys[id], nil
}

func (k *keySet) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("get keys: %s", resp.Status)
	}
	return parseKeys(text)
}

// parseKeys reads the RSA keys of a JSON Web Key Set (RFC 7517), by name.
func parseKeys(text []byte) (map[string]*rsa.PublicKey, error) {
	var set struct {
		Keys []struct{ Kty, Kid, N, E string }
	}
	if err := json.Unmarshal(text, &set); err != nil {
		return nil, fmt.Errorf("read keys: %w", err)
	}
	keys := map[string]*rsa.PublicKey{}
	for _, key := range set.Keys {
		if key.Kty != "RSA" {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(key.N)
		if err != nil {
			return nil, fmt.Errorf("read key %q: %w", key.Kid, err)
		}
		e, err := base64.RawURLEncoding.DecodeString(key.E)
		if err != nil || len(e) == 0 || len(e) > 4 {
			return nil, fmt.Errorf("read key %q: a bad exponent", key.Kid)
		}
		keys[key.Kid] = &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
	}
	return keys, nil
}
