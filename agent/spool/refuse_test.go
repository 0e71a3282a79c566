package spool_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/agent/spool"
)

func TestDiscard(t *testing.T) {
	t.Run("drops what is not sealed", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		s.Discard(create(t, s, hour, "te"))
		mustHold(t, dir)
	})
	t.Run("leaves alone what is", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		f := create(t, s, hour, "text")
		if err := s.Seal(f, name); err != nil {
			t.Fatal(err)
		}
		s.Discard(f)
		mustHold(t, dir, "sealed/"+name)
	})
}

func TestSealFails(t *testing.T) {
	t.Run("when the file cannot be written out", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		f := create(t, s, hour, "text")
		f.Close()
		if err := s.Seal(f, name); err == nil || !strings.Contains(err.Error(), "seal "+name) {
			t.Errorf("got %v", err)
		}
		mustFind(t, s, hour, spool.Absent)
	})
	t.Run("when the folder is gone", func(t *testing.T) {
		dir := t.TempDir()
		s := open(t, dir)
		f := create(t, s, hour, "text")
		if err := os.Remove(filepath.Join(dir, "sealed")); err != nil {
			t.Fatal(err)
		}
		if err := s.Seal(f, name); err == nil {
			t.Error("sealed nowhere")
		}
		if _, err := s.Find(hour); err == nil {
			t.Error("an hour was looked for in a folder that is gone, and called absent")
		}
	})
}

func TestNamesThatLeaveTheFolderAreRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	s := open(t, dir)
	for _, bad := range []string{"../" + name, "/" + name, "a/" + name, `..\` + name, `C:\` + name, "..", ".", ""} {
		for verb, do := range map[string]func() error{
			"seal": func() error { return s.Seal(create(t, s, hour, ""), bad) },
			"read": func() error { _, err := s.Read(bad); return err },
			"mark": func() error { return s.MarkSent(bad) },
			"keep": func() error { return s.Keep(bad, nil) },
			"note": func() error { _, err := s.Kept(bad); return err },
		} {
			if err := do(); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q is not ", bad)) {
				t.Errorf("%s %q: %v", verb, bad, err)
			}
		}
	}
	open(t, dir)
	mustHold(t, filepath.Dir(dir), "spool/lock")
}
