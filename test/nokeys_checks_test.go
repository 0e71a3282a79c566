package test

import (
	"cmp"
	"encoding/json"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	gocmp "github.com/google/go-cmp/cmp"

	"stackusage/internal/devstack/identity"
)

func (s *keyless) token(t *testing.T) string { return s.tokenFor(t, appAudience) }

// tokenFor signs the operator in by certificate.
func (s *keyless) tokenFor(t *testing.T, audience string) string {
	t.Helper()
	certs, key, err := azidentity.ParseCertificates(readAll(t, filepath.Join(s.dir, "operator.pem")), nil)
	must(t, err)
	cred, err := azidentity.NewClientCertificateCredential(tenantID, operatorID, certs, key, &azidentity.ClientCertificateCredentialOptions{
		ClientOptions:            policy.ClientOptions{Transport: s.client, Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.issuer.LoginEndpoint()}},
		DisableInstanceDiscovery: true,
	})
	must(t, err)
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
	must(t, err)
	return token.Token
}

// checkStorage asks each service of the app's storage with several tokens.
func (s *keyless) checkStorage(t *testing.T, operator string) {
	t.Helper()
	for _, uri := range []string{s.storage.BlobURL(1) + "/?comp=list", s.storage.QueueURL(1) + "?comp=list", s.storage.TableURL(1) + "/Tables"} {
		for name, token := range map[string]string{"none": "", "one for the app": operator, "one for storage": s.tokenFor(t, storageAudience)} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, uri, nil)
			must(t, err)
			req.Header.Set("x-ms-version", "2020-10-02")
			req.Header.Set("Accept", "application/json;odata=nometadata")
			if token != "" {
				req.Header.Set("Authorization", "Bearer "+token)
			}
			resp, err := s.client.Do(req)
			must(t, err)
			resp.Body.Close()
			if let := resp.StatusCode == http.StatusOK; let != (name == "one for storage") {
				t.Errorf("%s with %s: %s", uri, name, resp.Status)
			}
		}
	}
}

// agentWith runs the agent with one of the site's configurations.
func (s *keyless) agentWith(t *testing.T, file, name string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return s.agent(t, name, append([]string{"--config", filepath.Join(s.dir, file)}, args...)...)
}

// awaitReceipts waits until commerce has accepted the usage of both hours.
func (s *keyless) awaitReceipts(t *testing.T) {
	t.Helper()
	for late := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		hours := 0
		for line := range strings.Lines(getBody(t, s.app.commerce.URL+"/v1/records.ndjson?cloudId="+cloudID)) {
			var r struct{ Hours []int }
			must(t, json.Unmarshal([]byte(line), &r))
			hours += len(r.Hours)
		}
		if hours == 2 {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("%d usage hours are billed", hours)
		}
	}
}

// checkIssued compares who got tokens for what.
func (s *keyless) checkIssued(t *testing.T) {
	t.Helper()
	resp, err := s.client.Get("https://" + s.issuer.Address() + "/_devstack/issued")
	must(t, err)
	defer resp.Body.Close()
	var answer struct{ Issued []identity.Issued }
	must(t, json.NewDecoder(resp.Body).Decode(&answer))
	if resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status)
	}
	var got []string
	for _, i := range answer.Issued {
		got = append(got, i.By+" "+i.Audience)
	}
	slices.SortFunc(got, cmp.Compare)
	want := []string{
		"certificate " + appAudience, "certificate " + stackAudience, "certificate " + storageAudience,
		"managedIdentity " + commerceAudience, "managedIdentity " + storageAudience,
	}
	slices.Sort(want)
	if diff := gocmp.Diff(want, slices.Compact(got)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
