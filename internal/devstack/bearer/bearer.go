// Package bearer checks tokens for stand-ins of services that Entra ID, or an AD
// FS, signs people and programs in to.
package bearer

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Keys is what an issuer signs with. Keys are asked for once, and again when a
// token names one that is not known. Safe for concurrent use.
type Keys struct {
	URL    string       // of a JSON Web Key Set
	Client *http.Client // what asks there

	mu   sync.Mutex
	keys map[string]*rsa.PublicKey
}

// Check returns the claims of a token that one of the keys has signed, for one of
// the audiences and for now. An empty issuer is not asked for. The errors are
// those of golang-jwt.
func (k *Keys) Check(ctx context.Context, token, issuer string, audiences ...string) (jwt.MapClaims, error) {
	rules := []jwt.ParserOption{jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(audiences...), jwt.WithExpirationRequired()}
	if issuer != "" {
		rules = append(rules, jwt.WithIssuer(issuer))
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, func(token *jwt.Token) (any, error) {
		kid, _ := token.Header["kid"].(string)
		return k.find(ctx, kid)
	}, rules...)
	return claims, err
}

func (k *Keys) find(ctx context.Context, id string) (*rsa.PublicKey, error) {
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

func (k *Keys) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.URL, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.Client.Do(req)
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
	return ParseKeys(text)
}

// ParseKeys reads the RSA keys of a JSON Web Key Set (RFC 7517), by name.
func ParseKeys(text []byte) (map[string]*rsa.PublicKey, error) {
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
