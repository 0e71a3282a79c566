package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/shared/usage"
)

const (
	statusNote   = "status.json"
	statusFormat = "stackusage-agent-status/1"
)

// Status is what an agent says of itself. Times are UTC; hours are reported
// hours by their start. Pointers are nil and times zero for what is not known.
type Status struct {
	Format  string    `json:"format"` // stackusage-agent-status/1
	PID     int       `json:"pid"`
	Version string    `json:"version"`
	Updated time.Time `json:"updated"`

	BacklogHours  int         `json:"backlogHours"` // files that wait to be dropped
	BacklogBytes  int64       `json:"backlogBytes"`
	OldestSpooled *usage.Hour `json:"oldestSpooledHour"` // of the backlog
	LastSealed    *usage.Hour `json:"lastSealedHour"`
	LastDropped   *usage.Hour `json:"lastDroppedHour"`
	NextHour      *usage.Hour `json:"nextHour"`               // the oldest that is not collected; nil before Run or Once
	NextRound     time.Time   `json:"nextRound,omitzero"`     // of Run; long past: it is not running
	LastCollected time.Time   `json:"lastCollected,omitzero"` // when LastSealed was sealed
	LastDrop      time.Time   `json:"lastDrop,omitzero"`      // when LastDropped was dropped

	Waiting      string   `json:"waiting,omitempty"` // the stack's "not yet", which is no error
	CollectError *Failure `json:"collectError"`      // of the last try; nil if it went well
	DropError    *Failure `json:"dropError"`         // likewise
	LastError    *Failure `json:"lastError"`         // the last one of all, mended or not

	FailingHours []FailingHour `json:"failingHours,omitempty"` // due, and not collected at the last try
	FailingFiles []FailingFile `json:"failingFiles,omitempty"` // not stored at the last try, and set aside
	PartsSince   time.Time     `json:"partsSince,omitzero"`    // since when the stack is asked subscriber by subscriber
	Old          bool          `json:"overMaxAge,omitempty"`   // OldestSpooled has waited longer than Settings.MaxAge

	Ends map[string]time.Time `json:"ends,omitempty"` // of what the agent signs in with

	TenantsStale bool `json:"tenantsStale"` // the last hour has an older map
	Damaged      int  `json:"damagedFiles"` // set aside, for somebody to look at the disk
}

// Failing is an error of all that was not collected or stored at the last try, nil if
// there is nothing; what the stack does not tell yet is none.
func (s Status) Failing() error {
	var failures []error
	for _, h := range s.FailingHours {
		if !h.Waiting {
			failures = append(failures, fmt.Errorf("hour %s: %s", h.Hour, h.Text))
		}
	}
	for _, f := range s.FailingFiles {
		failures = append(failures, fmt.Errorf("hour %s: %s", f.Hour, f.Text))
	}
	return join(failures)
}

