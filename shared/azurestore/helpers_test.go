package azurestore_test

import (
	"net/http"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/azurestore"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

// settings is an environment of the test's own.
type settings map[string]string

func (s settings) get(name string) string { return s[name] }

// connect opens a storage account that no other test uses.
func connect(t testing.TB, options ...azurestore.Option) *azurestore.Account {
	t.Helper()
	return reconnect(t, azuritetest.Account(t), options...)
}

func reconnect(t testing.TB, connection string, options ...azurestore.Option) *azurestore.Account {
	t.Helper()
	account, err := azurestore.Connect(settings{"UsageStorage": connection}.get, "UsageStorage", options...)
	if err != nil {
		t.Fatal(err)
	}
	return account
}

// policyFunc is a policy in front of every request.
type policyFunc func(req *policy.Request) (*http.Response, error)

func (f policyFunc) Do(req *policy.Request) (*http.Response, error) { return f(req) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
