package main

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"stackusage/agent/doctor"
)

// nobody owns nothing.
const nobody = 65534

func onBadDisks(t *testing.T, w *ward) {
	mount := func(t *testing.T, v *visit, flags uintptr, size string) {
		t.Helper()
		dir := v.values["spool.dir"]
		if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, "size="+size); err != nil {
			t.Skipf("mount a disk for the test: %v", err)
		}
		t.Cleanup(func() { must(t, syscall.Unmount(dir, 0)) })
	}
	t.Run("spool read-only, by its owner", func(t *testing.T) {
		v := w.visit(t)
		must(t, os.Chmod(v.values["spool.dir"], 0o555))
		want := failure("spool folder", "the folder is read-only for who runs this", "the user that the agent runs as")
		if os.Getuid() != 0 {
			want.compare(t, v.diagnose(t))
			return
		}
		for _, dir := range []string{v.dir, filepath.Dir(w.caFile)} {
			for ; len(dir) > len(os.TempDir()); dir = filepath.Dir(dir) {
				must(t, os.Chmod(dir, 0o755))
			}
		}
		path := v.write(t)
		// The user is this thread's only. It gets its own back: a thread that ends
		// takes the processes with it that were started by it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		must(t, syscall.Setfsuid(nobody))
		defer func() { must(t, syscall.Setfsuid(0)) }()
		want.compare(t, v.read(t, path))
	})
	t.Run("spool read-only, by its disk", func(t *testing.T) {
		v := w.visit(t)
		mount(t, v, syscall.MS_RDONLY, "4m")
		failure("spool folder", "the file system is read-only", "spool.dir").compare(t, v.diagnose(t))
	})
	t.Run("disk full", func(t *testing.T) {
		v := w.visit(t)
		mount(t, v, 0, "8m")
		must(t, os.WriteFile(filepath.Join(v.values["spool.dir"], "other"), make([]byte, 8<<20-4096), 0o600))
		want := failure("spool folder", "the disk, or the quota on it, is full", "remove nothing from it")
		want.compare(t, slices.DeleteFunc(v.diagnose(t), func(r doctor.Result) bool { return r.Check == "disk space" })) // which says so, too
	})
}
