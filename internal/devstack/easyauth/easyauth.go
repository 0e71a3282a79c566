// Package easyauth is a stand-in for App Service authentication ("Easy Auth"), as
// it stands before a function app that requires it:
//
//	caller --> token is checked, headers of the platform's own are taken out
//	       --> X-MS-CLIENT-PRINCIPAL* says who it is --> app
//
// A call without a good token is answered with 401 and does not reach the app.
package easyauth

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"stackusage/internal/devstack/bearer"
)

// Options are what authsettingsV2 of the app says.
type Options struct {
	App       string       // URL of the app behind it
	Issuer    string       // of tokens
	Audiences []string     // that tokens may be for
	Callers   []string     // applications that may call, by client id; empty lets all of the issuer
	KeysURL   string       // where the issuer's public keys are
	Client    *http.Client // what asks there
}

// New is the front of an app.
func New(o Options) (http.Handler, error) {
	app, err := url.Parse(o.App)
	if err != nil || app.Host == "" || o.Issuer == "" || len(o.Audiences) == 0 {
		return nil, fmt.Errorf("app %q, issuer %q, audiences %q: none of them may be missing", o.App, o.Issuer, o.Audiences)
	}
	f := &front{o: o, keys: bearer.Keys{URL: o.KeysURL, Client: o.Client}}
	f.proxy = &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(app) }}
	return f, nil
}

type front struct {
	o     Options
	keys  bearer.Keys
	proxy *httputil.ReverseProxy
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		refuse(w, http.StatusUnauthorized, "")
		return
	}
	claims, err := f.keys.Check(r.Context(), token, f.o.Issuer, f.o.Audiences...)
	if err != nil {
		refuse(w, http.StatusUnauthorized, `, error="invalid_token"`)
		return
	}
	text := func(name string) string { s, _ := claims[name].(string); return s }
	if len(f.o.Callers) > 0 && !slices.Contains(f.o.Callers, text("appid")) {
		refuse(w, http.StatusForbidden, "")
		return
	}
	for name := range r.Header {
		if strings.HasPrefix(strings.ToUpper(name), "X-MS-") {
			r.Header.Del(name)
		}
	}
	r.Header.Set("X-MS-CLIENT-PRINCIPAL", principal(claims))
	r.Header.Set("X-MS-CLIENT-PRINCIPAL-ID", text("sub"))
	r.Header.Set("X-MS-CLIENT-PRINCIPAL-IDP", "aad")
	if name := text("upn"); name != "" { // an application has none
		r.Header.Set("X-MS-CLIENT-PRINCIPAL-NAME", name)
	}
	f.proxy.ServeHTTP(w, r)
}

func refuse(w http.ResponseWriter, status int, why string) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="app"`+why)
	w.WriteHeader(status)
}

// principal is the header's value: who it is, in the platform's form.
func principal(claims map[string]any) string {
	type claim struct {
		Type  string `json:"typ"`
		Value string `json:"val"`
	}
	p := struct {
		AuthType string  `json:"auth_typ"`
		Claims   []claim `json:"claims"`
		NameType string  `json:"name_typ"`
		RoleType string  `json:"role_typ"`
	}{AuthType: "aad", NameType: "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name", RoleType: "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"}
	for name, value := range claims {
		p.Claims = append(p.Claims, claim{name, fmt.Sprint(value)})
	}
	slices.SortFunc(p.Claims, func(a, b claim) int { return strings.Compare(a.Type, b.Type) })
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // strings only
	}
	return base64.StdEncoding.EncodeToString(text)
}
