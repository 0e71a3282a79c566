// Package clitest gives the tests of the operator's tool storage to work on.
package clitest

import (
	"testing"

	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/azurestore"
	"stackusage/shared/table"
	"stackusage/shared/usagesums"
)

// Storage is a getenv with storage in which all tables are, empty.
func Storage(t testing.TB) (func(string) string, *azurestore.Account) {
	t.Helper()
	connection, cache := azuritetest.Account(t), t.TempDir()
	getenv := func(name string) string {
		switch name {
		case "UsageStorage", "LandingStorage":
			return connection
		case usagesums.Env:
			return cache
		}
		return ""
	}
	account, err := azurestore.Connect(getenv, "UsageStorage")
	if err == nil {
		err = account.Tables.Create(t.Context(), table.Names()...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return getenv, account
}
