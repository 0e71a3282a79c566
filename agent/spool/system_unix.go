//go:build !windows

package spool

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

func tryLock(f *os.File) error {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// Owner is the user whose agent made the spool in dir; without one it is unknown.
func Owner(dir string) (uid int, known bool) {
	var st unix.Stat_t
	if unix.Stat(filepath.Join(dir, lockFile), &st) != nil {
		return 0, false
	}
	return int(st.Uid), true
}

// DiskFree is how many bytes an ordinary user may still write.
func DiskFree(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * int64(st.Bsize), nil
}

func isDiskFull(err error) bool {
	return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}
