package agent

import (
	"context"
	"encoding/json"
	"log/slog"
	"math/rand/v2"
	"time"

	"stackusage/agent/memory"
	"stackusage/agent/status"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// Beat stores a blob that says how the agent is, unless one of its name is there.
type Beat interface {
	Beat(ctx context.Context, container, blob string, body []byte) error
}

// beat says once an hour how the agent is, so that who only sees the cloud knows what
// is wrong, not merely that it is silent. Its failure costs nothing else.
func (a *Agent) beat(ctx context.Context) {
	heart, ok := a.Storage.(Beat)
	if !ok {
		return
	}
	s, err := a.Status()
	if err != nil {
		a.Log.WarnContext(ctx, "status unknown", slog.String("error", err.Error()))
		return
	}
	now := a.Now()
	body, err := json.Marshal(heartbeat(s, a.Settings, now))
	if err == nil {
		err = heart.Beat(ctx, landing.Container(a.Stack.CloudID), landing.HeartbeatName(usage.HourOf(now)), body)
	}
	if err != nil && ctx.Err() == nil {
		a.Log.WarnContext(ctx, "heartbeat not stored", slog.String("error", err.Error()))
	}
}

func heartbeat(s status.Status, settings Settings, now time.Time) landing.Heartbeat {
	h := landing.Heartbeat{
		Format: landing.HeartbeatFormat, At: now.UTC(), AgentVersion: s.Version, NextHour: s.NextHour,
		BacklogHours: s.BacklogHours, OldestUnstored: s.OldestSpooled, FailingFiles: len(s.FailingFiles),
	}
	if s.NextHour != nil {
		h.SecondsBehind = int64(max(0, now.Sub(settings.Due(*s.NextHour))) / time.Second)
	}
	for _, f := range s.FailingHours {
		if !f.Waiting {
			h.FailingHours++
		}
	}
	const most = 500
	if e := s.CollectError; e != nil {
		h.CollectError = e.Text[:min(len(e.Text), most)]
	}
	if e := s.UploadError; e != nil {
		h.UploadError = e.Text[:min(len(e.Text), most)]
	}
	for _, end := range s.Ends {
		h.CredentialEnd = memory.Soonest(h.CredentialEnd, end.UTC())
	}
	return h
}

// beatLoop beats soon after the start, and then in the first minutes of each hour.
func (a *Agent) beatLoop(ctx context.Context) {
	for wait := pause; rest(ctx, wait, nil); {
		a.beat(ctx)
		now := a.Now()
		wait = usage.HourOf(now).End().Sub(now) + rand.N(a.Settings.Jitter+1)
	}
}
