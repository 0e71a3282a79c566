package spool

import (
	"errors"
	"fmt"
)

// Limits bound what waits to be uploaded. Over a limit nothing more is
// collected; what was collected is never deleted before its upload, and uploading goes
// on. The stack still has the hours that are not collected: they follow when
// there is room.
type Limits struct {
	MaxBytes int64 // of the sealed files; 0: no limit
	MinFree  int64 // bytes that stay free on the disk; 0: no limit
	ByHand   bool  // nothing is uploaded: a person exports the hours
}

// ErrFull is in every *FullError.
var ErrFull = errors.New("the spool is full")

// FullError says why nothing more is collected.
type FullError struct {
	Dir   string
	Bound string // "MaxBytes", "MinFree" or "disk"
	Have  string // how much there is, such as "12 hours with 10.1 GiB wait, the limit is 10240 MiB"
	Err   error  // of the disk; may be nil

	ByHand bool // Limits.ByHand
}

func (e *FullError) Error() string {
	todo := "fix what keeps hours from being uploaded, or raise " + e.Bound
	if e.ByHand {
		todo = ByHand + ", or raise " + e.Bound
	}
	if e.Bound == "MinFree" || e.Bound == "disk" {
		todo = "free space on the disk, or give the spool a larger one"
	}
	return fmt.Sprintf("spool %s is full: %s (%s); nothing more is collected until there is room, and nothing is deleted: %s", e.Dir, e.Have, e.Bound, todo)
}

// Unwrap returns ErrFull and Err.
func (e *FullError) Unwrap() []error { return []error{ErrFull, e.Err} }

// ByHand is what to do with hours that wait where nothing is uploaded.
const ByHand = "run stackusage-agent export --to FOLDER, import the folder where Azure can be reached, and confirm the receipt"

// CheckLimits looks at the spool in dir, whoever uses it: over one of the limits
// it returns the *FullError with which its agent refuses to collect.
func CheckLimits(dir string, limits Limits) error {
	return (&Spool{dir: dir, Limits: limits}).checkLimits()
}

func (s *Spool) checkLimits() error {
	entries, err := s.Sealed()
	if err != nil {
		return err
	}
	var total int64
	for _, e := range entries {
		total += e.Size
	}
	if most := s.Limits.MaxBytes; most > 0 && total >= most {
		return &FullError{Dir: s.dir, ByHand: s.Limits.ByHand, Bound: "MaxBytes", Have: fmt.Sprintf("%d hour files with %s wait to be uploaded, the limit is %s", len(entries), size(total), size(most))}
	}
	return s.checkFree()
}

func (s *Spool) checkFree() error {
	least := s.Limits.MinFree
	if least <= 0 {
		return nil
	}
	free, err := DiskFree(s.dir)
	if err != nil {
		return fmt.Errorf("ask for the free space of %s: %w", s.dir, err)
	}
	if free < least {
		return &FullError{Dir: s.dir, Bound: "MinFree", Have: fmt.Sprintf("the disk has %s free, the least is %s", size(free), size(least))}
	}
	return nil
}

// full makes the error of a disk without space a *FullError.
func (s *Spool) full(err error) error {
	if err == nil || errors.Is(err, ErrFull) || !isDiskFull(err) {
		return err
	}
	return &FullError{Dir: s.dir, Bound: "disk", Have: "the disk has no space left", Err: err}
}

func size(bytes int64) string {
	if bytes < 1<<20 {
		return fmt.Sprintf("%d bytes", bytes)
	}
	return fmt.Sprintf("%d MiB", bytes>>20)
}
