package spool_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/agent/spool"
)

func TestNotes(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	if text, err := s.Kept("note"); text != nil || err != nil {
		t.Fatalf("before: %q, %v", text, err)
	}
	for _, text := range []string{"one", "two, longer", ""} {
		if err := s.Keep("note", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if got, err := open(t, dir).Kept("note"); err != nil || string(got) != text {
			t.Errorf("kept %q, read %q, %v", text, got, err)
		}
		mustHold(t, dir, "note")
	}
	t.Run("a note that cannot be written leaves the old one", func(t *testing.T) {
		if err := os.Mkdir(filepath.Join(dir, "folder"), 0o750); err != nil {
			t.Fatal(err)
		}
		if err := s.Keep("folder", []byte("x")); err == nil || !strings.Contains(err.Error(), "keep folder") {
			t.Errorf("got %v", err)
		}
		if _, err := s.Kept("folder"); err == nil {
			t.Error("a folder was read as a note")
		}
		mustHold(t, dir, "note")
	})
}

func TestNobodyElseReadsTheSpool(t *testing.T) {
	// Rows carry tags, which may hold personal data.
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir)
	seal(t, s, hour, name, "text")
	create(t, s, hour, "te")
	if err := s.Keep("note", nil); err != nil {
		t.Fatal(err)
	}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		most := fs.FileMode(0o600)
		if d.IsDir() {
			most = 0o750
		}
		if more := info.Mode().Perm() &^ most; more != 0 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestOpenNamesTheFolderItCannotUse(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mustRefuse := func(t *testing.T, dir, says string) {
		t.Helper()
		_, err := spool.Open(dir)
		if err == nil || !strings.HasPrefix(err.Error(), "open spool: ") || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v", err)
		}
	}
	t.Run("a file", func(t *testing.T) { mustRefuse(t, file, file+": not a directory") })
	t.Run("a folder below a file", func(t *testing.T) {
		mustRefuse(t, filepath.Join(file, "spool"), file+": not a directory")
	})
	t.Run("a read-only folder", func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "readonly")
		if err := os.Mkdir(dir, 0o555); err != nil {
			t.Fatal(err)
		}
		asOrdinaryUser(t, dir, func() { mustRefuse(t, dir, filepath.Join(dir, "lock")+": permission denied") })
	})
}
