package azurite_test

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/data/aztables"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"

	"stackusage/internal/devstack/azurite"
)

func TestData(t *testing.T) {
	ctx := context.Background()
	s, err := azurite.Start(ctx, azurite.Options{Dir: t.TempDir(), Accounts: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Kill() }()
	table := func(account int) *aztables.Client {
		service, err := aztables.NewServiceClientFromConnectionString(s.ConnectionString(account), nil)
		if err != nil {
			t.Fatal(err)
		}
		return service.NewClient("Rows")
	}
	if _, err := table(0).CreateTable(ctx, nil); err != nil {
		t.Fatal(err)
	}
	t.Run("accounts do not see each other", func(t *testing.T) {
		if _, err := table(1).GetEntity(ctx, "p", "r", nil); err == nil {
			t.Error("account 1 has a table that was made in account 0")
		}
	})
	t.Run("data survives a stop and a start", func(t *testing.T) {
		if _, err := table(0).AddEntity(ctx, []byte(`{"PartitionKey":"p","RowKey":"r","A":"1"}`), nil); err != nil {
			t.Fatal(err)
		}
		blobs, err := azblob.NewClientFromConnectionString(s.ConnectionString(0), nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := blobs.CreateContainer(ctx, "box", nil); err != nil {
			t.Fatal(err)
		}
		s.Stop()
		if err := s.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		if _, err := table(0).GetEntity(ctx, "p", "r", nil); err != nil {
			t.Error(err)
		}
		if _, err := blobs.CreateContainer(ctx, "box", nil); err == nil {
			t.Error("the container is gone after a restart")
		}
	})
}

func TestOptions(t *testing.T) {
	for name, opts := range map[string]azurite.Options{
		"OAuth without a certificate": {OAuth: true},
		"a certificate without a key": {CertFile: "cert.pem"},
		"a key without a certificate": {KeyFile: "key.pem"},
	} {
		t.Run(name, func(t *testing.T) {
			opts.Dir = t.TempDir()
			if s, err := azurite.Start(t.Context(), opts); err == nil {
				s.Kill()
				t.Error("started")
			}
		})
	}
}
