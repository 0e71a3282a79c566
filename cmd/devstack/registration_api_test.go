package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/shared/azurestore"
)

// TestRegistrationAPI is a day of an operator who registers a second stack through
// the functions, as the host calls them: PUT, GET, LIST and DELETE, a customer
// of a CSP, and the key that configures the agent.
func TestRegistrationAPI(t *testing.T) {
	t.Parallel()
	s := testSite(t, options{scenario: "documented-test"})
	const (
		second, payer    = "5a0d8d4e-2b0f-4a67-9d0a-3f4b2b9c1f02", "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
		buyer, directory = "e09a4e93-29a7-4eba-a6d4-76202383f07f", "dbab3982-796f-4d03-9908-044c08aef8a2"
	)
	steps := []struct {
		name, method, path, body string
		status                   int
		says                     string
	}{
		{"a sovereign cloud is refused by name", "PUT", "registrations/kiel",
			registrationBody(second, payer, "CSP", `,"azureEnvironmentName":"AzureChinaCloud"`), 400, `"CloudNotAllowed"`},
		{"a registration is made", "PUT", "registrations/kiel", registrationBody(second, payer, "CSP", ""), 201, `"name":"kiel"`},
		{"the same again changes nothing", "PUT", "registrations/kiel", registrationBody(second, payer, "CSP", ""), 200, `"etag":"\"1\""`},
		{"its cloudId has one registration", "PUT", "registrations/bremen", registrationBody(second, payer, "CSP", ""), 409, `"CloudIdUpdateNotAllowed"`},
		{"it is listed beside the first", "GET", "registrations", "", 200, second},
		{"and shown", "GET", "registrations/kiel", "", 200, payer},
		{"one that is not there is not found", "GET", "registrations/none", "", 404, `"RegistrationNotFound"`},
		{"a customer is mapped", "PUT", "registrations/kiel/customerSubscriptions/" + buyer, `{"properties":{"tenantId":"` + directory + `"}}`, 201, directory},
		{"and listed", "GET", "registrations/kiel/customerSubscriptions", "", 200, buyer},
		{"and shown", "GET", "registrations/kiel/customerSubscriptions/" + buyer, "", 200, directory},
		{"customers are of a CSP only", "PUT", "registrations/AzureStack-" + cloudID + "/customerSubscriptions/" + buyer, `{"properties":{"tenantId":"` + directory + `"}}`, 409, `"UnauthorizedCspRegistration"`},
		{"the customer goes", "DELETE", "registrations/kiel/customerSubscriptions/" + buyer, "", 200, `{}`},
		{"and is not found", "GET", "registrations/kiel/customerSubscriptions/" + buyer, "", 404, `"CustomerSubscriptionNotFound"`},
		{"no key before there is a container", "POST", "registrations/kiel/getActivationKey", keyBody(buyer, directory), 409, "az storage container create"},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			if status, said := s.ask(t, step.method, step.path, step.body); status != step.status || !strings.Contains(said, step.says) {
				t.Errorf("%s %s: %d %s", step.method, step.path, status, said)
			}
		})
	}
	t.Run("the key configures the agent", func(t *testing.T) {
		landed, err := azurestore.Connect(s.setting, "LandingStorage")
		if err != nil {
			t.Fatal(err)
		}
		if err := landed.Blobs.Create(t.Context(), "landing-"+second); err != nil {
			t.Fatal(err)
		}
		status, said := s.ask(t, "POST", "registrations/kiel/getActivationKey", keyBody(buyer, directory))
		var got struct{ ActivationKey string }
		if err := json.Unmarshal([]byte(said), &got); err != nil || status != http.StatusOK {
			t.Fatalf("%d %s %v", status, said, err)
		}
		file := filepath.Join(t.TempDir(), "config.yaml")
		out, err := exec.CommandContext(t.Context(), staged.agent, "activate", "--config", file, got.ActivationKey).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		for _, want := range []string{"cloudId: " + second, "container: landing-" + second, "region: kiel", "domain: azurestack.external", "clientId: " + buyer} {
			if config := string(readFile(t, file)); !strings.Contains(config, want) {
				t.Errorf("%q is not in\n%s", want, config)
			}
		}
	})
	t.Run("it ends, and no key is given any more", func(t *testing.T) {
		if status, said := s.ask(t, "DELETE", "registrations/kiel?end=2024-03-06T00:00:00Z", ""); status != http.StatusOK || !strings.Contains(said, `"end":"2024-03-06T00:00:00Z"`) {
			t.Errorf("%d %s", status, said)
		}
		if status, said := s.ask(t, "POST", "registrations/kiel/getActivationKey", keyBody(buyer, directory)); status != http.StatusConflict || !strings.Contains(said, `"RegistrationEnded"`) {
			t.Errorf("%d %s", status, said)
		}
	})
}

func registrationBody(cloud, subscription, kind, more string) string {
	return fmt.Sprintf(`{"properties":{"cloudId":%q,"subscriptionId":%q,"subscriptionKind":%q,"billingModel":"PayAsYouUse","region":"kiel","effectiveDay":"2024-03-05"%s}}`,
		cloud, subscription, kind, more)
}

func keyBody(client, directory string) string {
	return fmt.Sprintf(`{"identity":{"method":"clientSecret","clientId":%q,"tenantId":%q},"stack":{"domain":"azurestack.external"}}`, client, directory)
}

// ask calls an HTTP function.
func (s *site) ask(t *testing.T, method, path, body string) (status int, said string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.host.URL()+"/api/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}
