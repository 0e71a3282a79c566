package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"stackusage/agent/durable"
)

// maxNote bounds a note; the largest, a map of 100,000 subscriptions, has 8 MB.
const maxNote = 64 << 20

// Keep writes a note over the one of the same name: the old or the new text is
// there, never a part.
func (s *Spool) Keep(name string, text []byte) error {
	if err := checkNote(name); err != nil {
		return fmt.Errorf("keep: %w", err)
	}
	f, err := s.create(name)
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, err)
	}
	defer s.Discard(f)
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = s.move(f.Name(), "", name)
	}
	if err != nil {
		return fmt.Errorf("keep %s: %w", name, s.full(err))
	}
	return nil
}

// Kept reads a note; without one it is nil.
func (s *Spool) Kept(name string) ([]byte, error) { return ReadNote(s.dir, name) }

// ReadNote reads a note of the spool in dir, whoever uses it; without one it is
// nil.
func ReadNote(dir, name string) ([]byte, error) {
	if err := checkNote(name); err != nil {
		return nil, fmt.Errorf("read note: %w", err)
	}
	f, err := os.Open(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read note: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxNote+1))
	if err == nil && len(text) > maxNote {
		err = fmt.Errorf("%s is larger than %d bytes", f.Name(), maxNote)
	}
	if err != nil {
		return nil, fmt.Errorf("read note: %w", err)
	}
	return text, nil
}

// Forget removes a note, if there is one.
func (s *Spool) Forget(name string) error {
	if err := checkNote(name); err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	err := os.Remove(filepath.Join(s.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = durable.SyncDir(s.dir)
	}
	if err != nil {
		return fmt.Errorf("forget %s: %w", name, err)
	}
	return nil
}

func checkNote(name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, `/\`) {
		return fmt.Errorf("%q is not a file name", name)
	}
	return nil
}
