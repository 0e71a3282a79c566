package identity

import (
	"cmp"
	"crypto/subtle"
	"encoding/base64"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/uuid"

	"stackusage/internal/devstack/loopback"
)

const (
	keyID         = "devstack-1"
	assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
)

// serveToken answers the client credentials grant.
func (s *Server) serveToken(w http.ResponseWriter, r *http.Request) {
	name := tenantOf(r)
	tenant, known := s.tenant(name)
	if !known || strings.EqualFold(r.PathValue("tenant"), ADFS) { // which has no tenants
		s.refuse(w, unknownTenant(name))
		return
	}
	if err := r.ParseForm(); err != nil {
		s.refuse(w, entra(http.StatusBadRequest, "invalid_request", 90014, "The request body is not a form."))
		return
	}
	if r.PostForm.Get("grant_type") != "client_credentials" {
		s.refuse(w, entra(http.StatusBadRequest, "unsupported_grant_type", 70003, "The app requested an unsupported grant type."))
		return
	}
	client, by, refused := s.authenticate(r, tenant)
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	audience, refused := audienceOf(r, tenant)
	if refused != nil {
		s.refuse(w, refused)
		return
	}
	issuer := "https://sts.windows.net/" + tenant.ID + "/"
	if tenant.ID == ADFS {
		issuer = adfsIssuer(r)
	}
	token, life := s.issue(issuer, Issued{Tenant: tenant.ID, ClientID: client.ID, Audience: audience, By: by})
	loopback.JSON(w, http.StatusOK, map[string]any{"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": token})
}

// authenticate finds out who asks.
func (s *Server) authenticate(r *http.Request, tenant Tenant) (_ Client, by string, _ *refusal) {
	id := r.PostForm.Get("client_id")
	client, known := tenant.client(id)
	if !known {
		return client, "", tenant.refusal(http.StatusBadRequest, "unauthorized_client", 700016,
			"Application with identifier '"+id+"' was not found in the directory '"+tenant.ID+"'. This can happen if the application has not been installed by the administrator of the tenant.")
	}
	switch secret, assertion := r.PostForm.Get("client_secret"), r.PostForm.Get("client_assertion"); {
	case assertion != "" && r.PostForm.Get("client_assertion_type") == assertionType:
		return client, "certificate", s.checkAssertion(assertion, tokenEndpoint(r, tenantOf(r)), tenant, client)
	case secret == "":
		return client, "", tenant.refusal(http.StatusUnauthorized, "invalid_client", 7000218,
			"The request body must contain the following parameter: 'client_assertion' or 'client_secret'.")
	case client.Secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(client.Secret)) != 1:
		return client, "", tenant.refusal(http.StatusUnauthorized, "invalid_client", 7000215,
			"Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '"+id+"'.")
	case client.SecretExpired:
		return client, "", tenant.refusal(http.StatusUnauthorized, "invalid_client", 7000222,
			"The provided client secret keys for app '"+id+"' are expired.")
	}
	return client, "secret", nil
}

// audienceOf reads what the token shall be for: the scope that is not one of
// OpenID Connect's own, without its /.default.
func audienceOf(r *http.Request, tenant Tenant) (string, *refusal) {
	scopes := slices.DeleteFunc(strings.Fields(r.PostForm.Get("scope")), func(scope string) bool {
		return slices.Contains([]string{"openid", "profile", "offline_access"}, scope)
	})
	if len(scopes) != 1 || !strings.HasSuffix(scopes[0], "/.default") {
		return "", tenant.refusal(http.StatusBadRequest, "invalid_scope", 1002012,
			"The provided value for scope "+strings.Join(scopes, " ")+" is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).")
	}
	audience := strings.TrimSuffix(scopes[0], "/.default")
	if !tenant.knows(audience) {
		return "", tenant.refusal(http.StatusBadRequest, "invalid_resource", 500011,
			"The resource principal named "+audience+" was not found in the tenant named "+tenant.ID+". This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.")
	}
	return audience, nil
}

// issue signs a token, and notes it.
func (s *Server) issue(issuer string, what Issued) (token string, lifetime int) {
	now := s.clock()
	s.mu.Lock()
	defer s.mu.Unlock()
	lifetime = cmp.Or(s.faults.TokenLifetime, 3600)
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"aud": what.Audience, "iss": issuer, "tid": what.Tenant, "appid": what.ClientID, "ver": "1.0",
		"sub": uuid.NewSHA1(uuid.NameSpaceURL, []byte(what.ClientID)).String(), "uti": uuid.NewString(),
		"iat": now.Unix(), "nbf": now.Unix() - 300, "exp": now.Add(time.Duration(lifetime) * time.Second).Unix(),
	})
	t.Header["kid"] = keyID
	token, err := t.SignedString(s.key)
	if err != nil {
		panic(err) // an RSA key signs
	}
	s.issued = append(s.issued, what)
	return token, lifetime
}

func (s *Server) serveKeys(w http.ResponseWriter, _ *http.Request) {
	encode := base64.RawURLEncoding.EncodeToString
	loopback.JSON(w, http.StatusOK, map[string]any{"keys": []map[string]string{{
		"kty": "RSA", "use": "sig", "kid": keyID,
		"n": encode(s.key.N.Bytes()), "e": encode(big.NewInt(int64(s.key.E)).Bytes()),
	}}})
}

// serveManaged answers as an App Service does the apps on it.
func (s *Server) serveManaged(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	managed := s.directory.Managed
	s.mu.Unlock()
	query := r.URL.Query()
	refuse := func(status int, message string) {
		loopback.JSON(w, status, map[string]any{"statusCode": status, "message": message})
	}
	switch {
	case managed == nil:
		refuse(http.StatusBadRequest, "No Managed Identity found for specified ClientId/ResourceId/PrincipalId.")
	case subtle.ConstantTimeCompare([]byte(r.Header.Get("X-IDENTITY-HEADER")), []byte(managed.Header)) != 1:
		refuse(http.StatusUnauthorized, "The X-IDENTITY-HEADER is missing or wrong.")
	case query.Get("api-version") != "2019-08-01":
		refuse(http.StatusBadRequest, "The api-version is missing or not supported.")
	case query.Has("client_id") && !strings.EqualFold(query.Get("client_id"), managed.ClientID):
		refuse(http.StatusBadRequest, "No Managed Identity found for specified ClientId/ResourceId/PrincipalId.")
	case !slices.Contains(managed.Audiences, query.Get("resource")):
		refuse(http.StatusInternalServerError, "AADSTS500011: The resource principal named "+query.Get("resource")+" was not found in the tenant named "+managed.Tenant+".")
	default:
		token, life := s.issue("https://sts.windows.net/"+managed.Tenant+"/", Issued{
			Tenant: managed.Tenant, ClientID: managed.ClientID, Audience: query.Get("resource"), By: "managedIdentity",
		})
		loopback.JSON(w, http.StatusOK, map[string]string{
			"access_token": token, "token_type": "Bearer", "resource": query.Get("resource"), "client_id": managed.ClientID,
			"expires_on": strconv.FormatInt(s.clock().Unix()+int64(life), 10),
		})
	}
}
