package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

const lockFile = "lock"

// LockedError says that another agent uses the folder.
type LockedError struct {
	Dir string
	PID int // of that agent; 0 if it is not known
}

func (e *LockedError) Error() string {
	who := "another agent"
	if e.PID != 0 {
		who = fmt.Sprintf("the agent with pid %d", e.PID)
	}
	return fmt.Sprintf("%s is used by %s: stop that one first, or use another folder", e.Dir, who)
}

var errLocked = errors.New("locked")

// The lock is not gofrs/flock's: on Windows that locks the first byte of the file, and
// the next agent could not read the pid there, which its refusal names.

// takeLock holds the folder until the file is closed, which the kernel does for
// a process that is killed. The file stays: to delete it would let a third agent
// lock another file of the same name.
func takeLock(dir string) (*os.File, error) {
	path := filepath.Join(dir, lockFile)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f); err != nil {
		defer f.Close()
		if errors.Is(err, errLocked) {
			return nil, &LockedError{Dir: dir, PID: readPID(f)}
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	// In place and of one width, so that it takes no space that a full disk has
	// not. It only makes the refusal of a second agent clearer: no failure here
	// keeps this one from uploading what it has.
	f.WriteAt(fmt.Appendf(nil, "%-10d\n", os.Getpid()), 0)
	return f, nil
}

func readPID(r io.ReaderAt) int {
	text := make([]byte, 32)
	n, _ := r.ReadAt(text, 0)
	pid, _ := strconv.Atoi(strings.TrimSpace(string(text[:n]))) // 0 then
	return pid
}
