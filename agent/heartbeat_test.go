package agent_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"stackusage/agent/blobs"
	"stackusage/agent/stackapi"
	"stackusage/internal/devstack/azurestack"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// TestAHeartbeat tells the cloud side how the agent is, once an hour.
func TestAHeartbeat(t *testing.T) {
	s := newStand(t, smallStack(t, 2, func(int) int { return 1 }), azurestack.Options{})
	p := &played{stack: func(h usage.Hour) error {
		if h == smallFirst {
			return &stackapi.Error{Status: 504}
		}
		return nil
	}}
	a := newAgent(t, s.dir, p.source(), blobs.Storage{Client: s.blobs})
	a.Now = at(clock(1))
	a.Settings = defaults(smallFirst)
	a.Settings.NoSplit = true
	end := clock(1).Add(24 * time.Hour)
	a.Ends = func() map[string]time.Time {
		return map[string]time.Time{"stack secret": end.Add(time.Hour), "storage certificate": end}
	}
	for range 2 { // the second finds the first
		a.Once(t.Context())
	}
	text := downloadBlob(t, s.blobs, landing.Container(cloudID), landing.HeartbeatName(usage.HourOf(clock(1))))
	var got landing.Heartbeat
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	if got.Format != landing.HeartbeatFormat || *got.NextHour != smallFirst || got.SecondsBehind != 3600 || got.FailingHours != 1 || got.BacklogHours != 0 || !got.CredentialEnd.Equal(end) {
		t.Errorf("%s", text)
	}
	if !landing.Aside(landing.HeartbeatName(0)) || !strings.HasSuffix(landing.HeartbeatName(0), "/1970/01/01/00.json") {
		t.Errorf("it is named %s", landing.HeartbeatName(0))
	}
}
