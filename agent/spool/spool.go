// Package spool keeps hour files on the agent's own disk between collecting and
// dropping: each is written once and sealed by a rename, so that a file is
// either whole or not there.
//
//	<dir>/tmp/      being written; emptied at the start
//	<dir>/sealed/   2019121019-0123456789abcdef.ndjson.gz   whole, not yet dropped
//	<dir>/sent/     the same                               dropped; its presence is the memory of it
package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Spool is a folder of hour files. One agent uses it at a time.
type Spool struct{ dir string }

const (
	tmp    = "tmp"
	sealed = "sealed"
	sent   = "sent"
)

// Open makes the folders that do not exist and clears what a killed agent left
// half written.
func Open(dir string) (*Spool, error) {
	if err := os.RemoveAll(filepath.Join(dir, tmp)); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	for _, sub := range []string{tmp, sealed, sent} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			return nil, fmt.Errorf("open spool: %w", err)
		}
	}
	return &Spool{dir}, nil
}

// State is how far an hour has come.
type State int

// States of an hour.
const (
	Absent State = iota // nothing sealed
	Sealed              // to be dropped
	Sent                // dropped
)

// Find tells how far the hour with the given key (2019121019) has come and
// which file it is in.
func (s *Spool) Find(hour string) (state State, name string, err error) {
	for state, sub := range map[State]string{Sealed: sealed, Sent: sent} {
		entries, err := filepath.Glob(filepath.Join(s.dir, sub, hour+"-*"))
		if err != nil {
			return Absent, "", fmt.Errorf("look for hour %s: %w", hour, err)
		}
		if len(entries) > 0 {
			return state, filepath.Base(entries[0]), nil
		}
	}
	return Absent, "", nil
}

// Create starts a file; Seal or Discard ends it.
func (s *Spool) Create(hour string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, tmp), hour+"-")
	if err != nil {
		return nil, fmt.Errorf("start hour %s: %w", hour, err)
	}
	return f, nil
}

// Seal makes a written file part of the spool: write, fsync, close, rename,
// fsync of the folder. When it returns nil the file survives a power cut.
func (s *Spool) Seal(f *os.File, name string) error {
	if strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("seal %q: not a file name", name)
	}
	err := f.Sync()
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.move(f.Name(), sealed, name)
	}
	if err != nil {
		return fmt.Errorf("seal %s: %w", name, err)
	}
	return nil
}

// Discard drops a file that was not sealed.
func (s *Spool) Discard(f *os.File) {
	f.Close()
	os.Remove(f.Name()) // gone if it was sealed; Open clears what stays
}

// Read opens a sealed file.
func (s *Spool) Read(name string) (*os.File, error) {
	f, err := os.Open(filepath.Join(s.dir, sealed, name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return f, nil
}

// MarkSent remembers that a sealed file was dropped.
func (s *Spool) MarkSent(name string) error {
	if err := s.move(filepath.Join(s.dir, sealed, name), sent, name); err != nil {
		return fmt.Errorf("mark %s sent: %w", name, err)
	}
	return nil
}

func (s *Spool) move(from, sub, name string) error {
	to := filepath.Join(s.dir, sub)
	if err := os.Rename(from, filepath.Join(to, name)); err != nil {
		return err
	}
	return syncDir(to)
}

// syncDir makes a rename durable. Windows cannot sync a folder and needs not.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	if err := d.Sync(); err != nil && !errors.Is(err, fs.ErrInvalid) && !errors.Is(err, errors.ErrUnsupported) {
		return err
	}
	return nil
}
