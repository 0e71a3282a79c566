package handlers

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"unicode"

	"stackusage/shared/strictjson"
)

// Behind App Service authentication the platform checks the token of a call and
// says who it is in X-MS-CLIENT-PRINCIPAL, which it takes out of what callers
// send. Anywhere else a caller may write there what it likes, so the header
// counts only where a setting says that the platform is in front.
const (
	headerPrincipal = "X-MS-CLIENT-PRINCIPAL"
	maxPrincipal    = 64 << 10 // bytes of the header
)

// Claims by which somebody is known, the best first; short and long forms.
var (
	nameClaims = []string{"preferred_username", "upn", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn", "unique_name",
		"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/emailaddress", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"}
	appClaims = []string{"appid", "azp"}
	idClaims  = []string{"oid", "http://schemas.microsoft.com/identity/claims/objectidentifier", "sub", "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/nameidentifier"}
)

// errNobody: a principal in which nobody is named.
var errNobody = errors.New("it names no user and no application")

// decodePrincipal reads who the platform says is calling: a user's name, or the
// application's client id. Source: "Work with user identities in Azure App
// Service authentication", decoding the client principal header.
func decodePrincipal(header string) (string, error) {
	if len(header) > maxPrincipal {
		return "", fmt.Errorf("it is longer than %d bytes", maxPrincipal)
	}
	text, err := base64.StdEncoding.DecodeString(header)
	if err != nil {
		return "", errors.New("it is not base64")
	}
	var p struct {
		AuthType string `json:"auth_typ"`
		Claims   []struct {
			Type  string `json:"typ"`
			Value string `json:"val"`
		} `json:"claims"`
	}
	if err := strictjson.Unmarshal(text, &p); err != nil {
		return "", errors.New("it is not a client principal in JSON")
	}
	if p.AuthType != "aad" {
		return "", fmt.Errorf("auth_typ is %.40q, not aad: only Entra ID signs in here", p.AuthType)
	}
	first := func(types []string) string {
		for _, want := range types {
			for _, c := range p.Claims {
				if value := oneLine(c.Value); c.Type == want && value != "" {
					return value
				}
			}
		}
		return ""
	}
	if name := first(nameClaims); name != "" {
		return name, nil
	}
	if app := first(appClaims); app != "" {
		return "application " + app, nil
	}
	if id := first(idClaims); id != "" {
		return "principal " + id, nil
	}
	return "", errNobody
}

type callerKey struct{}

// caller is who asks: what Entra ID said, where it is asked, else who has the key.
func caller(r *http.Request) string {
	name, _ := r.Context().Value(callerKey{}).(string)
	return cmp.Or(name, "function key")
}

// oneLine is a name as rows and logs keep it: at most 200 characters of one line,
// all of them seen: what turns the direction of text or has no width would show
// an auditor another name.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsGraphic(r) {
			return r
		}
		return ' '
	}, fmt.Sprintf("%.200s", strings.ToValidUTF8(text, "?")))
	return strings.Join(strings.Fields(text), " ")
}

// signedIn lets through who the platform has signed in, where it does that.
func (a *App) signedIn(next http.Handler) http.Handler {
	if !a.Settings.BehindAuthentication {
		return next
	}
	refuse := func(w http.ResponseWriter, r *http.Request, status int, code, message string) {
		a.Log.WarnContext(r.Context(), "request rejected", slog.String("path", r.URL.Path), slog.String("code", code), slog.String("message", message))
		armError(status, code, message).write(w)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		headers := r.Header.Values(headerPrincipal)
		if len(headers) != 1 || headers[0] == "" {
			refuse(w, r, http.StatusUnauthorized, "AuthenticationFailed", fmt.Sprintf("%s is there %d times: the app is said to be behind App Service authentication (BEHIND_APP_SERVICE_AUTH), which sets it once; sign in, and call the app by its public address", headerPrincipal, len(headers)))
			return
		}
		name, err := decodePrincipal(headers[0])
		switch {
		case errors.Is(err, errNobody):
			refuse(w, r, http.StatusForbidden, "AuthorizationFailed", headerPrincipal+": "+err.Error()+"; call with a token that has the claim upn, preferred_username, appid or oid")
		case err != nil:
			refuse(w, r, http.StatusUnauthorized, "AuthenticationFailed", headerPrincipal+": "+err.Error()+"; it must come from App Service authentication")
		default:
			next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, name)))
		}
	})
}
