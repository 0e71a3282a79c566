package azurestore_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/azurestore"
	"stackusage/shared/table"
)

func TestConnect(t *testing.T) {
	t.Parallel()
	uris := settings{
		"S__blobServiceUri": "https://a.blob.core.usgovcloudapi.net", "S__queueServiceUri": "https://a.queue.core.usgovcloudapi.net",
		"S__tableServiceUri": "https://a.table.core.usgovcloudapi.net", "S__credential": "managedidentity",
	}
	without := func(name string) settings {
		some := settings{}
		for k, v := range uris {
			if k != name {
				some[k] = v
			}
		}
		return some
	}
	for _, c := range []struct {
		name string
		env  settings
		want string // in the error; "" for none
	}{
		{"a connection string", settings{"S": azuritetest.Account(t)}, ""},
		{"service URIs with the app's own identity", uris, ""},
		{"an account name and a user-assigned identity",
			settings{"S__accountName": "usage", "S__credential": "managedidentity", "S__clientId": "09065051-cfe9-4fcf-b90c-87f2af292fc9"}, ""},
		{"an account name and whoever is signed in", settings{"S__accountName": "usage"}, ""},
		{"nothing is set", settings{},
			"connect storage S: set S to a connection string, or S__accountName, or S__blobServiceUri, __queueServiceUri and __tableServiceUri"},
		{"one service URI is missing", without("S__queueServiceUri"), "__queueServiceUri and __tableServiceUri"},
		{"another app's settings", settings{"T": "x", "T__accountName": "usage"}, "set S to a connection string"},
		{"a credential that is not known", settings{"S__accountName": "usage", "S__credential": "workloadidentity"},
			`S__credential "workloadidentity": only managedidentity is known`},
		{"a connection string beside an identity", settings{"S": azuritetest.Account(t), "S__accountName": "usage"},
			"connect storage S: S is a connection string, and S__accountName is set too: remove one of them"},
		{"a connection string that is none", settings{"S": "usage"}, "connect storage S: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			account, err := azurestore.Connect(c.env.get, "S")
			if c.want != "" {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got error %v, want %q in it", err, c.want)
				}
				return
			}
			ok(t, err)
			if account.Tables == nil || account.Blobs == nil || account.Queues == nil {
				t.Error("a service is missing")
			}
		})
	}
}

// A write whose answer was lost is sent again by the SDK and then meets itself:
// the caller must be able to tell, which is why a commit names its writer.
func TestRetries(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	connection := azuritetest.Account(t)
	ok(t, reconnect(t, connection).Tables.Create(ctx, rowsTable))
	lost := errors.New("the answer was lost")
	var requests atomic.Int64
	loseFirst := func(req *policy.Request) (*http.Response, error) {
		resp, err := req.Next()
		if requests.Add(1) == 1 {
			return nil, lost
		}
		return resp, err
	}
	for _, c := range []struct {
		name     string
		options  []azurestore.Option
		want     error
		requests int64
	}{
		{"an Insert that is sent again meets itself as ErrExists", nil, table.ErrExists, 2},
		{"without retries the caller learns of it at once", []azurestore.Option{azurestore.WithoutRetries()}, lost, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			requests.Store(0)
			store := reconnect(t, connection, append(c.options, azurestore.Through(policyFunc(loseFirst)))...).Tables
			r := row(strings.ReplaceAll(t.Name(), "/", ":"), "k", "stored")
			if err := store.Apply(ctx, rowsTable, r.Partition, table.Op{Verb: table.Insert, Row: r}); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if n := requests.Load(); n != c.requests {
				t.Errorf("%d requests, want %d", n, c.requests)
			}
			if got := get(t, store, r.Partition, "k"); got.Props["text"] != "stored" {
				t.Errorf("the row says %v", got.Props)
			}
		})
	}
}
