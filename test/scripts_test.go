// Package test runs the programs as their users do, from text scripts in
// testdata.
package test

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"stackusage/internal/devstack/azurite"
	"stackusage/shared/azurestore"
	"stackusage/shared/table"
)

// built is where the programs and the staged app are, made once.
var built string

func TestMain(m *testing.M) {
	flag.Parse()
	_ = flag.Set("test.parallel", "4") // most of a site's time is waiting
	var err error
	if built, err = os.MkdirTemp("", "stackusage-scripts-"); err == nil {
		err = stage()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "stage:", err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(built)
	os.Exit(code)
}

// stage calls make stage, so that what is tested is what is deployed.
func stage() error {
	cmd := exec.Command("make", "stage", "DIST="+built)
	cmd.Dir = ".."
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("make stage: %w\n%s", err, out)
	}
	return nil
}

func TestScripts(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	storage, err := azurite.Start(t.Context(), azurite.Options{Dir: t.TempDir(), Accounts: 1, InMemory: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storage.Kill() }) // the scripts go on after this function
	connection := storage.ConnectionString(0)
	account, err := azurestore.Connect(func(name string) string { return map[string]string{"UsageStorage": connection}[name] }, "UsageStorage")
	if err == nil {
		err = account.Tables.Create(t.Context(), table.Names()...) // as the handler does at its start
	}
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(env *testscript.Env) error {
			env.Setenv("ROOT", root)
			env.Setenv("APP", filepath.Join(built, "app"))
			env.Setenv("STORAGE", connection)
			env.Setenv("PATH", filepath.Join(built, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
			env.Setenv("AGENT", filepath.Join(built, "bin", "stackusage-agent"))
			return nil
		},
	})
}
