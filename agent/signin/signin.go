// Package signin gets the agent's tokens, for the stack and for Azure, and says
// in one sentence why it could not.
//
//	Config ─> New ─┬─> azcore.TokenCredential ─> azblob (Azure side)
//	               └─> Token(cred, audience) ──> stackapi.Config.Token (stack side)
//	any error ─────> Cause ─> what is wrong, what to do
//
// The exchange itself is azidentity's: client secret, client certificate and
// managed identity, at Microsoft Entra ID or at the AD FS of a disconnected stack.
// Errors hold neither secrets nor tokens.
package signin

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"stackusage/shared/usage"
)

// Methods of Config.
const (
	ClientSecret      = "clientSecret"
	ClientCertificate = "clientCertificate"
	ManagedIdentity   = "managedIdentity"
)

// DefaultLoginEndpoint is Microsoft Entra ID of the global cloud.
const DefaultLoginEndpoint = "https://login.microsoftonline.com/"

// DefaultTimeout is how long one sign-in may take, repeats included.
const DefaultTimeout = time.Minute

// retryDelay is the wait before a request to an issuer is sent again, doubled
// once; tests do not wait.
var retryDelay = 500 * time.Millisecond

// adfsTenant is the tenant by which azidentity knows an AD FS.
const adfsTenant = "adfs"

// Config says who signs in, and where.
type Config struct {
	// Method is ClientSecret, ClientCertificate or ManagedIdentity.
	Method string

	// TenantID is the directory, a GUID or a domain name. Empty for an AD FS,
	// which has no tenants, and for ManagedIdentity.
	TenantID string

	// ClientID is the application's GUID; for ManagedIdentity that of a
	// user-assigned identity, or empty for the machine's own.
	ClientID string

	// LoginEndpoint is where tokens are issued, as a stack's metadata has it:
	// https://login.microsoftonline.com/ or https://adfs.<region>.<domain>/adfs.
	// Empty means DefaultLoginEndpoint.
	LoginEndpoint string

	// Secret is the value of ClientSecret, as read from a file or the
	// environment, without the line's end.
	Secret string

	// Certificate is a PEM or PFX file with a certificate and its RSA key, and
	// CertificatePassword what a PFX is locked with.
	Certificate         []byte
	CertificatePassword string

	// Timeout bounds one sign-in; 0 means DefaultTimeout.
	Timeout time.Duration

	// Now is the clock by which the certificate is valid; nil means time.Now.
	Now func() time.Time
}

// credential is a credential of azidentity with a time limit and errors that say
// what is wrong.
type credential struct {
	azcore.TokenCredential
	conf Config
	host string            // of the issuer
	leaf *x509.Certificate // of the client; may be nil
}

// New checks conf and returns its credential, which sends its requests through
// client. It signs in only when it is asked for a token, and keeps tokens until
// they are about to expire. Errors of GetToken are *Error.
func New(conf Config, client *http.Client) (azcore.TokenCredential, error) {
	if client == nil {
		return nil, errors.New("make credential: no HTTP client")
	}
	if conf.Timeout < 0 {
		return nil, errors.New("read sign-in settings: a negative time limit")
	}
	conf.Timeout = cmp.Or(conf.Timeout, DefaultTimeout)
	if conf.Now == nil {
		conf.Now = time.Now
	}
	conf.LoginEndpoint = cmp.Or(conf.LoginEndpoint, DefaultLoginEndpoint)
	if err := conf.check(); err != nil {
		return nil, fmt.Errorf("read sign-in settings: %w", err)
	}
	c := &credential{conf: conf}
	opts := policy.ClientOptions{
		Transport: recorder{client},
		Retry:     policy.RetryOptions{MaxRetries: 2, RetryDelay: retryDelay, MaxRetryDelay: 10 * time.Second, TryTimeout: conf.Timeout / 3},
	}
	if conf.Method == ManagedIdentity {
		c.host = "this machine's identity endpoint"
		o := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: opts}
		if conf.ClientID != "" {
			o.ID = azidentity.ClientID(conf.ClientID)
		}
		return c.over(azidentity.NewManagedIdentityCredential(o))
	}
	where, err := authorityOf(conf.LoginEndpoint, conf.TenantID)
	if err != nil {
		return nil, fmt.Errorf("read sign-in settings: %w", err)
	}
	c.host, c.conf.TenantID = where.host.Host, where.tenant
	opts.Cloud = cloud.Configuration{ActiveDirectoryAuthorityHost: where.host.String()}
	if conf.Method == ClientSecret {
		return c.over(azidentity.NewClientSecretCredential(where.tenant, conf.ClientID, conf.Secret, &azidentity.ClientSecretCredentialOptions{
			ClientOptions: opts, DisableInstanceDiscovery: !where.public,
		}))
	}
	certs, key, err := parseCertificate(conf.Certificate, conf.CertificatePassword)
	if err != nil {
		return nil, fmt.Errorf("read client certificate: %w", err)
	}
	c.leaf = certs[0]
	return c.over(azidentity.NewClientCertificateCredential(where.tenant, conf.ClientID, certs, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions: opts, DisableInstanceDiscovery: !where.public,
		// Entra ID can then know the application by its certificate's subject and
		// issuer, so that a renewed one need not be registered; AD FS cannot.
		SendCertificateChain: where.tenant != adfsTenant,
	}))
}