// Failure is an error and when it was.
type Failure struct {
	Step string    `json:"step"` // collect or drop
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// FailingHour is an hour that is due and was not collected.
type FailingHour struct {
	Hour usage.Hour `json:"hour"`
	Trouble
}

// FailingFile is a file that was not stored.
type FailingFile struct {
	Hour    usage.Hour `json:"hour"`
	File    string     `json:"file"`
	Refused bool       `json:"refused,omitempty"` // set aside
	Trouble
}

// state is the status while the agent works.
type state struct {
	mu     sync.Mutex
	status Status
	warned time.Time  // of what ends soon; under note
	note   sync.Mutex // held while the note is written, so that the last one stays
}

func (a *Agent) change(fn func(*Status)) {
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	fn(&a.state.status)
}

func (a *Agent) collected(h usage.Hour) {
	now := a.Now()
	a.change(func(s *Status) { s.LastSealed, s.LastCollected = &h, now.UTC() })
	a.Metrics.Collected(now)
}

func (a *Agent) dropped(h usage.Hour) {
	now := a.Now()
	a.change(func(s *Status) { s.LastDropped, s.LastDrop = &h, now.UTC() })
	a.Metrics.HoursDropped.Inc()
	a.Metrics.Dropped(now)
}

func (a *Agent) setStale(stale bool)       { a.change(func(s *Status) { s.TenantsStale = stale }) }
func (a *Agent) setNextRound(at time.Time) { a.change(func(s *Status) { s.NextRound = at.UTC() }) }

// ended notes how a step ended. Being told to stop is no failure.
func (a *Agent) ended(ctx context.Context, step string, err error) {
	switch {
	case err == nil:
		a.change(func(s *Status) { *s.of(step) = nil })
	case ctx.Err() != nil:
	default:
		a.Metrics.Failed(step)
		f := &Failure{Step: step, Text: err.Error(), Time: a.Now().UTC()}
		a.change(func(s *Status) { *s.of(step), s.LastError = f, f })
	}
}

func (s *Status) of(step string) **Failure {
	if step == metrics.StepDrop {
		return &s.DropError
	}
	return &s.CollectError
}

// Status is the agent's status at this moment. It may be called at any time.
func (a *Agent) Status() (Status, error) {
	entries, err := a.Spool.Sealed()
	if err != nil {
		return Status{}, err
	}
	var next *usage.Hour
	if a.Settings.First > 0 {
		gaps, err := a.Spool.Gaps(a.Settings.First, 1)
		if err != nil {
			return Status{}, err
		}
		next = &gaps[0]
	}
	damaged, err := a.Spool.Damaged()
	if err != nil {
		return Status{}, err
	}
	a.state.mu.Lock()
	s := a.state.status
	a.state.mu.Unlock()
	s.Format, s.PID, s.Version, s.Updated = statusFormat, os.Getpid(), a.Stamp.AgentVersion, a.Now().UTC()
	s.BacklogHours, s.BacklogBytes, s.OldestSpooled, s.NextHour, s.Damaged = len(entries), 0, nil, next, damaged
	for i, e := range entries {
		s.BacklogBytes += e.Size
		if i == 0 {
			s.OldestSpooled = &e.Hour
		}
		s.Old = s.Old || time.Since(e.Since) > a.Settings.maxAge() // the clock of the files
	}
	refused, err := a.Spool.Refused()
	if err != nil {
		return Status{}, err
	}
	a.failing(&s, entries, refused)
	if a.Ends != nil {
		s.Ends = a.Ends()
	}
	return s, nil
}

// failing fills in what the memory has of hours and of the files that are there.
func (a *Agent) failing(s *Status, sealed, refused []spool.Entry) {
	a.memory.mu.Lock()
	defer a.memory.mu.Unlock()
	s.FailingHours, s.FailingFiles, s.PartsSince = nil, nil, time.Time{}
	for _, h := range slices.Sorted(maps.Keys(a.memory.Hours)) {
		t := *a.memory.Hours[h]
		s.FailingHours = append(s.FailingHours, FailingHour{h, t})
		if t.Waiting && s.Waiting == "" {
			s.Waiting = t.Text
		}
	}
	for _, e := range refused {
		f := FailingFile{Hour: e.Hour, File: e.Name(), Refused: true, Trouble: Trouble{Since: e.Since}}
		if t := a.memory.Files[e.Name()]; t != nil {
			f.Trouble = *t
		}
		s.FailingFiles = append(s.FailingFiles, f)
	}
	for _, e := range sealed {
		if t := a.memory.Files[e.Name()]; t != nil {
			s.FailingFiles = append(s.FailingFiles, FailingFile{Hour: e.Hour, File: e.Name(), Trouble: *t})
		}
	}
	if p := a.memory.Parts; p != nil {
		s.PartsSince = p.Since
	}
}

// publish sets the gauges and writes the status for other processes. Its failure
// costs nothing but the status.
func (a *Agent) publish(ctx context.Context) {
	a.keepMemorySoon(ctx, false, false)
	a.state.note.Lock()
	defer a.state.note.Unlock()
	s, err := a.Status()
	if err != nil {
		a.Log.WarnContext(ctx, "status not known", slog.String("error", err.Error()))
		return
	}
	var oldest time.Time
	if s.OldestSpooled != nil {
		oldest = s.OldestSpooled.End()
	}
	a.Metrics.Backlog(s.BacklogHours, s.BacklogBytes, oldest)
	if s.NextHour != nil {
		a.Metrics.Next(s.NextHour.Start(), a.Settings.Due(*s.NextHour))
	}
	a.Metrics.Ends(s.Ends)
	if now := a.Now(); now.Sub(a.state.warned) >= 24*time.Hour {
		a.state.warned = now
		for _, what := range s.Ending(now) {
			a.Log.WarnContext(ctx, "what the agent signs in with ends soon", slog.String("what", what))
		}
	}
	a.keepNote(ctx, statusNote, s)
}

// endsSoon is how long before it ends a certificate or secret is warned of.
const endsSoon = 30 * 24 * time.Hour

// Ending are the certificates and secrets that end soon, or have ended.
func (s Status) Ending(now time.Time) (warnings []string) {
	for _, what := range slices.Sorted(maps.Keys(s.Ends)) {
		switch left := s.Ends[what].Sub(now); {
		case left <= 0:
			warnings = append(warnings, fmt.Sprintf("the %s has ended at %s: replace it", what, usage.Point(s.Ends[what])))
		case left < endsSoon:
			warnings = append(warnings, fmt.Sprintf("the %s ends in %d days, at %s: replace it; no restart is needed", what, left/(24*time.Hour), usage.Point(s.Ends[what])))
		}
	}
	return warnings
}

// recallStatus takes over what an earlier run did last.
func (a *Agent) recallStatus(ctx context.Context) {
	var was Status
	if a.recallNote(ctx, statusNote, &was) && was.Format == statusFormat {
		a.change(func(s *Status) {
			s.LastSealed, s.LastCollected, s.LastDropped, s.LastDrop = was.LastSealed, was.LastCollected, was.LastDropped, was.LastDrop
			s.LastError, s.TenantsStale = was.LastError, was.TenantsStale
		})
	}
}

// ErrNoStatus means that no agent has used the folder yet.
var ErrNoStatus = errors.New("no agent has written its status here")

// ReadStatus reads the status that the agent of a spool folder wrote last. It
// needs no lock, so the agent may be at work.
func ReadStatus(dir string) (Status, error) {
	text, err := spool.ReadNote(dir, statusNote)
	if err == nil && text == nil {
		err = ErrNoStatus
	}
	var s Status
	if err == nil {
		err = json.Unmarshal(text, &s)
	}
	if err == nil && s.Format != statusFormat {
		err = fmt.Errorf("format %.40q, want %s", s.Format, statusFormat)
	}
	if err != nil {
		return Status{}, fmt.Errorf("read status of %s: %w", dir, err)
	}
	return s, nil
}
