package content

import (
	"errors"
	"fmt"
	"sync"
)

// ErrOverDisk means that a piece of work needs more temporary disk than it may take.
// A disk that is full because of others is another error.
var ErrOverDisk = errors.New("more temporary disk is needed than one invocation may take")

// Disk counts the temporary disk that a piece of work has taken. Nil takes any.
type Disk struct {
	limit int64
	mu    sync.Mutex
	used  int64
}

// NewDisk may take up to limit bytes at a time; 0 is any number.
func NewDisk(limit int64) *Disk { return &Disk{limit: limit} }

// Take takes bytes, or fails with ErrOverDisk.
func (d *Disk) Take(bytes int64) error {
	if d == nil {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.limit > 0 && d.used+bytes > d.limit {
		return fmt.Errorf("%w: MAX_HOUR_DISK is %d bytes", ErrOverDisk, d.limit)
	}
	d.used += bytes
	return nil
}

// Free gives bytes back.
func (d *Disk) Free(bytes int64) {
	if d != nil {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.used -= bytes
	}
}
