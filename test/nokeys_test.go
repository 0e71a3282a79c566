package test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azqueue"

	"stackusage/internal/devstack/easyauth"
	"stackusage/internal/devstack/functionhost"
	"stackusage/internal/devstack/identity"
	"stackusage/internal/devstack/proxy"
	"stackusage/shared/queue"
)

const (
	operatorID = "1c0a0b8e-7f3e-4a53-9c63-0e7ab0a8f044"
	tenantUser = "9f1b6f0e-4c4e-4a52-9d0e-1f7a3c5b2d77"
)

// usageRow is one row of usage of the hour before.
func usageRow(n int, at time.Time) string {
	return fmt.Sprintf(`{"value":[{"id":"/x","name":"x","type":"Microsoft.Commerce.Admin/UsageAggregate","properties":{"subscriptionId":%q,"usageStartTime":%q,"usageEndTime":%q,`+
		`"instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/%[1]s/resourceGroups/a/providers/Microsoft.Storage/storageAccounts/b\",\"location\":\"local\",\"tags\":\"\",\"additionalInfo\":\"\"}}",`+
		`"quantity":%[4]d.5,"meterId":"09F8879E-87E9-4305-A572-4B7BE209F857"}}]}`, tenantUser, at.Add(-time.Hour).Format(time.RFC3339), at.Format(time.RFC3339), n+1)
}

// keyless is a site in which nobody has a key: the agent and the operator sign in
// by certificate, the app by its managed identity.
type keyless struct {
	*agentSite
	app      *appSite
	front    *httptest.Server // Easy Auth before the app
	operator []string         // environment of who runs the tool
}

// clientCertificate is a certificate with its key in one file, and without.
func clientCertificate(t *testing.T, name string) (both, public string) {
	t.Helper()
	cert, key, err := identity.ClientCertificate(name, time.Now().Add(-time.Hour), time.Now().AddDate(0, 3, 0))
	must(t, err)
	public = string(identity.CertificatePEM(cert))
	return public + string(identity.KeyPEM(key)), public
}

func newKeyless(t *testing.T) *keyless {
	t.Helper()
	agentPEM, agentCert := clientCertificate(t, "agent")
	operatorPEM, operatorCert := clientCertificate(t, "operator")
	const agentID = "6e0a6c0f-20ea-4a0d-8a77-2f0f5d8c8b55"
	s := &keyless{agentSite: makeAgentSite(t, siteOptions{hours: 2, row: usageRow, clients: []identity.Client{
		{ID: agentID, Certificates: []string{agentCert}}, {ID: operatorID, Certificates: []string{operatorCert}},
	}})}
	// Behind the proxy the issuer is met by Entra ID's own name.
	way, err := proxy.Start(s.issuer.Address())
	must(t, err)
	t.Cleanup(way.Stop)
	s.file(t, "secrets/agent.pem", agentPEM)
	byCertificate := fmt.Sprintf("method: clientCertificate\n    tenantId: %s\n    clientId: %s\n    certificateFile: agent.pem\n", tenantID, agentID)
	stack := regexp.MustCompile(`method: clientSecret\n.*\n.*\n.*\n`)
	storage := regexp.MustCompile(`method: managedIdentity\n.*\n`)
	s.description = stack.ReplaceAllString(s.description, byCertificate) + "proxy:\n  url: " + way.URL() + "\n  except: [127.0.0.1]\n"
	s.file(t, "managed.yaml", s.description)
	s.file(t, "config.yaml", storage.ReplaceAllString(s.description, byCertificate))
	must(t, os.Remove(filepath.Join(s.dir, "secrets", "stack-client-secret")))

	s.operator = []string{"AZURE_TENANT_ID=" + tenantID, "AZURE_CLIENT_ID=" + operatorID, "AZURE_CLIENT_CERTIFICATE_PATH=" + s.file(t, "operator.pem", operatorPEM),
		"HTTPS_PROXY=" + way.URL(), "SSL_CERT_FILE=" + s.ca, "STACKUSAGE_FUNCTION_KEY=the-function-key"}
	for _, name := range []string{"UsageStorage", "LandingStorage"} {
		account := map[string]int{"LandingStorage": 0, "UsageStorage": 1}[name]
		s.operator = append(s.operator, name+"__blobServiceUri="+s.storage.BlobURL(account), name+"__queueServiceUri="+s.storage.QueueURL(account), name+"__tableServiceUri="+s.storage.TableURL(account))
	}
	s.startApp(t)
	return s
}

