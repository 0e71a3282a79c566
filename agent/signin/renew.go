package signin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// Renewing is a credential that reads its secret or certificate again when a token
// issuer refuses it, or a service the token: who rotates one need not restart the
// agent. It is safe for concurrent use.
type Renewing struct {
	load func() (azcore.TokenCredential, error)

	mu   sync.Mutex
	cred azcore.TokenCredential
}

// Renew makes the credential that load makes, now and again after each refusal.
func Renew(load func() (azcore.TokenCredential, error)) (*Renewing, error) {
	cred, err := load()
	if err != nil {
		return nil, err
	}
	return &Renewing{load: load, cred: cred}, nil
}

func (r *Renewing) current() azcore.TokenCredential {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cred
}

// Forget has files and variables read again: the tokens that were got with what they
// held are of no use. If they cannot be read, all stays as it is.
func (r *Renewing) Forget() error {
	cred, err := r.load()
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cred = cred
	return nil
}

// GetToken implements azcore.TokenCredential.
func (r *Renewing) GetToken(ctx context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	token, err := r.current().GetToken(ctx, opts)
	refused := (*Error)(nil)
	if !errors.As(err, &refused) || refused.Transient() || ctx.Err() != nil {
		return token, err
	}
	if again := r.Forget(); again != nil {
		return token, errors.Join(err, again)
	}
	return r.current().GetToken(ctx, opts)
}

// Policy signs requests to an Azure service. A token that is refused is got anew, and
// the request sent once more.
func (r *Renewing) Policy(scope string) policy.Policy {
	return bearer{r, policy.TokenRequestOptions{Scopes: []string{scope}}}
}

type bearer struct {
	cred *Renewing
	opts policy.TokenRequestOptions
}

// Do implements policy.Policy.
func (b bearer) Do(req *policy.Request) (*http.Response, error) {
	for again := false; ; again = true {
		if req.Raw().URL.Scheme != "https" {
			return nil, errors.New("a token is not sent without TLS")
		}
		token, err := b.cred.GetToken(req.Raw().Context(), b.opts)
		if err != nil {
			return nil, err
		}
		clone := req.Clone(req.Raw().Context())
		clone.Raw().Header.Set("Authorization", "Bearer "+token.Token)
		resp, err := clone.Next()
		if err != nil || again || !refusedToken(resp) {
			return resp, err
		}
		if b.cred.Forget() != nil || req.RewindBody() != nil {
			return resp, nil
		}
		resp.Body.Close()
	}
}

func refusedToken(resp *http.Response) bool {
	return resp.StatusCode == http.StatusUnauthorized ||
		resp.StatusCode == http.StatusForbidden && strings.EqualFold(resp.Header.Get("x-ms-error-code"), "AuthenticationFailed")
}
