package signin_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"

	"stackusage/agent/signin"
)

// issued is a credential that answers one token, or fails.
type issued struct {
	token string
	err   error
}

func (i issued) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: i.token, ExpiresOn: time.Now().Add(time.Hour)}, i.err
}

func TestASecretIsReadAgainWhenItIsRefused(t *testing.T) {
	wrong := &signin.Error{Kind: signin.WrongSecret}
	for name, tc := range map[string]struct {
		loads []issued // one after the other
		want  string   // the token
		err   error
		read  int
	}{
		"it is right":                    {[]issued{{token: "1"}}, "1", nil, 1},
		"it was changed":                 {[]issued{{err: wrong}, {token: "2"}}, "2", nil, 2},
		"it was not":                     {[]issued{{err: wrong}, {err: wrong}}, "", wrong, 2},
		"the issuer is away":             {[]issued{{err: &signin.Error{Kind: signin.Unavailable}}}, "", &signin.Error{}, 1},
		"it cannot be read at that time": {[]issued{{err: wrong}}, "", wrong, 2},
	} {
		t.Run(name, func(t *testing.T) {
			read := 0
			cred, err := signin.Renew(func() (azcore.TokenCredential, error) {
				if read++; read > len(tc.loads) {
					return nil, errors.New("no file")
				}
				return tc.loads[read-1], nil
			})
			if err != nil {
				t.Fatal(err)
			}
			got, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{})
			if got.Token != tc.want || (err == nil) != (tc.err == nil) || read != tc.read {
				t.Errorf("token %q after %d reads, %v", got.Token, read, err)
			}
			if refused := (*signin.Error)(nil); err != nil && !errors.As(err, &refused) {
				t.Errorf("%v hides why", err)
			}
		})
	}
}

// TestATokenThatStorageRefusesIsGotAnew, with what the files hold then, and the body
// is sent again whole.
func TestATokenThatStorageRefusesIsGotAnew(t *testing.T) {
	for name, tc := range map[string]struct {
		takes  string // the token
		status int
		asked  int
	}{"the first": {"1", 201, 1}, "the second": {"2", 201, 2}, "none": {"", 401, 2}} {
		t.Run(name, func(t *testing.T) {
			asked := 0
			server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				asked++
				body := make([]byte, 10)
				n, _ := r.Body.Read(body)
				if string(body[:n]) != "an hour" {
					t.Errorf("sent %q", body[:n])
				}
				if r.Header.Get("Authorization") != "Bearer "+tc.takes {
					w.WriteHeader(http.StatusUnauthorized)
					return
				}
				w.WriteHeader(http.StatusCreated)
			}))
			defer server.Close()
			n := 0
			cred, err := signin.Renew(func() (azcore.TokenCredential, error) {
				n++
				return issued{token: string(rune('0' + n))}, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			pipeline := runtime.NewPipeline("test", "1", runtime.PipelineOptions{PerRetry: []policy.Policy{cred.Policy("x/.default")}},
				&policy.ClientOptions{Transport: server.Client(), Retry: policy.RetryOptions{MaxRetries: -1}})
			req, err := runtime.NewRequest(t.Context(), http.MethodPut, server.URL)
			if err == nil {
				err = req.SetBody(streaming.NopCloser(strings.NewReader("an hour")), "text/plain")
			}
			if err != nil {
				t.Fatal(err)
			}
			resp, err := pipeline.Do(req)
			if err != nil || resp.StatusCode != tc.status || asked != tc.asked {
				t.Errorf("%v, %v after %d requests", resp, err, asked)
			}
		})
	}
}
