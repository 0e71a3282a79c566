package functionhost_test

import (
	"encoding/json"
	"testing"
	"time"
)

func timer(schedule, more string) string {
	return `{"bindings":[{"type":"timerTrigger","direction":"in","name":"tick","schedule":"` + schedule + `"` + more + `}]}`
}

// timerRig is an app with one timer, T, in a host whose time runs so many times faster.
func timerRig(t *testing.T, function string, scale int) *rig {
	r := queueRig(t, map[string]string{"host.json": hostJSON("01:00:00", ""), "T": function})
	r.opts.TimeScale = scale
	return r
}

type tick struct {
	Schedule       map[string]any
	ScheduleStatus *struct{ Last, Next, LastUpdated time.Time }
	IsPastDue      bool
}

func (r *rig) ticks() []tick {
	r.t.Helper()
	var ticks []tick
	for _, s := range r.requests() {
		var body struct{ Data struct{ Tick tick } }
		must(r.t, json.Unmarshal([]byte(s.Body), &body))
		ticks = append(ticks, body.Data.Tick)
	}
	return ticks
}

func TestTimer(t *testing.T) {
	t.Parallel()
	t.Run("a timer is due by the host's clock, and its status is kept", func(t *testing.T) {
		t.Parallel()
		begin := time.Now()
		r := timerRig(t, timer("0 */2 * * * *", ""), 60).start()
		r.finished("T", 2)
		got := r.ticks()
		first := got[0].ScheduleStatus
		if first == nil || !first.Last.IsZero() || first.Next.Before(begin) || first.Next.Minute()%2 != 0 || !first.LastUpdated.IsZero() || got[0].IsPastDue {
			t.Errorf("first run: %s", r.requests()[0].Body)
		}
		if s := got[1].ScheduleStatus; s == nil || s.Last.Before(first.Next) || !s.Next.After(s.Last) || s.Next.Sub(s.Last) > 2*time.Minute {
			t.Errorf("second run: %s", r.requests()[1].Body)
		}
		if got[0].Schedule["AdjustForDST"] != true {
			t.Errorf("schedule %v", got[0].Schedule)
		}
	})
	t.Run("a failure does not stop the schedule, and runs do not overlap", func(t *testing.T) {
		t.Parallel()
		r := queueRig(t, map[string]string{"host.json": hostJSON("01:00:00", ""), "FailingTimer": timer("0 * * * * *", "")})
		r.opts.TimeScale = 300 // a minute is 200 ms, a run takes 500 ms
		r.start()
		if got := r.finished("FailingTimer", 3); got.Failed < 3 {
			t.Errorf("%+v", got)
		}
		all := r.requests()
		for i := 1; i < len(all); i++ {
			if gap := all[i].At.Sub(all[i-1].At); gap < 500*time.Millisecond {
				t.Errorf("run %d began %v after the one before, which took 500 ms", i, gap)
			}
		}
	})
	t.Run("by hand it gets no status", func(t *testing.T) {
		t.Parallel()
		r := timerRig(t, timer("0 0 0 1 1 *", ""), 2).start()
		r.invoke("T", "")
		r.finished("T", 1)
		if got := r.ticks()[0]; got.ScheduleStatus != nil || got.IsPastDue {
			t.Errorf("%s", r.requests()[0].Body)
		}
	})
}
