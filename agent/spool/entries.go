package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// Entry is a file of the spool.
type Entry struct {
	Hour  usage.Hour
	SHA16 string    // first 16 hex digits of the SHA-256 of the file
	Size  int64     // bytes
	Since time.Time // when it was sealed, or sent
}

// Name is the file's name: 2019121019-0123456789abcdef.ndjson.gz.
func (e Entry) Name() string { return landing.Name{Hour: e.Hour, SHA16: e.SHA16}.File() }

// ParseName reads what Entry.Name wrote; size and time are not in it.
func ParseName(name string) (Entry, error) {
	n, err := landing.ParseFile("", name)
	return Entry{Hour: n.Hour, SHA16: n.SHA16}, err
}

func every(usage.Hour) bool { return true }

// list reads the hours of a folder that are wanted, oldest first. Files that are
// not of the spool are left alone.
func (s *Spool) list(sub string, want func(usage.Hour) bool) ([]Entry, error) {
	files, err := os.ReadDir(filepath.Join(s.dir, sub))
	if s.lock == nil && os.IsNotExist(err) {
		return nil, nil // not made yet, or by an agent that knew no such folder
	}
	if err != nil {
		return nil, fmt.Errorf("read spool: %w", err)
	}
	var found []Entry
	for _, f := range files {
		e, err := ParseName(f.Name())
		if err != nil || !f.Type().IsRegular() || !want(e.Hour) {
			continue
		}
		info, err := f.Info()
		if os.IsNotExist(err) {
			continue // moved on meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read spool: %w", err)
		}
		e.Size, e.Since = info.Size(), info.ModTime()
		found = append(found, e)
	}
	slices.SortFunc(found, func(a, b Entry) int { return strings.Compare(a.Name(), b.Name()) })
	return found, nil
}

// Sealed lists what waits to be uploaded, oldest hour first. An hour that was
// collected again may be in it twice.
func (s *Spool) Sealed() ([]Entry, error) { return s.list(sealed, every) }

// Rejected lists what storage rejected, oldest hour first; Since is when it did last.
func (s *Spool) Rejected() ([]Entry, error) { return s.list(rejected, every) }

// Sent lists the uploaded files that are still kept.
func (s *Spool) Sent() ([]Entry, error) { return s.list(sent, every) }

// State is how far an hour has come.
type State int

// States of an hour.
const (
	Absent State = iota // nothing sealed
	Sealed              // a file of it is to be uploaded
	Sent                // uploaded, whether or not its file is still kept; or rejected by storage, and kept
)

// Found is what the spool has of an hour.
type Found struct {
	State    State   // Sealed where a sent hour is sealed again
	Sealed   []Entry // to be uploaded; two if the hour was collected again
	Rejected []Entry // rejected by storage
	Sent     []Entry // uploaded and still kept
}

// Find tells how far an hour has come.
func (s *Spool) Find(h usage.Hour) (found Found, err error) {
	// In the order in which files move: what does so between the looks is then seen
	// twice rather than not at all.
	if found.Sealed, err = s.of(h, sealed); err == nil {
		found.Rejected, err = s.of(h, rejected)
	}
	if err == nil {
		found.Sent, err = s.of(h, sent)
	}
	switch {
	case err != nil:
		return Found{}, fmt.Errorf("look for hour %s: %w", h, err)
	case len(found.Sealed) > 0:
		found.State = Sealed
	case len(found.Rejected) > 0 || len(found.Sent) > 0 || s.pruned().has(h):
		found.State = Sent
	}
	return found, nil
}

func (s *Spool) of(h usage.Hour, sub string) ([]Entry, error) {
	return s.list(sub, func(other usage.Hour) bool { return other == h })
}

// Damaged is how many files were set aside.
func (s *Spool) Damaged() (int, error) {
	files, err := os.ReadDir(filepath.Join(s.dir, damaged))
	if err != nil {
		return 0, fmt.Errorf("read spool: %w", err)
	}
	return len(files), nil
}

// Gaps returns the hours from first on that are neither sealed nor sent, oldest
// first, at most n of them: what is to be collected next. There is always a
// next one, so n are returned.
func (s *Spool) Gaps(first usage.Hour, n int) ([]usage.Hour, error) {
	have := map[usage.Hour]bool{}
	for _, sub := range []string{sealed, rejected, sent} { // in this order, as in Find
		found, err := s.list(sub, every)
		if err != nil {
			return nil, err
		}
		for _, e := range found {
			have[e.Hour] = true
		}
	}
	done := s.pruned()
	var gaps []usage.Hour
	for h := first; len(gaps) < n; h++ {
		if !have[h] && !done.has(h) {
			gaps = append(gaps, h)
		}
	}
	return gaps, nil
}
