package memory

import (
	"context"
	"time"
)

// parts says that the stack is asked subscriber by subscriber, as it is too slow to
// answer for all at once.
type parts struct {
	Since  time.Time `json:"since"`
	Probed time.Time `json:"probed"` // when it was last asked for all
}

// ProbeEvery is how long a stack that is too slow is not asked for all at once.
const ProbeEvery = 24 * time.Hour

// InParts reports whether the stack is asked subscriber by subscriber now.
func (m *Memory) InParts() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.parts != nil && m.conf.Now().Sub(m.parts.Probed).Abs() < ProbeEvery
}

// PartsSince is since when it is asked so; zero if it is asked for all at once.
func (m *Memory) PartsSince() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.parts == nil {
		return time.Time{}
	}
	return m.parts.Since
}

// SetParts notes how the stack has answered just now, and returns since when it was
// asked subscriber by subscriber before.
func (m *Memory) SetParts(ctx context.Context, inParts bool) (since time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	was, now := m.parts, m.conf.Now().UTC()
	if was != nil {
		since = was.Since
	}
	m.parts = nil
	switch {
	case inParts && was != nil:
		m.parts = &parts{was.Since, now}
	case inParts:
		m.parts = &parts{now, now}
	}
	if inParts || was != nil {
		m.keep(ctx)
	}
	return since
}
