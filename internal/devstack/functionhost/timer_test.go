package functionhost_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
)

func timer(schedule, more string) string {
	return `{"bindings":[{"type":"timerTrigger","direction":"in","name":"tick","schedule":"` + schedule + `"` + more + `}]}`
}

// timerRig is an app with one timer, T, in a host whose clock begins at the
// given instant and runs so many times faster.
func timerRig(t *testing.T, function string, at time.Time, scale int) *rig {
	r := queueRig(t, map[string]string{"host.json": hostJSON("01:00:00", ""), "T": function})
	r.opts.Settings["AzureFunctionsWebHost__hostid"] = "timers"
	r.opts.TimeScale = scale
	r.setClock(at)
	return r
}

// setClock makes the next start begin at host time at.
func (r *rig) setClock(at time.Time) {
	// Host time is Epoch + (now - Epoch) * scale.
	now := time.Now()
	r.opts.Epoch = now.Add(-at.Sub(now) / time.Duration(max(r.opts.TimeScale-1, 1)))
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

const statusBlob = "timers/timers/Host.Functions.T/status"

func (r *rig) blobs() *azblob.Client {
	r.t.Helper()
	c, err := azblob.NewClientFromConnectionString(r.opts.Settings["AzureWebJobsStorage"], nil)
	must(r.t, err)
	return c
}

func (r *rig) status() string {
	buf := make([]byte, 1000)
	n, err := r.blobs().DownloadBuffer(context.Background(), "azure-webjobs-hosts", statusBlob, buf, nil)
	if err != nil {
		return ""
	}
	return string(buf[:n])
}

func (r *rig) setStatus(text string) {
	r.t.Helper()
	c := r.blobs()
	_, err := c.CreateContainer(context.Background(), "azure-webjobs-hosts", nil)
	must(r.t, err)
	_, err = c.UploadBuffer(context.Background(), "azure-webjobs-hosts", statusBlob, []byte(text), nil)
	must(r.t, err)
}

func TestTimer(t *testing.T) {
	t.Parallel()
	// Half a minute before the hour, so that a scale of 60 is due in half a second.
	noon := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	start := noon.Add(-30 * time.Second)
	never := time.Time{}

	t.Run("a timer is due by the host's clock, and its status is kept", func(t *testing.T) {
		t.Parallel()
		r := timerRig(t, timer("0 */2 * * * *", ""), noon.Add(-time.Minute), 60).start()
		r.eventually("a first status", func() bool { return r.status() != "" })
		var first struct{ Last, Next, LastUpdated time.Time }
		must(t, json.Unmarshal([]byte(r.status()), &first))
		if !first.Last.Equal(never) || !first.Next.Equal(noon) || first.LastUpdated.Before(noon.Add(-time.Minute)) {
			t.Errorf("first status %s", r.status())
		}
		r.finished("T", 2)
		got := r.ticks()
		if s := got[0].ScheduleStatus; s == nil || !s.Last.Equal(never) || !s.Next.Equal(noon) || !s.LastUpdated.Equal(never) || got[0].IsPastDue {
			t.Errorf("first run: %s", r.requests()[0].Body)
		}
		if s := got[1].ScheduleStatus; s == nil || s.Last.Before(noon) || !s.Next.After(s.Last) || s.Next.Sub(s.Last) > 2*time.Minute {
			t.Errorf("second run: %s", r.requests()[1].Body)
		}
		if got[0].Schedule["AdjustForDST"] != true {
			t.Errorf("schedule %v", got[0].Schedule)
		}
	})
	t.Run("a missed run is made up for once, past due", func(t *testing.T) {
		t.Parallel()
		r := timerRig(t, timer("0 0 * * * *", ""), noon.Add(5*time.Hour+time.Minute), 2)
		r.setStatus(`{"Last":"2026-11-22T11:00:00.5+00:00","Next":"2026-11-22T12:00:00+00:00","LastUpdated":"2026-11-22T11:00:00.5+00:00"}`)
		r.start()
		r.finished("T", 1)
		got := r.ticks()[0]
		if !got.IsPastDue || !got.ScheduleStatus.Next.Equal(noon) {
			t.Errorf("%s", r.requests()[0].Body)
		}
		r.eventually("the next status", func() bool {
			var s struct{ Next time.Time }
			return json.Unmarshal([]byte(r.status()), &s) == nil && s.Next.Equal(noon.Add(6*time.Hour))
		})
		time.Sleep(200 * time.Millisecond)
		if n := len(r.requests()); n != 1 {
			t.Errorf("%d runs, want one for all that were missed", n)
		}
	})
	t.Run("a run missed by a changed schedule is not made up for", func(t *testing.T) {
		t.Parallel()
		r := timerRig(t, timer("0 0 * * * *", ""), noon.Add(time.Minute), 2)
		r.setStatus(`{"Last":"2026-11-22T11:00:00+00:00","Next":"2026-11-22T11:15:00+00:00","LastUpdated":"2026-11-22T11:00:00+00:00"}`)
		r.start()
		r.eventually("the corrected status", func() bool {
			var s struct{ Next time.Time }
			return json.Unmarshal([]byte(r.status()), &s) == nil && s.Next.Equal(noon.Add(time.Hour))
		})
		if n := r.stats("T").Invocations; n != 0 {
			t.Errorf("%d runs", n)
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
		r := timerRig(t, timer("0 0 0 1 1 *", ""), start, 2).start()
		r.invoke("T", "")
		r.finished("T", 1)
		if got := r.ticks()[0]; got.ScheduleStatus != nil || got.IsPastDue {
			t.Errorf("%s", r.requests()[0].Body)
		}
	})
}
