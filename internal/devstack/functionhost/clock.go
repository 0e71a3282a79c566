package functionhost

import (
	"context"
	"time"
)

// clock tells host time: real time run faster by a whole factor.
type clock struct {
	start time.Time // with its monotonic reading
	scale int64
}

// newClock makes a clock that reads the same as the real one now.
func newClock(scale int64) *clock {
	return &clock{start: time.Now(), scale: max(scale, 1)}
}

// now is cut to the 100 ns in which the real host counts.
func (c *clock) now() time.Time {
	return c.start.Round(0).UTC().Add(time.Since(c.start) * time.Duration(c.scale)).Truncate(100 * time.Nanosecond)
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
