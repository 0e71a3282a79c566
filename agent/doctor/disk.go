package doctor

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"stackusage/agent/config"
	"stackusage/agent/durable"
	"stackusage/agent/spool"
)

// spool does what the agent does with every hour, with a small file: write,
// fsync, rename, and remove. Folders that the agent would make are made and
// removed again.
func (e *examination) spool(context.Context) Result {
	dir := e.parts.Config.Spool.Dir
	if own := filepath.Join(dir, e.parts.Config.CloudID); isDir(own) {
		dir = own
	}
	made, err := makeAll(dir)
	defer func() {
		for _, dir := range made {
			os.Remove(dir)
		}
	}()
	if err == nil {
		err = tryFile(filepath.Join(dir, ".doctor-"+rand.Text()))
	}
	if err != nil {
		return explainFile(err)
	}
	if len(made) > 0 {
		return ok("can be made, written, synced, renamed, removed")
	}
	return ok("written, synced, renamed, removed")
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// makeAll returns the folders that it made, the deepest first.
func makeAll(dir string) (made []string, err error) {
	if isDir(dir) {
		return nil, nil
	}
	if parent := filepath.Dir(dir); parent != dir {
		if made, err = makeAll(parent); err != nil {
			return made, err
		}
	}
	if err := os.Mkdir(dir, 0o750); err != nil {
		return made, err
	}
	return append([]string{dir}, made...), nil
}

// tryFile writes more than a block, so that a full disk shows.
func tryFile(path string) error {
	if err := durable.Write(path, make([]byte, 64<<10), 0o600); err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

func explainFile(err error) Result {
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return failed("the disk, or the quota on it, is full: "+brief(err), "Make room on that disk. What is in the spool is usage that may be nowhere else: remove nothing from it.")
	case errors.Is(err, syscall.EROFS):
		return failed("the file system is read-only: "+brief(err), "Mount it writable, or set spool.dir to a folder on a disk that is.")
	case errors.Is(err, fs.ErrPermission):
		return failed("the folder is read-only for who runs this: "+brief(err),
			"Give the folder to the user that the agent runs as, or run the doctor as that user; the service's folder is /var/lib/stackusage-agent.")
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		return failed("what is there is no folder: "+brief(err), "Set spool.dir to a folder.")
	}
	return failed("a file cannot be kept there: "+brief(err), "Look at the disk and at the system's log.")
}

// disk compares the room that is left with what the agent asks for.
func (e *examination) disk(context.Context) Result {
	dir := e.parts.Config.Spool.Dir
	for !isDir(dir) && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir) // which will hold it
	}
	free, err := spool.DiskFree(dir)
	if err != nil {
		return warning("the room on the disk is not known: "+brief(err), "")
	}
	least := e.parts.Config.Spool.MinFree
	if free < int64(least) {
		return failed("the disk is full: "+sizeText(uint64(free))+" free, and the agent stops collecting below "+least.String()+" (spool.minFree)",
			"Make room on that disk, or set spool.minFree lower. What is in the spool is usage that may be nowhere else: remove nothing from it.")
	}
	return ok(sizeText(uint64(free)) + " free, " + least.String() + " wanted")
}

// sizeText is a size to two or more digits.
func sizeText(n uint64) string {
	unit := uint64(1)
	for n/unit >= 10<<10 && unit < 1<<40 {
		unit <<= 10
	}
	return config.Size(n / unit * unit).String()
}
