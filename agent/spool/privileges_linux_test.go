package spool_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// nobody owns nothing.
const nobody = 65534

// asOrdinaryUser runs fn as somebody to whom modes apply, which they do not to
// root. dir must lie in the test's own temporary folder.
func asOrdinaryUser(t *testing.T, dir string, fn func()) {
	t.Helper()
	if os.Getuid() != 0 {
		fn()
		return
	}
	for parent := filepath.Dir(dir); len(parent) > len(os.TempDir()); parent = filepath.Dir(parent) {
		if err := os.Chmod(parent, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan error)
	go func() {
		// The change is of this thread only. It is never unlocked, so that the
		// thread ends with the goroutine.
		runtime.LockOSThread()
		err := syscall.Setfsuid(nobody)
		if err == nil {
			fn()
		}
		done <- err
	}()
	if err := <-done; err != nil {
		t.Skipf("run as root, to whom nothing is read-only: %v", err)
	}
}
