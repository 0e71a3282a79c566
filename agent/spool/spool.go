// Package spool keeps hour files on the agent's own disk between collecting and
// uploading: each is written once and sealed by a rename, so that a file is
// either whole or not there. docs/formats/spool.md has the folder in detail.
//
//	<dir>/lock        held by the agent that uses the folder; its text is that agent's pid
//	<dir>/tmp/        2019121019-1234567890.unsealed          being written; cleared at the start
//	<dir>/sealed/     2019121019-0123456789abcdef.ndjson.gz   whole, not yet uploaded; never deleted
//	<dir>/sent/       the same                                uploaded; deleted after a while
//	<dir>/rejected/   the same                                rejected by storage; offered again now and then
//	<dir>/damaged/    the same                                bytes that are not those of its name
//	<dir>/done.json   the hours that were sent and whose files are deleted
//	<dir>/<note>      what must be known at the next run
//
// What is done is known from the files and done.json alone, never from a clock
// or a counter. A Spool may be used from several goroutines; that one agent
// seals an hour at a time is up to the agent.
package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"stackusage/agent/durable"
	"stackusage/shared/usage"
)

// Spool is a folder of hour files. The kernel lets one process use it at a
// time, and frees it when that process ends, however it ends.
type Spool struct {
	// Limits bound what waits to be uploaded. Set them before the first Create.
	Limits Limits

	dir  string
	lock *os.File

	mu   sync.Mutex // held while done.json is replaced
	done runs       // what done.json says
}

const (
	tmp      = "tmp"
	sealed   = "sealed"
	rejected = "rejected"
	sent     = "sent"
	damaged  = "damaged"
)

// unsealed ends the names of files that are being written.
const unsealed = ".unsealed"

// Open takes the folder for this process, makes the folders in it that do not
// exist and clears what a killed agent left half written. A folder that another
// agent uses is refused with a *LockedError.
func Open(dir string) (*Spool, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, fmt.Errorf("open spool: %w", err)
	}
	s := &Spool{dir: dir, lock: lock}
	if err := s.prepare(); err != nil {
		lock.Close()
		return nil, fmt.Errorf("open spool: %w", err)
	}
	return s, nil
}

// Peek reads the spool in dir, whoever uses it, for Gaps and the like: nothing but
// MarkSent may write to it. A folder that is not there is an empty spool.
func Peek(dir string) (*Spool, error) {
	s := &Spool{dir: dir}
	if err := s.readDone(); err != nil {
		return nil, fmt.Errorf("look at spool: %w", err)
	}
	return s, nil
}

func (s *Spool) prepare() error {
	for _, sub := range []string{tmp, sealed, rejected, sent, damaged} {
		if err := os.MkdirAll(filepath.Join(s.dir, sub), 0o750); err != nil {
			return err
		}
	}
	if err := clearTmp(filepath.Join(s.dir, tmp)); err != nil {
		return err
	}
	return s.readDone()
}

// Close frees the folder for another agent.
func (s *Spool) Close() error { return s.lock.Close() }

// Dir is the folder.
func (s *Spool) Dir() string { return s.dir }

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

// File is an hour, or a note, that is being written.
type File struct {
	*os.File
	spool *Spool
	hour  bool
}

// Write tells a full disk apart: it is a *FullError. So is an hour that would
// leave the disk less than Limits.MinFree: an answer without end would fill it.
func (f *File) Write(p []byte) (int, error) {
	if f.hour {
		if err := f.spool.checkFree(); err != nil {
			return 0, err
		}
	}
	n, err := f.File.Write(p)
	return n, f.spool.full(err)
}

// Create starts the file of an hour; Seal or Discard ends it. It refuses with a
// *FullError while the spool is over one of its limits.
func (s *Spool) Create(h usage.Hour) (*File, error) {
	if err := s.checkLimits(); err != nil {
		return nil, fmt.Errorf("start file of hour %s: %w", h, err)
	}
	f, err := s.create(h.Compact())
	if err != nil {
		return nil, fmt.Errorf("start file of hour %s: %w", h, err)
	}
	f.hour = true
	return f, nil
}

func (s *Spool) create(name string) (*File, error) {
	f, err := os.CreateTemp(filepath.Join(s.dir, tmp), name+"-*"+unsealed)
	if err != nil {
		return nil, s.full(err)
	}
	return &File{File: f, spool: s}, nil
}

// Seal makes a written file part of the spool: write, fsync, close, rename,
// fsync of the folder. When it returns nil the file survives a power cut.
func (s *Spool) Seal(f *File, name string) error {
	if _, err := ParseName(name); err != nil {
		return fmt.Errorf("seal: %w", err)
	}
	err := f.Sync()
	if err = errors.Join(err, f.Close()); err == nil {
		err = s.move(f.Name(), sealed, name)
	}
	if err != nil {
		return fmt.Errorf("seal %s: %w", name, s.full(err))
	}
	return nil
}

// Discard removes a file that was not sealed.
func (s *Spool) Discard(f *File) {
	f.Close()
	os.Remove(f.Name()) // gone if it was sealed; Open clears what stays
}

func (s *Spool) move(from, sub, name string) error {
	return durable.Move(from, filepath.Join(s.dir, sub, name))
}
