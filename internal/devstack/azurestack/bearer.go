package azurestack

import (
	"errors"
	"net/http"
	"strings"
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
	switch _, err := s.keys.Check(r.Context(), token, "", s.Audience()); {
	case errors.Is(err, jwt.ErrTokenInvalidAudience):
		return refuse("InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource. It should exactly match '"+s.Audience()+"'.")
	case errors.Is(err, jwt.ErrTokenExpired):
		return refuse("ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time '"+time.Now().UTC().Format(time.RFC3339)+"'.")
	case err != nil:
		return refuse("InvalidAuthenticationToken", "The access token is invalid.")
	}
	return nil
}
