package npm_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/internal/npm"
)

func TestInstall(t *testing.T) {
	t.Run("a folder that the checkout has not got is named", func(t *testing.T) {
		_, err := npm.Install(t.Context(), "test/no-such-tool")
		if err == nil || !strings.Contains(err.Error(), "install test/no-such-tool: no checkout") {
			t.Error(err)
		}
	})
	t.Run("what npm says is in the error", func(t *testing.T) {
		dir := t.TempDir()
		t.Chdir(dir)
		if err := os.MkdirAll(filepath.Join("test", "broken"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join("test", "broken", "package-lock.json"), []byte("no lock"), 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := npm.Install(t.Context(), "test/broken")
		if err == nil || !strings.Contains(err.Error(), "npm ci in ") || !strings.Contains(err.Error(), "Node 20 or later") {
			t.Error(err)
		}
	})
}
