package agent_test

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"stackusage/agent"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// writing is a stack whose every hour has the given number of rows, made in one
// buffer, so that what is allocated is the agent's.
func writing(rows int) source {
	return source{
		subscriptions: func(context.Context) (map[string]string, error) { return nil, nil },
		hour: func(_ context.Context, _ time.Time, row func([]byte) error) (int, error) {
			head := `{"id":"/subscriptions/39c82aed-b2b7-4a66-abdb-611de00bf11e/providers/Microsoft.Commerce/UsageAggregate/`
			tail := `","properties":{"subscriptionId":"09065051-cfe9-4fcf-b90c-87f2af292fc9","usageStartTime":"2024-03-02T12:00:00+00:00","instanceData":"` + strings.Repeat("x", 500) + `"}}`
			buf := make([]byte, 0, 2048)
			for n := range rows {
				buf = append(strconv.AppendUint(append(buf[:0], head...), uint64(uint32(n)*2654435761), 16), tail...)
				if err := row(buf); err != nil {
					return 0, err
				}
			}
			return (rows + 999) / 1000, nil
		},
	}
}

var unstored = drop(func(context.Context, landing.Name, io.ReadSeekCloser) error { return nil })

// allocated is how many bytes are allocated to collect and drop one hour.
func allocated(t testing.TB, a *agent.Agent, h usage.Hour) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := a.Collect(t.Context(), h, h+1); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestMemoryDoesNotGrowWithRows(t *testing.T) {
	var got [2]uint64
	for i, rows := range []int{100, 10_000} {
		// The second hour: the first one warms the pools of others.
		a := newAgent(t, t.TempDir(), writing(rows), unstored)
		allocated(t, a, burst)
		got[i] = allocated(t, a, burst+1)
	}
	// The rows have 7 MB. What the race detector and the runtime allocate
	// meanwhile stays far below.
	if few, many := got[0], got[1]; many > few+1_000_000 {
		t.Errorf("an hour of 100 rows allocates %d bytes, one of 10,000 rows %d", few, many)
	}
}

func BenchmarkCollect(b *testing.B) {
	for _, rows := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("rows=%d", rows), func(b *testing.B) {
			a := newAgent(b, b.TempDir(), writing(rows), unstored)
			h, bytes := burst, uint64(0)
			for b.Loop() {
				bytes += allocated(b, a, h)
				h++
			}
			hours := float64(h - burst)
			b.ReportMetric(hours*float64(rows)/b.Elapsed().Seconds(), "rows/s")
			b.ReportMetric(float64(bytes)/hours, "allocated-B/hour")
		})
	}
}
