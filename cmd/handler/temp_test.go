package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestMakeTemp(t *testing.T) {
	base := t.TempDir()
	old, err := makeTemp(base, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(old, "run-1"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("a folder in use stays", func(t *testing.T) {
		if _, err := makeTemp(base, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(old); err != nil {
			t.Error(err)
		}
	})
	t.Run("a folder of a killed process is removed", func(t *testing.T) {
		past := time.Now().Add(-3 * time.Hour)
		if err := os.Chtimes(old, past, past); err != nil {
			t.Fatal(err)
		}
		if _, err := makeTemp(base, time.Now()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(old); !os.IsNotExist(err) {
			t.Errorf("stat %s: %v; want it gone", old, err)
		}
	})
}
