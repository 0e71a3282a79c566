package page

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestJobs: one job a key; it says how far it is and why it failed, and is started again
// after a while only. Jobs of different keys run one after the other.
func TestJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, end := context.WithCancel(t.Context())
		jobs := NewJobs(ctx)
		var starts atomic.Int32
		failed := errors.New("storage does not answer")
		work := func(_ context.Context, doing func(string)) error {
			starts.Add(1)
			doing("1 of 2 days")
			time.Sleep(time.Minute)
			return failed
		}
		if job := jobs.Start("march", work); !job.Running {
			t.Errorf("started: %+v", job)
		}
		synctest.Wait()
		jobs.Start("april", work)
		synctest.Wait()
		if march, april := jobs.Start("march", work), jobs.Start("april", work); march.Doing != "1 of 2 days" || !april.Running || april.Doing != "" || starts.Load() != 1 {
			t.Errorf("%d starts, march %+v, april %+v", starts.Load(), march, april)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if march, april := jobs.Start("march", work), jobs.Start("april", work); march.Running || !errors.Is(march.Err, failed) || april.Doing == "" || starts.Load() != 2 {
			t.Errorf("%d starts, march %+v, april %+v", starts.Load(), march, april)
		}
		time.Sleep(jobPause)
		if march := jobs.Start("march", work); !march.Running || starts.Load() != 2 {
			t.Errorf("%d starts, march %+v", starts.Load(), march)
		}
		end()
		jobs.Wait()
	})
}
