// Package durable makes files that are there whole or not at all, and that a
// power cut leaves there.
//
//	Write: temporary name, write, fsync, close ─> Move: rename, fsync of the folder
package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Write makes text the file at path, in place of what is there. Whatever moment
// it is killed at, path has the old text or the new one; beside it a file
// <name>.*.tmp may be left.
func Write(path string, text []byte, mode fs.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err == nil {
		err = f.Chmod(mode)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return Move(f.Name(), path)
}

// Move renames a file that is written and synced. When it returns nil the new
// name survives a power cut.
func Move(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(to))
}

// SyncDir makes durable what was named, renamed or removed in dir. Where folders
// cannot be synced it does nothing: Windows needs it not.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, errors.ErrUnsupported) && !unsyncable(err) {
		return err
	}
	return nil
}
