// Package memory is what an agent knows of hours and files beside what its spool
// shows: what failed and when it is tried again, whether the stack is asked subscriber
// by subscriber, and which hours are collected once more. Without it nothing is lost:
// what failed is then tried at once. A note keeps it for the agent's next run.
package memory

import (
	"context"
	"encoding/json"
	"maps"
	"sync"
	"time"

	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// Note is the spool's note that holds a memory.
const Note = "memory.json"

// Memory may be used from several goroutines. New makes it.
type Memory struct {
	Hours Troubles[usage.Hour] // due, and not collected
	Files Troubles[string]     // collected, and not stored; by name

	conf   Config
	mu     sync.Mutex // of what is below, and in Hours and Files
	parts  *parts     // nil: the stack is asked for all subscribers at once
	checks map[usage.Hour]Check
	kept   time.Time // when the note was written
	unkept bool      // there is more than it has
}

// Config is what a memory works with.
type Config struct {
	Now func() time.Time

	// Wait is how long after so many failures in a row, the first of them so long ago,
	// the next try is; asked is the least that the stack asks for.
	Wait func(tries int, failing, asked time.Duration) time.Duration

	// Keep writes the note and reports whether it is kept.
	Keep func(ctx context.Context, name string, value any) bool
}

type note struct {
	Hours  map[usage.Hour]status.Trouble `json:"hours,omitempty"`
	Files  map[string]status.Trouble     `json:"files,omitempty"`
	Parts  *parts                        `json:"parts,omitempty"`
	Checks map[usage.Hour]Check          `json:"checks,omitempty"`
}

// New makes a memory of a note; nil is that of an agent that has not run yet. What
// failed is tried at once, as whoever starts an agent may have fixed something. Hours
// before the first one are forgotten: the configuration does not want them any more.
// With an error, which is of the note, the memory is empty.
func New(conf Config, text []byte, first usage.Hour) (*Memory, error) {
	var n note
	var err error
	if text != nil {
		if err = json.Unmarshal(text, &n); err != nil {
			n = note{}
		}
	}
	m := &Memory{conf: conf, parts: n.Parts, checks: n.Checks}
	if m.checks == nil {
		m.checks = map[usage.Hour]Check{}
	}
	maps.DeleteFunc(n.Hours, func(h usage.Hour, _ status.Trouble) bool { return h < first })
	m.Hours = newTroubles(m, n.Hours)
	m.Files = newTroubles(m, n.Files)
	return m, err
}

// keepEvery is how often the note is written for what a kill may take: while an agent
// catches up with years, it would be most of the work.
const keepEvery = 5 * time.Second

// Keep writes what is not in the note yet: now, or only if the note is a few seconds old.
func (m *Memory) Keep(ctx context.Context, now bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unkept && (now || time.Since(m.kept) > keepEvery) {
		m.keep(ctx)
	}
}

func (m *Memory) keep(ctx context.Context) {
	m.kept = time.Now()
	m.unkept = !m.conf.Keep(ctx, Note, note{m.Hours.of, m.Files.of, m.parts, m.checks})
}
