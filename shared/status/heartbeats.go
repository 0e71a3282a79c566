package status

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/strictjson"
)

// Agent is the newest heartbeat of a registration's agent.
type Agent struct {
	CloudID   string             `json:"cloudId"`
	Heartbeat *landing.Heartbeat `json:"heartbeat"`       // nil: none in this month or the last
	Error     string             `json:"error,omitempty"` // why it cannot be read
}

// maxHeartbeat bounds what is read of one; an agent's has under 2 KB.
const maxHeartbeat = 64 << 10

// heartbeats reads the newest heartbeat of each registration that has landed anything.
func (r Reader) heartbeats(ctx context.Context) ([]Agent, error) {
	agents := []Agent{}
	cloudIDs, err := landing.Stacks(ctx, r.Landing, r.foreign)
	if err != nil {
		return agents, err
	}
	for _, cloudID := range cloudIDs {
		container := landing.Container(cloudID)
		s := Agent{CloudID: cloudID}
		name, err := r.newestHeartbeat(ctx, container)
		if err != nil {
			r.Log.WarnContext(ctx, "heartbeats not listed", slog.String("container", container), slog.String("error", err.Error()))
			s.Error = "they cannot be listed; the log says more"
		} else if name != "" {
			if s.Heartbeat, err = r.readHeartbeat(ctx, container, name); err != nil {
				s.Error = fmt.Sprintf("read %s: %v", name, err)
			}
		}
		agents = append(agents, s)
	}
	return agents, nil
}

// newestHeartbeat looks in this month and, where there is none, in the last.
func (r Reader) newestHeartbeat(ctx context.Context, container string) (newest string, err error) {
	now := r.Now().UTC()
	first := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	for _, month := range []time.Time{first, first.AddDate(0, -1, 0)} {
		err := r.Landing.ListPrefix(ctx, container, landing.HeartbeatPrefix+month.Format("2006/01/"), func(name string, _ time.Time) error {
			newest = max(newest, name)
			return nil
		})
		if err != nil || newest != "" {
			return newest, err
		}
	}
	return "", nil
}

func (r Reader) readHeartbeat(ctx context.Context, container, name string) (*landing.Heartbeat, error) {
	body, _, err := r.Landing.Open(ctx, container, name)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, maxHeartbeat))
	if err != nil {
		return nil, err
	}
	var h landing.Heartbeat
	if err := strictjson.Unmarshal(text, &h); err != nil {
		return nil, err
	}
	if h.Format != landing.HeartbeatFormat {
		return nil, fmt.Errorf("format %.40q, want %s", h.Format, landing.HeartbeatFormat)
	}
	return &h, nil
}