// behind puts Easy Auth before a server.
func (s *keyless) behind(t *testing.T, app, audience string) *httptest.Server {
	t.Helper()
	front, err := easyauth.New(easyauth.Options{App: app, Issuer: "https://sts.windows.net/" + tenantID + "/", Audiences: []string{audience}, KeysURL: s.issuer.KeysURL(), Client: s.client})
	must(t, err)
	server := httptest.NewServer(front)
	t.Cleanup(server.Close)
	return server
}

func (s *keyless) startApp(t *testing.T) {
	t.Helper()
	t.Setenv("IDENTITY_ENDPOINT", s.issuer.ManagedIdentityEndpoint()) // of the platform: the host's own sign-in reads them here
	t.Setenv("IDENTITY_HEADER", s.header)
	signIn := azcore.ClientOptions{Transport: s.client}
	managed, err := azidentity.NewManagedIdentityCredential(&azidentity.ManagedIdentityCredentialOptions{ClientOptions: signIn, ID: azidentity.ClientID(managedID)})
	must(t, err)

	s.app = newSettings(t)
	set := s.app.settings
	for name, account := range map[string]int{"AzureWebJobsStorage": 1, "UsageStorage": 1, "LandingStorage": 0} {
		set[name+"__blobServiceUri"], set[name+"__queueServiceUri"], set[name+"__tableServiceUri"] = s.storage.BlobURL(account), s.storage.QueueURL(account), s.storage.TableURL(account)
		set[name+"__credential"], set[name+"__clientId"] = "managedidentity", managedID
	}
	set["SSL_CERT_FILE"] = s.ca
	set["COMMERCE_ENDPOINT"], set["COMMERCE_SCOPE"] = s.behind(t, s.app.commerce.URL, commerceAudience).URL, commerceAudience+"/.default"
	set["BEHIND_APP_SERVICE_AUTH"] = "true"
	s.app.startHost(t, functionhost.Options{AppDir: filepath.Join(built, "app"), Identity: managed, Transport: s.client, Key: "the-function-key"})
	s.front = s.behind(t, s.app.host.URL(), appAudience)

	blobs, err := azblob.NewClient(s.storage.BlobURL(0), managed, &azblob.ClientOptions{ClientOptions: signIn})
	must(t, err)
	queue, err := azqueue.NewQueueClient(s.storage.QueueURL(1)+"/"+queue.Landed, managed, &azqueue.ClientOptions{ClientOptions: signIn})
	must(t, err)
	announce(t, blobs, queue)
}

// call calls an HTTP function from outside.
func (s *keyless) call(t *testing.T, method, path, body string, headers ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.front.URL+path, strings.NewReader(body))
	must(t, err)
	req.Header.Set("x-functions-key", "the-function-key")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(text)
}

// secretWords are what connection strings and signed URLs are made of.
var secretWords = regexp.MustCompile(`(?i)AccountKey|SharedAccessSignature|DefaultEndpointsProtocol|UseDevelopmentStorage|[?&]sig=`)

