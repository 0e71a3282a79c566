package memory

import (
	"context"
	"maps"
	"slices"
	"time"

	"stackusage/shared/usage"
)

// Check is an hour that is to be collected once more, as nobody documents that a stack
// adds nothing to an hour after it has reported it.
type Check struct {
	Hash  string    `json:"rowSetHash"` // of what was collected
	At    time.Time `json:"at"`
	Parts bool      `json:"parts,omitempty"` // collected subscriber by subscriber: checked by the whole
	Tries int       `json:"tries,omitempty"`

	Hour usage.Hour `json:"-"` // its key
}

// CheckLater notes that an hour is to be checked. The note has it a few seconds later:
// see Keep.
func (m *Memory) CheckLater(ctx context.Context, c Check) {
	m.mu.Lock()
	m.checks[c.Hour], m.unkept = c, true
	m.mu.Unlock()
	m.Keep(ctx, false)
}

// Checked forgets a check.
func (m *Memory) Checked(ctx context.Context, h usage.Hour) {
	m.mu.Lock()
	delete(m.checks, h)
	m.unkept = true
	m.mu.Unlock()
	m.Keep(ctx, false)
}

// ChecksDue are the checks to be made now, oldest hour first, and when the next is due;
// zero for never.
func (m *Memory) ChecksDue() (due []Check, next time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range slices.Sorted(maps.Keys(m.checks)) {
		switch c := m.checks[h]; {
		case c.Parts && m.parts != nil: // until the stack answers for all
		case !reached(m.conf.Now(), c.At):
			next = Soonest(next, c.At)
		default:
			c.Hour = h
			due = append(due, c)
		}
	}
	return due, next
}

// Soonest is the earlier of two times of which either may be zero for never.
func Soonest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
