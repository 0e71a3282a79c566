package functionhost

import (
	"maps"
	"sync"

	"stackusage/internal/devstack/functionhost/app"
)

// Stats are counts since Start.
type Stats struct {
	// Functions has an entry for every function that was loaded.
	Functions map[string]FunctionStats
	// Restarts counts handler processes started after the first.
	Restarts int64
}

// FunctionStats are one function's counts since Start.
type FunctionStats struct {
	Invocations int64 // begun
	Succeeded   int64
	Failed      int64 // timeouts included
	Timeouts    int64 // reached functionTimeout
	Poisoned    int64 // messages moved to the poison queue
	Undecodable int64 // of those, the ones moved without a call because they were not base64
}

type counters struct {
	mu    sync.Mutex
	stats Stats
}

func newCounters(a *app.App) *counters {
	c := &counters{stats: Stats{Functions: make(map[string]FunctionStats)}}
	for _, fn := range a.Functions {
		c.stats.Functions[fn.Name] = FunctionStats{}
	}
	return c
}

func (c *counters) update(fn *app.Function, change func(*FunctionStats)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats.Functions[fn.Name]
	change(&s)
	c.stats.Functions[fn.Name] = s
}

func (c *counters) restarted() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Restarts++
}

func (c *counters) snapshot() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Functions = maps.Clone(s.Functions)
	return s
}