func (c *credential) over(inner azcore.TokenCredential, err error) (azcore.TokenCredential, error) {
	if err != nil {
		return nil, fmt.Errorf("make credential %s: %w", c.conf.Method, err)
	}
	c.TokenCredential = inner
	return c, nil
}

func (conf Config) check() error {
	managed := conf.Method == ManagedIdentity
	switch {
	case !managed && conf.Method != ClientSecret && conf.Method != ClientCertificate:
		return fmt.Errorf("method %q: not %s, %s or %s", conf.Method, ClientSecret, ClientCertificate, ManagedIdentity)
	case !managed && conf.ClientID == "":
		return fmt.Errorf("method %s: clientId is missing", conf.Method)
	case conf.Method == ClientSecret && conf.Secret == "":
		return fmt.Errorf("method %s: the secret is missing or empty", conf.Method)
	case conf.Secret != strings.TrimSpace(conf.Secret):
		return errors.New("the secret begins or ends with white space: remove it from the file or variable")
	case strings.ContainsFunc(conf.Secret, oddInSecret):
		return errors.New("the secret has characters that no secret has: save its file as plain text, not as UTF-16 or with a byte order mark")
	case conf.Method == ClientCertificate && len(conf.Certificate) == 0:
		return fmt.Errorf("method %s: the certificate is missing or empty", conf.Method)
	case conf.Method != ClientSecret && conf.Secret != "", conf.Method != ClientCertificate && len(conf.Certificate) > 0:
		return fmt.Errorf("method %s: a secret or certificate of another method beside it; remove the one that is not used", conf.Method)
	}
	return nil
}

// oddInSecret is true for what an editor puts into a file beside the secret:
// byte order marks, the NULs of UTF-16, line ends.
func oddInSecret(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }

// authority is where a tenant's tokens are issued.
type authority struct {
	host   *url.URL // https://host/
	tenant string
	public bool // one of Microsoft's own, which instance discovery knows
}

func authorityOf(endpoint, tenant string) (authority, error) {
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return authority{}, errors.New("loginEndpoint: not of the form https://host/ or https://host/adfs")
	}
	if u.Scheme != "https" {
		return authority{}, fmt.Errorf("loginEndpoint %q: must be https", endpoint)
	}
	path := strings.Trim(u.Path, "/")
	u.Path = "/"
	a := authority{host: u, tenant: tenant}
	switch {
	case strings.EqualFold(path, adfsTenant):
		a.tenant = adfsTenant
	case strings.Contains(path, "/"):
		return authority{}, fmt.Errorf("loginEndpoint %q: not of the form https://host/ or https://host/adfs", endpoint)
	case path != "" && tenant != "" && !strings.EqualFold(path, tenant):
		return authority{}, fmt.Errorf("loginEndpoint %q: is for another tenant than tenantId %q", endpoint, tenant)
	case path != "":
		a.tenant = path
	}
	if a.tenant == "" {
		return authority{}, fmt.Errorf("tenantId is missing, which %s needs", u.Host)
	}
	a.public = a.tenant != adfsTenant && slices.Contains(publicHosts, strings.ToLower(u.Host))
	return a, nil
}

// publicHosts are the authorities of Microsoft's clouds. Any other is one that
// the operator or the stack has named, and there is nobody to ask about it.
var publicHosts = []string{
	"login.microsoftonline.com", "login.microsoft.com", "login.windows.net", "sts.windows.net",
	"login.microsoftonline.us", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn",
}

// GetToken implements azcore.TokenCredential.
func (c *credential) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if c.leaf != nil && c.conf.Now().After(c.leaf.NotAfter) {
		return azcore.AccessToken{}, c.fail(opts, &Error{
			Kind: ExpiredCertificate, Detail: "it was valid until " + usage.Point(c.leaf.NotAfter),
		})
	}
	ctx, cancel := context.WithTimeout(ctx, c.conf.Timeout)
	defer cancel()
	seen := &seen{}
	token, err := c.TokenCredential.GetToken(context.WithValue(ctx, seenKey{}, seen), opts)
	if err != nil {
		return azcore.AccessToken{}, c.fail(opts, c.explain(ctx, err, seen))
	}
	return token, nil
}

// fail completes an error with who signed in where, for what.
func (c *credential) fail(opts policy.TokenRequestOptions, e *Error) *Error {
	e.Method, e.Host, e.ClientID, e.TenantID = c.conf.Method, c.host, c.conf.ClientID, c.conf.TenantID
	if len(opts.Scopes) > 0 {
		e.Audience = strings.TrimSuffix(opts.Scopes[0], defaultScope)
	}
	if c.conf.Secret != "" {
		e.Detail = strings.NewReplacer(c.conf.Secret, "***", url.QueryEscape(c.conf.Secret), "***").Replace(e.Detail)
	}
	return e
}

const defaultScope = "/.default"

// Token returns a function that gets tokens of cred for one audience, such as
// stackapi.Config has. The audience is a resource as the stack's metadata names
// it, to the letter: a "/" at its end belongs to it, and is in the token.
func Token(cred azcore.TokenCredential, audience string) func(context.Context) (string, error) {
	return func(ctx context.Context) (string, error) {
		if audience == "" || strings.ContainsAny(audience, " \t\r\n") || strings.HasSuffix(audience, defaultScope) {
			return "", fmt.Errorf("get token: audience %q is empty, has white space, or is a scope", audience)
		}
		token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{audience + defaultScope}})
		if err != nil {
			return "", err
		}
		return token.Token, nil
	}
}
