package durable_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"stackusage/agent/durable"
)

func TestWrite(t *testing.T) {
	only := func(t *testing.T, dir, want string) {
		t.Helper()
		files, err := os.ReadDir(dir)
		if err != nil || len(files) != 1 || files[0].Name() != want {
			t.Errorf("%v, %v in the folder, want %s alone", files, err, want)
		}
	}
	t.Run("takes the place of what is there, with the mode", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "file")
		for _, text := range []string{"one", "other"} {
			if err := durable.Write(path, []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			info, _ := os.Stat(path)
			if err != nil || string(got) != text || info.Mode() != 0o640 {
				t.Errorf("%q, %v, mode %v", got, err, info.Mode())
			}
		}
		only(t, filepath.Dir(path), "file")
	})
	t.Run("leaves nothing of what cannot take its place", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "folder")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := durable.Write(path, []byte("text"), 0o600); err == nil {
			t.Error("a folder was replaced")
		}
		only(t, filepath.Dir(path), "folder")
	})
	t.Run("needs the folder", func(t *testing.T) {
		if err := durable.Write(filepath.Join(t.TempDir(), "none", "file"), nil, fs.FileMode(0o600)); err == nil {
			t.Error("no error")
		}
	})
}
