package agent_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// checkRun starts the installed program as the unit does, with a configuration
// whose stack and storage are away: it says so, and ends when it is told to.
func checkRun(t *testing.T, root string) {
	dir := t.TempDir()
	config := filepath.Join(dir, "config.yaml")
	text := fmt.Sprintf(`cloudId: b31316d4-de02-43a4-903d-eb74f8258b01
firstHour: 2024-03-02T12:00:00Z
stack:
  endpoint: https://127.0.0.1:1
  region: local
  domain: azurestack.external
  providerSubscription: 39c82aed-b2b7-4a66-abdb-611de00bf11e
  signIn: {method: clientSecret, tenantId: adfs, clientId: 7d2d4bbe-0a4c-4a0e-9d4c-0d2d5f1c7a11, secretFile: stack-client-secret}
storage:
  blobServiceUri: https://127.0.0.1:1/account
  signIn: {method: managedIdentity}
spool: {dir: %q, minFree: 1MiB}
`, filepath.Join(dir, "spool"))
	for name, text := range map[string]string{"config.yaml": text, "secrets/stack-client-secret": "none"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(filepath.Join(root, "usr/bin/stackusage-agent"), "run", "--config", config)
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill() }) // no more than an error if it has ended
	var said strings.Builder
	away := false
	for lines := bufio.NewScanner(log); lines.Scan(); {
		fmt.Fprintln(&said, lines.Text())
		if !away && strings.Contains(lines.Text(), `"msg":"hours not collected"`) && strings.Contains(lines.Text(), "connection refused") {
			away = true
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil || !away || !strings.Contains(said.String(), `"msg":"agent stopped"`) {
		t.Errorf("ended with %v, having said\n%s", err, said.String())
	}
}
