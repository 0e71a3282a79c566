package smoketest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/shared/azurestore"
	"stackusage/shared/status"
	"stackusage/shared/usage"
)

// statusPage is the Status function as it is called from outside.
type statusPage struct {
	url   string
	key   string
	token func(context.Context) (string, error) // nil: none is sent
}

const (
	functionKey   = "STACKUSAGE_FUNCTION_KEY"
	statusTimeout = 2 * time.Minute // an app that scaled to zero starts first
	maxStatus     = 8 << 20         // bytes of an answer
)

func (p *statusPage) check() error {
	if strings.ContainsAny(p.url, "?@#") { // not shown: it may be a key
		return errors.New("--app-url: must be the function app's URL alone, https://APP.azurewebsites.net, without ? and @; the key comes from " + functionKey)
	}
	u, err := url.Parse(p.url)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return fmt.Errorf("--app-url %.200q: must be the function app's URL, https://APP.azurewebsites.net", p.url)
	}
	if host := u.Hostname(); u.Scheme == "http" && host != "127.0.0.1" && host != "localhost" {
		return fmt.Errorf("--app-url %.200q: must begin with https://; a key would go over the network as it is", p.url)
	}
	p.url = strings.TrimRight(p.url, "/") + "/api/status"
	return nil
}

func (p *statusPage) signIn(getenv func(string) string, scope string) error {
	p.key = getenv(functionKey)
	if scope == "" {
		return nil
	}
	cred, err := azurestore.Credential(getenv, "UsageStorage")
	if err != nil {
		return fmt.Errorf("sign in for the app: %w", err)
	}
	p.token = func(ctx context.Context) (string, error) {
		token, err := cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}})
		return token.Token, err
	}
	return nil
}

// read calls it and sums up its response.
func (p *statusPage) read(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, statusTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.url, nil)
	if err != nil {
		return "", err
	}
	if p.key != "" {
		req.Header.Set("x-functions-key", p.key)
	}
	if p.token != nil {
		token, err := p.token(ctx)
		if err != nil {
			return "", advised(err, "no token for --app-scope: can the identity of UsageStorage sign in, and is the scope the app's?")
		}
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return "", fmt.Errorf("%w; is the URL right, and is the app started?", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxStatus+1))
	if err != nil {
		return "", fmt.Errorf("read %s: %w", p.url, err)
	}
	if err := p.explain(resp.StatusCode); err != nil {
		return "", err
	}
	s, err := decodeStatus(body)
	if err != nil {
		return "", fmt.Errorf("%s does not answer as the Status function does (%.200s): is --app-url another app's?", p.url, oneLine(err))
	}
	off := usage.Span(time.Until(s.Now).Abs())
	return fmt.Sprintf("%s open, %s open, %s failed; its clock differs by %s", usage.Count(len(s.OpenDays), "day"), usage.Count(len(s.OpenRevisions), "revision"), usage.Count(s.FailedMessages, "message"), off), nil
}

func decodeStatus(body []byte) (s status.Status, err error) {
	if len(body) > maxStatus {
		return s, errors.New("too long")
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, err
	}
	if s.Now.IsZero() {
		return s, errors.New("it has no time in it")
	}
	return s, nil
}

// explain explains what a status that is not 200 means, and what to do.
func (p *statusPage) explain(status int) error {
	hint := "the app's log says more"
	switch {
	case status == http.StatusOK:
		return nil
	case status == http.StatusUnauthorized || status == http.StatusForbidden || status >= 300 && status < 400:
		hint = "the call was not let in: set " + functionKey + " to a key of the app (az functionapp keys list), and --app-scope if App Service authentication is in front"
	case status == http.StatusNotFound:
		hint = "no such function: is the app deployed (make deploy), and is --app-url the right app's?"
	case status == http.StatusBadGateway || status == http.StatusServiceUnavailable:
		hint = "the handler does not start: its log names the setting or the role that is missing"
	case status == http.StatusInternalServerError:
		hint = "the app cannot read its storage: look at the settings UsageStorage__* and the roles of its identity; its log says more"
	}
	return fmt.Errorf("%s answers %d %s; %s", p.url, status, http.StatusText(status), hint)
}
