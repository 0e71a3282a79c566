package agent

import (
	"context"
	"log/slog"
	"maps"
	"os"
	"slices"
	"sync"
	"time"

	"stackusage/agent/spool"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// state is the status while the agent works.
type state struct {
	mu     sync.Mutex
	status status.Status
	warned time.Time  // of what ends soon; under note
	note   sync.Mutex // held while the note is written, so that the last one stays
}

func (a *Agent) change(fn func(*status.Status)) {
	a.state.mu.Lock()
	defer a.state.mu.Unlock()
	fn(&a.state.status)
}

func (a *Agent) collected(h usage.Hour) {
	now := a.Now()
	a.change(func(s *status.Status) { s.LastSealed, s.LastCollected = &h, now.UTC() })
	a.Metrics.Collected(now)
}

func (a *Agent) uploaded(h usage.Hour) {
	now := a.Now()
	a.change(func(s *status.Status) { s.LastUploaded, s.LastUpload = &h, now.UTC() })
	a.Metrics.HoursUploaded.Inc()
	a.Metrics.Uploaded(now)
}

func (a *Agent) setStale(stale bool) { a.change(func(s *status.Status) { s.TenantsStale = stale }) }
func (a *Agent) setNextRound(at time.Time) {
	a.change(func(s *status.Status) { s.NextRound = at.UTC() })
}

// ended notes how a step ended. Being told to stop is no failure.
func (a *Agent) ended(ctx context.Context, step string, err error) {
	switch {
	case err == nil:
		a.change(func(s *status.Status) { *s.Of(step) = nil })
	case ctx.Err() != nil:
	default:
		a.Metrics.Failed(step)
		f := &status.Failure{Step: step, Text: err.Error(), Time: a.Now().UTC()}
		a.change(func(s *status.Status) { *s.Of(step), s.LastError = f, f })
	}
}

// Status is the agent's status at this moment. It may be called at any time.
func (a *Agent) Status() (status.Status, error) {
	a.prepare(context.Background())
	entries, err := a.Spool.Sealed()
	if err != nil {
		return status.Status{}, err
	}
	var next *usage.Hour
	if a.Settings.First > 0 {
		gaps, err := a.Spool.Gaps(a.Settings.First, 1)
		if err != nil {
			return status.Status{}, err
		}
		next = &gaps[0]
	}
	damaged, err := a.Spool.Damaged()
	if err != nil {
		return status.Status{}, err
	}
	a.state.mu.Lock()
	s := a.state.status
	a.state.mu.Unlock()
	s.Format, s.PID, s.Version, s.Updated = status.Format, os.Getpid(), a.Stack.AgentVersion, a.Now().UTC()
	s.BacklogHours, s.BacklogBytes, s.OldestSpooled, s.NextHour, s.Damaged = len(entries), 0, nil, next, damaged
	for i, e := range entries {
		s.BacklogBytes += e.Size
		if i == 0 {
			s.OldestSpooled = &e.Hour
		}
		s.Old = s.Old || time.Since(e.Since) > a.Settings.MaxAge // the clock of the files
	}
	rejected, err := a.Spool.Rejected()
	if err != nil {
		return status.Status{}, err
	}
	a.failing(&s, entries, rejected)
	if a.Ends != nil {
		s.Ends = a.Ends()
	}
	return s, nil
}

// failing fills in what the memory has of hours and of the files that are there.
func (a *Agent) failing(s *status.Status, sealed, rejected []spool.Entry) {
	s.FailingHours, s.FailingFiles, s.PartsSince = nil, nil, a.memory.PartsSince()
	hours, files := a.memory.Hours.All(), a.memory.Files.All()
	for _, h := range slices.Sorted(maps.Keys(hours)) {
		t := hours[h]
		s.FailingHours = append(s.FailingHours, status.FailingHour{Hour: h, Trouble: t})
		if t.Waiting && s.Waiting == "" {
			s.Waiting = t.Text
		}
	}
	for _, e := range rejected {
		f := status.FailingFile{Hour: e.Hour, File: e.Name(), Rejected: true, Trouble: status.Trouble{Since: e.Since}}
		if t, fails := files[e.Name()]; fails {
			f.Trouble = t
		}
		s.FailingFiles = append(s.FailingFiles, f)
	}
	for _, e := range sealed {
		if t, fails := files[e.Name()]; fails {
			s.FailingFiles = append(s.FailingFiles, status.FailingFile{Hour: e.Hour, File: e.Name(), Trouble: t})
		}
	}
}

// publish sets the gauges and writes the status for other processes. Its failure
// costs nothing but the status.
func (a *Agent) publish(ctx context.Context) {
	a.memory.Keep(ctx, false)
	a.state.note.Lock()
	defer a.state.note.Unlock()
	s, err := a.Status()
	if err != nil {
		a.Log.WarnContext(ctx, "status unknown", slog.String("error", err.Error()))
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
			a.Log.WarnContext(ctx, "credential expires soon", slog.String("what", what))
		}
	}
	a.keepNote(ctx, status.Note, s)
}

// recallStatus takes over what an earlier run did last.
func (a *Agent) recallStatus(ctx context.Context) {
	var was status.Status
	if a.recallNote(ctx, status.Note, &was) && was.Format == status.Format {
		a.change(func(s *status.Status) {
			s.LastSealed, s.LastCollected, s.LastUploaded, s.LastUpload = was.LastSealed, was.LastCollected, was.LastUploaded, was.LastUpload
			s.LastError, s.TenantsStale = was.LastError, was.TenantsStale
		})
	}
}
