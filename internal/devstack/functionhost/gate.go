package functionhost

import (
	"context"
	"sync"
)

// gate counts work under way, and can be shut so that no more begins.
type gate struct {
	mu    sync.Mutex
	count int
	shut  bool
	empty chan struct{} // closed once shut and empty
}

func newGate() *gate { return &gate{empty: make(chan struct{})} }

// enter begins a piece of work, unless the gate is shut. Who enters must leave.
func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.count++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.count--; g.count == 0 && g.shut {
		close(g.empty)
	}
}

// close shuts the gate and returns a channel that is closed when the last one
// has left.
func (g *gate) close() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.shut {
		g.shut = true
		if g.count == 0 {
			close(g.empty)
		}
	}
	return g.empty
}

// slots counts the messages of one listener that are under way.
type slots struct {
	mu      sync.Mutex
	count   int
	changed chan struct{}
}

func newSlots() *slots { return &slots{changed: make(chan struct{})} }

func (s *slots) add(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count += n
	close(s.changed)
	s.changed = make(chan struct{})
}

// atMost waits until no more than n are under way.
func (s *slots) atMost(ctx context.Context, n int) error {
	for {
		s.mu.Lock()
		count, changed := s.count, s.changed
		s.mu.Unlock()
		if count <= n {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
