package spool

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// DamagedError says that a sealed file no longer holds the bytes that its name
// is made from, and where it was set aside. Its hour is absent again.
type DamagedError struct {
	Name  string // of the sealed file
	Aside string // its path now
}

func (e *DamagedError) Error() string {
	return fmt.Sprintf("sealed file %s does not hold the bytes that it was sealed with: set aside as %s; look for faults of this disk", e.Name, e.Aside)
}

// folder is where a file is that was not uploaded.
func (s *Spool) folder(name string) string {
	if _, err := os.Lstat(filepath.Join(s.dir, rejected, name)); err == nil {
		return filepath.Join(s.dir, rejected)
	}
	return filepath.Join(s.dir, sealed)
}

// Read opens a sealed or rejected file for uploading, after it has compared its bytes with
// its name: what a disk or a power cut has torn is set aside, and the error is
// a *DamagedError.
func (s *Spool) Read(name string) (*os.File, error) {
	e, err := ParseName(name)
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	f, err := os.Open(filepath.Join(s.folder(name), name))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	sum := sha256.New()
	_, err = io.Copy(sum, f)
	if err == nil && hex.EncodeToString(sum.Sum(nil)[:8]) != e.SHA16 {
		f.Close()
		return nil, s.setAside(name)
	}
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return f, nil
}

// Copy writes a sealed or rejected file to w as it is, and returns the SHA-256 of its
// bytes in hex and their number. It sets nothing aside: whoever calls it compares the
// hash with the name. A file that is not there, as it was uploaded, is fs.ErrNotExist.
func (s *Spool) Copy(w io.Writer, name string) (sha string, size int64, err error) {
	if _, err := ParseName(name); err != nil {
		return "", 0, fmt.Errorf("copy: %w", err)
	}
	f, err := os.Open(filepath.Join(s.folder(name), name))
	if err != nil {
		return "", 0, fmt.Errorf("copy %s: %w", name, err)
	}
	defer f.Close()
	sum := sha256.New()
	if size, err = io.Copy(io.MultiWriter(w, sum), f); err != nil {
		return "", 0, fmt.Errorf("copy %s: %w", name, err)
	}
	return hex.EncodeToString(sum.Sum(nil)), size, nil
}

func (s *Spool) setAside(name string) error {
	aside := name
	for n := 1; ; n++ {
		if _, err := os.Lstat(filepath.Join(s.dir, damaged, aside)); err != nil {
			break
		}
		aside = fmt.Sprintf("%s.%d", name, n)
	}
	if err := s.move(filepath.Join(s.folder(name), name), damaged, aside); err != nil {
		return fmt.Errorf("set the damaged file %s aside: %w", name, err)
	}
	return &DamagedError{Name: name, Aside: filepath.Join(s.dir, damaged, aside)}
}

// MarkSent remembers that a file was uploaded. It needs no lock: a file moves in one
// direction only, and whoever lists the folders meanwhile finds it in one of them.
func (s *Spool) MarkSent(name string) error { return s.mark(name, sent) }

// MarkRejected sets a file aside that storage rejects, or notes that it has done so
// again. Its hour counts as collected.
func (s *Spool) MarkRejected(name string) error { return s.mark(name, rejected) }

// mark moves a file and notes when.
func (s *Spool) mark(name, to string) error {
	if _, err := ParseName(name); err != nil {
		return fmt.Errorf("mark %s: %w", to, err)
	}
	if err := s.move(filepath.Join(s.folder(name), name), to, name); err != nil {
		return fmt.Errorf("mark %s %s: %w", name, to, err)
	}
	// If the agent is killed before, a sent file is deleted earlier, and a rejected one
	// offered again earlier.
	now := time.Now()
	if err := os.Chtimes(filepath.Join(s.dir, to, name), now, now); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("mark %s %s: %w", name, to, err)
	}
	return nil
}
