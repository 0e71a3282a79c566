// Package azuritetest gives each test a storage account of its own on one
// Azurite per test binary.
package azuritetest

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"stackusage/internal/devstack/azurite"
)

// accounts is how many tests of one binary can ask for an account.
const accounts = 1200

var shared struct {
	sync.Mutex
	server *azurite.Server
	dir    string
	used   int
	err    error
}

// Main is the TestMain of a package whose tests use Account: it runs the tests
// and stops Azurite if one of them started it.
func Main(m *testing.M) {
	code := m.Run()
	if shared.server != nil {
		shared.server.Kill()
		os.RemoveAll(shared.dir)
	}
	os.Exit(code)
}

// Spared reports whether tests do without Azurite, as in make check: STACKUSAGE_CHECK is set.
func Spared() bool { return os.Getenv("STACKUSAGE_CHECK") != "" }

// Account returns the connection string of a storage account that no other
// test uses. The first call starts Azurite. A test that is to do without it is skipped.
func Account(tb testing.TB) string {
	tb.Helper()
	if Spared() {
		tb.Skip("make check does without Azurite")
	}
	shared.Lock()
	defer shared.Unlock()
	if shared.server == nil && shared.err == nil {
		shared.err = start()
	}
	if shared.err != nil {
		tb.Fatalf("start azurite: %v", shared.err)
	}
	if shared.used == accounts {
		tb.Fatalf("azuritetest: more than %d accounts asked for", accounts)
	}
	shared.used++
	return shared.server.ConnectionString(shared.used - 1)
}

func start() (err error) {
	if shared.dir, err = os.MkdirTemp("", "azurite-test-"); err != nil {
		return err
	}
	// The emulator outlives the test that asks first, so it must not hang on
	// that test's context.
	shared.server, err = azurite.Start(context.Background(), azurite.Options{Dir: shared.dir, Accounts: accounts, InMemory: true})
	if err != nil {
		return fmt.Errorf("%w (kept: %s)", err, shared.dir)
	}
	return nil
}

// Setting is an environment in which nothing is set but connection strings: this
// one, by whatever name.
func Setting(connection string) func(name string) string {
	return func(name string) string {
		if strings.Contains(name, "__") {
			return ""
		}
		return connection
	}
}
