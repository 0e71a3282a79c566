package spool_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

// smallDisk mounts a disk of 256 KiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=256k,mode=755"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("mount a small disk: %v", err)
		}
		t.Skipf("a full disk needs the right to mount one: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir
}

// fill seals a file of n bytes and returns its name, or the error of writing it.
func fill(t *testing.T, s *spool.Spool, h usage.Hour, n int) (string, error) {
	t.Helper()
	content := bytes.Repeat([]byte("x"), n)
	f, err := s.Create(h)
	if err != nil {
		return "", err
	}
	defer s.Discard(f)
	if _, err := f.Write(content); err != nil {
		return "", err
	}
	sum := sha256.Sum256(content)
	name := spool.Entry{Hour: h, SHA16: hex.EncodeToString(sum[:8])}.Name()
	return name, s.Seal(f, name)
}

func TestAFullDisk(t *testing.T) {
	dir := smallDisk(t)
	s := open(t, dir)
	s.Limits = unlimited
	var sealed []string
	h := hour
	var err error
	for ; err == nil; h++ {
		var file string
		if file, err = fill(t, s, h, 40<<10); err == nil {
			sealed = append(sealed, file)
		}
	}
	var full *spool.FullError
	if !errors.As(err, &full) || full.Bound != "disk" || !errors.Is(err, unix.ENOSPC) || !strings.Contains(err.Error(), "free space on the disk") {
		t.Fatalf("the disk is full, and the error is %v", err)
	}
	if len(sealed) < 3 {
		t.Fatalf("%d hours fit", len(sealed))
	}
	var held []string
	for _, file := range sealed {
		held = append(held, "sealed/"+file)
	}
	mustHold(t, dir, held...) // whole hours, and nothing of the one that did not fit

	rest, err := os.Create(filepath.Join(dir, "somebody-else"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = rest.Write(make([]byte, 4096))
	}
	rest.Close()
	t.Run("to the last byte can be opened and uploaded from", func(t *testing.T) {
		s := open(t, dir)
		s.Limits = unlimited
		for _, file := range sealed {
			f, err := s.Read(file)
			if err != nil {
				t.Fatal(err)
			}
			f.Close()
			if err := s.MarkSent(file); err != nil {
				t.Fatal(err)
			}
		}
		t.Run("and pruned, although the memory of that needs room first", func(t *testing.T) {
			if err := s.Keep("note", []byte("x")); !errors.Is(err, spool.ErrFull) {
				t.Fatalf("there is room left: %v", err)
			}
			mustPrune(t, s, later(), len(sealed))
			mustHold(t, dir, "done.json", "somebody-else")
			if _, err := fill(t, s, h, 40<<10); err != nil {
				t.Errorf("with room again: %v", err)
			}
			mustHaveGaps(t, s, hour, h-1, h+1)
		})
	})
}

func TestAnHourWithoutEndLeavesTheDiskItsRoom(t *testing.T) {
	const least = 128 << 10
	dir := smallDisk(t)
	s := open(t, dir)
	s.Limits = spool.Limits{MaxBytes: -1, MinFree: least}
	f, err := s.Create(hour)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Discard(f)
	written, piece := 0, make([]byte, 4<<10)
	for err == nil {
		var n int
		n, err = f.Write(piece)
		written += n
	}
	var full *spool.FullError
	if !errors.As(err, &full) || full.Bound != "MinFree" || written == 0 {
		t.Errorf("after %d bytes: %v", written, err)
	}
	if free, err := spool.DiskFree(dir); err != nil || free < least-int64(len(piece)) {
		t.Errorf("%d bytes are free, %v", free, err)
	}
	if err := s.Keep("note", []byte("x")); err != nil {
		t.Errorf("what must be known later cannot be kept: %v", err)
	}
}
