// Package bearer checks tokens for stand-ins of services that Entra ID, or an AD
// FS, signs people and programs in to.
package bearer

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/MicahParks/keyfunc/v3"
	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/time/rate"
)

// Keys is what an issuer signs with. Keys are asked for once, and again when a
// token names one that is not known. Safe for concurrent use.
type Keys struct {
	URL    string       // of a JSON Web Key Set
	Client *http.Client // what asks there

	once sync.Once
	keys keyfunc.Keyfunc
	err  error
}

// Check returns the claims of a token that one of the keys has signed, for one of
// the audiences and for now. An empty issuer is not asked for. The errors are
// those of golang-jwt.
func (k *Keys) Check(ctx context.Context, token, issuer string, audiences ...string) (jwt.MapClaims, error) {
	// The keys outlive the first caller. When they cannot be had now, the next unknown
	// key asks again.
	k.once.Do(func() {
		k.keys, k.err = keyfunc.NewDefaultOverrideCtx(context.Background(), []string{k.URL}, keyfunc.Override{
			Client: k.Client, HTTPTimeout: 10 * time.Second, RateLimitWaitMax: 10 * time.Second, RefreshUnknownKID: rate.NewLimiter(rate.Every(100*time.Millisecond), 1),
		})
	})
	if k.err != nil {
		return nil, k.err
	}
	rules := []jwt.ParserOption{jwt.WithValidMethods([]string{"RS256"}), jwt.WithAudience(audiences...), jwt.WithExpirationRequired()}
	if issuer != "" {
		rules = append(rules, jwt.WithIssuer(issuer))
	}
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(token, claims, k.keys.KeyfuncCtx(ctx), rules...)
	return claims, err
}
