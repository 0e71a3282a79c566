package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/agent/config"
)

func TestReadNeedsNoSecrets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := `cloudId: b31316d4-de02-43a4-903d-eb74f8258b01
firstHour: 2019-12-10T19:00:00Z
stack: {region: local, domain: azurestack.external, providerSubscription: 39c82aed-b2b7-4a66-abdb-611de00bf11e, signIn: {method: managedIdentity}}
storage: {connectionStringEnv: NOT_SET}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	none := func(string) string { return "" }
	if _, err := config.Load(path, none); err == nil || !strings.Contains(err.Error(), "NOT_SET is not set") {
		t.Errorf("Load: %v", err)
	}
	c, err := config.Read(path, none)
	if err != nil || c.Spool.Dir == "" || c.Stack.Endpoint != "https://adminmanagement.local.azurestack.external" {
		t.Errorf("Read: %+v, %v", c, err)
	}
	if err := os.WriteFile(path, []byte(text+"token: x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Read(path, none); err == nil || !strings.Contains(err.Error(), "token") {
		t.Errorf("Read: %v", err)
	}
}
