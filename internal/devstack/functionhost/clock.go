package functionhost

import (
	"context"
	"time"
)

// clock tells host time: real time run faster by a whole factor.
type clock struct {
	start time.Time // real, with its monotonic reading
	base  time.Time // host time at start
	scale int64
}

// newClock makes a clock that read the same as the real one at epoch, or reads
// the same now if epoch is zero.
func newClock(epoch time.Time, scale int64) *clock {
	c := &clock{start: time.Now(), scale: max(scale, 1)}
	c.base = c.start.Round(0)
	if !epoch.IsZero() {
		c.base = epoch.Add(c.start.Sub(epoch) * time.Duration(c.scale))
	}
	c.base = c.base.UTC()
	return c
}

// now is cut to the 100 ns in which the real host counts, so that a time
// survives being written to the status blob.
func (c *clock) now() time.Time {
	return c.base.Add(time.Since(c.start) * time.Duration(c.scale)).Truncate(100 * time.Nanosecond)
}

// real is how long host duration d takes.
func (c *clock) real(d time.Duration) time.Duration {
	if d <= 0 {
		return 0
	}
	return max(d/time.Duration(c.scale), 1)
}

// seconds is host duration d as storage takes it: whole real seconds, rounded
// up, so that only a duration of zero becomes zero.
func (c *clock) seconds(d time.Duration) int32 {
	return int32((c.real(d) + time.Second - 1) / time.Second)
}

// sleep waits for host duration d, or until ctx ends, and says which.
func (c *clock) sleep(ctx context.Context, d time.Duration) error {
	return sleep(ctx, c.real(d))
}

func sleep(ctx context.Context, real time.Duration) error {
	t := time.NewTimer(real)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-t.C:
		return nil
	}
}
