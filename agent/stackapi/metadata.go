package stackapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"stackusage/shared/strictjson"
)

// Metadata is what a stack tells of itself before anyone has signed in.
type Metadata struct {
	LoginEndpoint string // where its tokens are issued; https
	ADFS          bool   // LoginEndpoint is an AD FS, which has no tenants
	Audience      string // what tokens for it are for, to the letter: the first that it accepts
}

// MaxMetadataBytes is the largest metadata that is read; a stack's has about 500
// bytes.
const MaxMetadataBytes = 64 << 10

const (
	metadataVersion = "2015-01-01"
	metadataTimeout = time.Minute
	maxAudience     = 1024 // bytes
)

// Discover asks the stack at endpoint (see Config.Endpoint) where its tokens are
// issued and what they are for, with one request and no token. Errors of the
// stack are *Error.
func Discover(ctx context.Context, client *http.Client, endpoint string) (Metadata, error) {
	base, err := endpointURL(endpoint)
	if err != nil {
		return Metadata{}, err
	}
	op := "discover endpoints of " + base.Host
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	link := base.JoinPath("metadata", "endpoints")
	link.RawQuery = url.Values{"api-version": {metadataVersion}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, link.String(), nil)
	if err != nil {
		return Metadata{}, fmt.Errorf("%s: %w", op, err)
	}
	req.Header.Set("Accept", "application/json")
	still := *client
	still.CheckRedirect = noRedirect
	resp, err := still.Do(req)
	if err != nil {
		return Metadata{}, fmt.Errorf("%s: %w", op, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		e := refusal(resp, time.Now())
		e.Op, e.RequestID, e.everything = op, resp.Header.Get("x-ms-request-id"), true
		return Metadata{}, e
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, MaxMetadataBytes+1))
	if err != nil {
		return Metadata{}, fmt.Errorf("%s: %w", op, err)
	}
	m, err := parseMetadata(text)
	if err != nil {
		return Metadata{}, fmt.Errorf("%s: read answer: %w; is it the stack's administrative Resource Manager?", op, err)
	}
	return m, nil
}

// parseMetadata reads the answer of /metadata/endpoints. A secret or a signed
// assertion goes to the login endpoint, so that one is checked.
func parseMetadata(text []byte) (Metadata, error) {
	if len(text) > MaxMetadataBytes {
		return Metadata{}, fmt.Errorf("larger than %d bytes", MaxMetadataBytes)
	}
	var body struct {
		Authentication struct {
			LoginEndpoint string
			Audiences     []string
		}
	}
	if err := htmlPage(text); err != nil {
		return Metadata{}, err
	}
	if err := strictjson.Unmarshal(bytes.TrimPrefix(text, bom), &body); err != nil {
		return Metadata{}, err
	}
	login, err := url.Parse(body.Authentication.LoginEndpoint)
	switch {
	case body.Authentication.LoginEndpoint == "":
		return Metadata{}, errors.New("it has no authentication.loginEndpoint")
	case err != nil || login.Host == "" || login.User != nil || login.RawQuery != "" || login.Fragment != "":
		return Metadata{}, fmt.Errorf("authentication.loginEndpoint %.100q is not of the form https://host/ or https://host/adfs", body.Authentication.LoginEndpoint)
	case login.Scheme != "https":
		return Metadata{}, fmt.Errorf("authentication.loginEndpoint %.100q is not https", body.Authentication.LoginEndpoint)
	case len(body.Authentication.Audiences) == 0:
		return Metadata{}, errors.New("it has no authentication.audiences")
	}
	for _, audience := range body.Authentication.Audiences {
		if audience == "" || len(audience) > maxAudience || strings.ContainsFunc(audience, func(r rune) bool { return r <= ' ' || r == 0x7f }) {
			return Metadata{}, fmt.Errorf("an audience %.100q that is empty, too long, or has white space", audience)
		}
	}
	return Metadata{
		LoginEndpoint: body.Authentication.LoginEndpoint,
		ADFS:          IsADFS(body.Authentication.LoginEndpoint),
		Audience:      body.Authentication.Audiences[0],
	}, nil
}

// IsADFS reports whether a login endpoint is an AD FS: its path ends in /adfs.
func IsADFS(loginEndpoint string) bool {
	u, err := url.Parse(loginEndpoint)
	return err == nil && strings.HasSuffix(strings.ToLower(strings.TrimRight(u.Path, "/")), "/adfs")
}
