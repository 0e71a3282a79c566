package agent_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"stackusage/agent"
	"stackusage/agent/stackapi"
	"stackusage/agent/status"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

func TestRun(t *testing.T) {
	// run has an agent run for so long, by a clock of its own that begins when the
	// first hour is due.
	run := func(t *testing.T, p *played, dir string, d time.Duration, change func(a *agent.Agent)) {
		synctest.Test(t, func(t *testing.T) {
			begin := time.Now()
			a := p.agent(t, dir, time.Time{})
			a.Now = func() time.Time { return clock(0).Add(time.Since(begin)) }
			if change != nil {
				change(a)
			}
			ctx, cancel := context.WithTimeout(t.Context(), d)
			defer cancel()
			if err := a.Run(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("collects and uploads each hour when it is due", func(t *testing.T) {
		p := &played{}
		run(t, p, t.TempDir(), 3*time.Hour+30*time.Minute, nil)
		p.mustHave(t, hours(0, 1, 2, 3), hours(0, 1, 2, 3))
	})
	t.Run("catches up in rounds", func(t *testing.T) {
		p := &played{}
		run(t, p, t.TempDir(), 10*time.Minute, func(a *agent.Agent) {
			a.Settings.First -= 100
			a.Settings.MaxCatchUp = 30
		})
		if len(p.uploaded) != 101 || p.uploaded[0] != smallFirst-100 || p.uploaded[100] != smallFirst {
			t.Errorf("uploaded %v", p.uploaded)
		}
	})
	t.Run("goes on collecting while storage is away, and uploads it all afterwards", func(t *testing.T) {
		p, dir := &played{storage: func(usage.Hour) error { return errBroken }}, t.TempDir()
		run(t, p, dir, 4*time.Hour+30*time.Minute, nil)
		p.mustHave(t, hours(0, 1, 2, 3, 4), nil)
		p.storage = nil
		p.stack = func(usage.Hour) error { return errBroken }
		run(t, p, dir, time.Minute, nil)
		if !slices.Equal(p.uploaded, hours(0, 1, 2, 3, 4)) {
			t.Errorf("without the stack %v uploaded", p.uploaded)
		}
	})
	t.Run("asks a stack that fails less and less often", func(t *testing.T) {
		p := &played{stack: func(usage.Hour) error { return errBroken }}
		run(t, p, t.TempDir(), 12*time.Hour, nil)
		// Waits of 1, 2, 4, ... 32 minutes, then an hour, less up to half.
		if n := len(p.asked); n < 6+11 || n > 10+24 {
			t.Errorf("asked %d times in 12 hours", n)
		}
	})
	t.Run("waits as long as the stack asks for", func(t *testing.T) {
		p := &played{stack: func(usage.Hour) error { return &stackapi.Error{Status: 429, RetryAfter: 30 * time.Minute} }}
		run(t, p, t.TempDir(), 45*time.Minute, nil)
		p.mustHave(t, hours(0, 0), nil)
	})
	t.Run("beats once an hour, also while storage fails", func(t *testing.T) {
		p := &played{storage: func(usage.Hour) error { return errBroken }}
		b := &beating{upload: p.upload()}
		run(t, p, t.TempDir(), 5*time.Hour, func(a *agent.Agent) { a.Storage = b })
		// At one minute past the first full hour, and then soon after each.
		if n := len(b.beats); n != 5 || b.beats[0] != landing.HeartbeatName(usage.HourOf(clock(0))) || b.beats[4] != landing.HeartbeatName(usage.HourOf(clock(4))) {
			t.Errorf("beats %q", b.beats)
		}
	})
	t.Run("says when it comes next, and says nothing of that once it has ended", func(t *testing.T) {
		dir := t.TempDir()
		var next time.Time
		p := &played{}
		p.stack = func(h usage.Hour) error {
			if h == smallFirst+1 {
				s, err := status.Read(dir)
				if err != nil {
					t.Error(err)
				}
				next = s.NextRound
			}
			return nil
		}
		run(t, p, dir, time.Hour+30*time.Minute, nil)
		if next.Before(clock(1)) || next.After(clock(1).Add(5*time.Minute)) {
			t.Errorf("the second round was announced for %s", next)
		}
		if s, err := status.Read(dir); err != nil || !s.NextRound.IsZero() || *s.LastUploaded != smallFirst+1 || *s.NextHour != smallFirst+2 {
			t.Errorf("%+v, %v", s, err)
		}
	})
}

// beating is an upload that takes heartbeats as well, or fails to.
type beating struct {
	upload
	beats []string
}

func (b *beating) Beat(_ context.Context, container, blob string, _ []byte) error {
	if container != landing.Container(cloudID) {
		return errBroken
	}
	b.beats = append(b.beats, blob)
	return errBroken
}
