package agent_test

import (
	"slices"
	"testing"
	"time"

	"stackusage/agent"
	"stackusage/agent/stackapi"
	"stackusage/shared/usage"
)

// TestACheckThatIsRefusedHoldsUpNoOther: a refusal of one hour may be a refusal of
// all, which the next round shows.
func TestACheckThatIsRefusedHoldsUpNoOther(t *testing.T) {
	p, dir := &played{}, t.TempDir()
	begin := func(now time.Time) *agent.Agent {
		a := p.agent(t, dir, now)
		a.Settings.CheckAfter = time.Minute
		return a
	}
	mustOnce(t, begin(clock(2)), agent.Report{Hours: 3, Collected: 3, Uploaded: 3, Rows: 3})
	p.mustHave(t, hours(0, 1, 2), hours(0, 1, 2))
	p.stack = func(h usage.Hour) error {
		if h == smallFirst {
			return &stackapi.Error{Status: 403}
		}
		return nil
	}
	now := clock(2).Add(2 * time.Minute)
	if _, err := begin(now).Once(t.Context()); err == nil {
		t.Error("a refusal that may be of all is no error")
	}
	p.mustHave(t, hours(0), nil)
	mustOnce(t, begin(now), agent.Report{})
	p.mustHave(t, hours(1, 2), nil)
	t.Run("nor where the stack has answered in the round", func(t *testing.T) {
		mustOnce(t, begin(clock(3).Add(10*time.Minute)), agent.Report{Hours: 1, Collected: 1, Uploaded: 1, Rows: 1})
		if !slices.Equal(p.asked, hours(3, 0)) {
			t.Errorf("asked for %v", p.asked)
		}
	})
}
