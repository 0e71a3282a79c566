package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"stackusage/agent/metrics"
	"stackusage/agent/spool"
	"stackusage/agent/stackapi"
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
	TenantsStale bool     `json:"tenantsStale"`      // the last hour has an older map
	Damaged      int      `json:"damagedFiles"`      // set aside, for somebody to look at the disk
}

// Failure is an error and when it was.
type Failure struct {
	Step string    `json:"step"` // collect or drop
	Text string    `json:"text"`
	Time time.Time `json:"time"`
}

// state is the status while the agent works.
type state struct {
	mu     sync.Mutex
	status Status
	note   sync.Mutex // held while the note is written, so that the last one stays
}

func (a *Agent) change(fn func(*Status)) {
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	fn(&a.state.status)
}

func (a *Agent) collected(h usage.Hour) {
	now := a.Now()
	a.change(func(s *Status) { s.LastSealed, s.LastCollected, s.Waiting = &h, now.UTC(), "" })
	a.Metrics.Collected(now)
}

func (a *Agent) dropped(h usage.Hour) {
	now := a.Now()
	a.change(func(s *Status) { s.LastDropped, s.LastDrop = &h, now.UTC() })
	a.Metrics.HoursDropped.Inc()
	a.Metrics.Dropped(now)
}

func (a *Agent) setStale(stale bool)       { a.change(func(s *Status) { s.TenantsStale = stale }) }
func (a *Agent) setWaiting(answer string)  { a.change(func(s *Status) { s.Waiting = answer }) }
func (a *Agent) setNextRound(at time.Time) { a.change(func(s *Status) { s.NextRound = at.UTC() }) }

// ended notes how a step ended. "Not yet" is no failure, and being told to stop
// is none either.
func (a *Agent) ended(ctx context.Context, step string, err error) {
	switch {
	case err == nil:
		a.change(func(s *Status) { *s.of(step) = nil })
	case ctx.Err() != nil:
	case errors.Is(err, stackapi.ErrNotReady):
		a.setWaiting(err.Error())
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
	}
	return s, nil
}

// publish sets the gauges and writes the status for other processes. Its failure
// costs nothing but the status.
func (a *Agent) publish(ctx context.Context) {
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
		a.Metrics.Next(s.NextHour.Start())
	}
	a.keepNote(ctx, statusNote, s)
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
