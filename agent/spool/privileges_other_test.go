//go:build !linux

package spool_test

import (
	"os"
	"runtime"
	"testing"
)

func asOrdinaryUser(t *testing.T, _ string, fn func()) {
	t.Helper()
	if os.Getuid() == 0 || runtime.GOOS == "windows" {
		t.Skip("nothing is read-only here by its mode")
	}
	fn()
}