// TestNoKeys: hours go from the agent to commerce's receipt, and nobody on the way
// has a key of a storage account.
func TestNoKeys(t *testing.T) {
	s := newKeyless(t)
	operator := s.token(t)
	t.Run("no setting, environment or file holds a connection string", func(t *testing.T) {
		texts := append(append(os.Environ(), s.env...), s.operator...)
		for name, value := range s.app.settings {
			texts = append(texts, name+"="+value)
		}
		for _, file := range []string{"managed.yaml", "config.yaml"} {
			texts = append(texts, string(readAll(t, filepath.Join(s.dir, file))))
		}
		for _, text := range texts {
			if secretWords.MatchString(text) {
				t.Errorf("found in %.60s", text)
			}
		}
	})
	t.Run("the storage asks for a token, and for one that is meant for it", func(t *testing.T) { s.checkStorage(t, operator) })
	t.Run("the registration is made through the front, and says by whom", func(t *testing.T) {
		body := fmt.Sprintf(`{"properties":{"cloudId":%q,"subscriptionId":%q,"subscriptionKind":"EA","billingModel":"PayAsYouUse","stackKind":"integrated","region":"local",`+
			`"effectiveDay":%q,"start":%q,"end":%q,"reason":"went live"}}`, cloudID, payer, s.first.Add(-time.Hour).Format(time.DateOnly), s.first.Format(time.RFC3339), s.end.Format(time.RFC3339))
		for name, headers := range map[string][]string{
			"nobody":              nil,
			"who writes it":       {"X-MS-CLIENT-PRINCIPAL", "eyJhdXRoX3R5cCI6ImFhZCIsImNsYWltcyI6W3sidHlwIjoidXBuIiwidmFsIjoib2xnYSJ9XX0="},
			"who has another's":   {"Authorization", "Bearer " + operator[:len(operator)-8] + "AAAAAAAA"},
			"who means storage's": {"Authorization", "Bearer " + s.tokenFor(t, storageAudience)},
		} {
			if status, answer := s.call(t, http.MethodPut, "/api/registrations/hamburg", body, headers...); status != http.StatusUnauthorized {
				t.Errorf("%s: %d %s", name, status, answer)
			}
		}
		status, answer := s.call(t, http.MethodPut, "/api/registrations/hamburg", body, "Authorization", "Bearer "+operator, "X-MS-CLIENT-PRINCIPAL", "forged")
		if status != http.StatusCreated || !strings.Contains(answer, `"by":"application `+operatorID+`"`) {
			t.Fatalf("%d %s", status, answer)
		}
	})
	t.Run("past the front, nobody comes in with the key alone", func(t *testing.T) {
		resp, err := http.Get(s.app.host.URL() + "/api/status?code=the-function-key")
		must(t, err)
		defer resp.Body.Close()
		if text, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(text), "BEHIND_APP_SERVICE_AUTH") {
			t.Errorf("%s %s", resp.Status, text)
		}
	})
	t.Run("the agent uploads one hour as a managed identity, and the next by certificate", func(t *testing.T) {
		at := func(n int) string { return s.first.Add(time.Duration(n) * time.Hour).Format(time.RFC3339) }
		code, out, errs := s.agentWith(t, "managed.yaml", "backfill", "--from", at(0), "--to", at(1))
		if code != 0 || errs != "" || !strings.Contains(out, "1 uploaded") {
			t.Fatalf("exit code %d\n%s%s", code, out, errs)
		}
		if code, out, errs = s.agentWith(t, "config.yaml", "once"); code != 0 || errs != "" {
			t.Fatalf("exit code %d\n%s%s", code, out, errs)
		}
	})
	t.Run("their usage comes to the receipt", func(t *testing.T) { s.awaitReceipts(t) })
	t.Run("the operator's check, by certificate, finds that the deployment works", func(t *testing.T) {
		check := &appSite{} // the tool must not get the app's settings
		code, out, errs := check.tool(t, s.operator, "smoke-test", "--app-url", s.front.URL, "--app-scope", appAudience+"/.default", "--subscription", payer, "--wait", "2m")
		if code != 0 || errs != "" {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
	})
	t.Run("each signed in as itself, for what it needs", func(t *testing.T) { s.checkIssued(t) })
	if log := s.app.log.String(); secretWords.MatchString(log) || strings.Contains(log, "eyJ") || strings.Contains(log, "the-function-key") {
		t.Error("the log of the app holds a secret")
	}
}
