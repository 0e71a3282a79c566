// Package spool keeps hour files on the agent's own disk between collecting and
// dropping: each is written once and sealed by a rename, so that a file is
// either whole or not there.
//
//	<dir>/tmp/      2019121019-1234567890.unsealed           being written; cleared at the start
//	<dir>/sealed/   2019121019-0123456789abcdef.ndjson.gz   whole, not yet dropped
//	<dir>/sent/     the same                                dropped; its presence is the memory of it
//	<dir>/<note>    what must be known at the next run
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

// unsealed ends the names of files that are being written.
const unsealed = ".unsealed"

// Open makes the folders that do not exist and clears what a killed agent left
// half written.
func Open(dir string) (*Spool, error) {
	for _, sub := range []string{tmp, sealed, sent} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o750); err != nil {
			return nil, fmt.Errorf("open spool: %w", err)
		}
	}
	if err := clearTmp(filepath.Join(dir, tmp)); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return &Spool{dir}, nil
}

// clearTmp removes the spool's own files only: given a wrong folder such as
// /var, the one called tmp in it is somebody else's.
func clearTmp(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type().IsRegular() && strings.HasSuffix(e.Name(), unsealed) {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
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
	for _, in := range []struct {
		state State
		sub   string
	}{{Sent, sent}, {Sealed, sealed}} {
		entries, err := os.ReadDir(filepath.Join(s.dir, in.sub))
		if err != nil {
			return Absent, "", fmt.Errorf("look for hour %s: %w", hour, err)
		}
		for _, e := range entries {
			if strings.HasPrefix(e.Name(), hour+"-") {
				return in.state, e.Name(), nil
			}
		}
	}
	return Absent, "", nil
}

// Create starts a file; Seal or Discard ends it.
func (s *Spool) Create(hour string) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, tmp), hour+"-*"+unsealed)
	if err != nil {
		return nil, fmt.Errorf("start file of %s: %w", hour, err)
	}
	return f, nil
}

// Seal makes a written file part of the spool: write, fsync, close, rename,
// fsync of the folder. When it returns nil the file survives a power cut.
func (s *Spool) Seal(f *os.File, name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("seal: %w", err)
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
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	f, err := os.Open(filepath.Join(s.dir, sealed, name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return f, nil
}

// MarkSent remembers that a sealed file was dropped.
func (s *Spool) MarkSent(name string) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("mark sent: %w", err)
	}
	if err := s.move(filepath.Join(s.dir, sealed, name), sent, name); err != nil {
		return fmt.Errorf("mark %s sent: %w", name, err)
	}
	return nil
}

// Keep writes a note over the one of the same name: the old or the new text is
// there, never a part.
func (s *Spool) Keep(name string, text []byte) error {
	if err := checkName(name); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	f, err := s.Create(name)
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	defer s.Discard(f)
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = s.move(f.Name(), "", name)
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	return nil
}

// Kept reads a note; without one it is nil.
func (s *Spool) Kept(name string) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, fmt.Errorf("read note: %w", err)
	}
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read note: %w", err)
	}
	return text, nil
}

func checkName(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("%q is not a file name", name)
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
