package agent_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"stackusage/agent"
	"stackusage/agent/blobs"
	"stackusage/agent/stackapi"
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

var unstored = upload(func(context.Context, landing.Name, io.ReadSeekCloser) error { return nil })

// allocated is how many bytes are allocated to collect and upload one hour.
func allocated(t testing.TB, a *agent.Agent, h usage.Hour) uint64 {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, err := collect(t.Context(), a, h, h+1); err != nil {
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

// endless is a stack that serves an hour of the given number of rows, 1,000 a
// page, from one buffer a page: what memory an hour takes is then the agent's.
func endless(t testing.TB, rows int) agent.Source {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/subscriptions") {
			io.WriteString(w, `{"value":[]}`)
			return
		}
		from, _ := strconv.Atoi(r.URL.Query().Get("from"))
		to := min(from+1000, rows)
		out := bufio.NewWriterSize(w, 64<<10)
		defer out.Flush()
		out.WriteString(`{"value":[`)
		for n := from; n < to; n++ {
			if n > from {
				out.WriteByte(',')
			}
			fmt.Fprintf(out, `{"id":"/subscriptions/39c82aed-b2b7-4a66-abdb-611de00bf11e/providers/Microsoft.Commerce/UsageAggregate/%[1]s-6dab500f-a4fd-49c4-956d-229bb9c8c793","name":"%[1]s-6dab500f-a4fd-49c4-956d-229bb9c8c793","type":"Microsoft.Commerce/UsageAggregate","properties":{"subscriptionId":"%[1]s","usageStartTime":"2024-03-02T12:00:00+00:00","usageEndTime":"2024-03-02T13:00:00+00:00","instanceData":"{\"Microsoft.Resources\":{\"resourceUri\":\"/subscriptions/%[1]s/resourceGroups/rg%[2]d/providers/Microsoft.Compute/virtualMachines/vm%[2]d\",\"location\":\"local\",\"tags\":\"null\",\"additionalInfo\":\"\"}}","quantity":%[2]d.25,"meterId":"6dab500f-a4fd-49c4-956d-229bb9c8c793"}}`,
				subscriber(n/50), n)
		}
		out.WriteByte(']')
		if to < rows {
			fmt.Fprintf(out, `,"nextLink":"http://%s%s?from=%d"`, r.Host, r.URL.Path, to)
		}
		out.WriteByte('}')
	}))
	t.Cleanup(server.Close)
	client, err := stackapi.New(stackapi.Config{Endpoint: server.URL, ProviderSubscription: "39c82aed-b2b7-4a66-abdb-611de00bf11e"})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// peakHeap is the most memory in use in the heap while fn runs, in bytes: what
// the runtime holds for objects, dead ones that are not yet swept included.
func peakHeap(fn func()) uint64 {
	var stop atomic.Bool
	peak := make(chan uint64)
	go func() {
		most := uint64(0)
		for !stop.Load() {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			time.Sleep(5 * time.Millisecond)
		}
		peak <- most
	}()
	fn()
	stop.Store(true)
	return <-peak
}

func TestALargeHourTakesLittleMemory(t *testing.T) {
	const rows, bound = 60_000, 40 << 20 // the rows have 51 MB
	a := newAgent(t, t.TempDir(), endless(t, rows), blobs.Storage{Client: box(t)})
	var report agent.Report
	var err error
	peak := peakHeap(func() { report, err = collect(t.Context(), a, burst, burst+1) })
	if err != nil || report.Rows != rows {
		t.Fatalf("%+v, %v", report, err)
	}
	t.Logf("%d rows: at most %d MiB of heap", rows, peak>>20)
	if peak > bound {
		t.Errorf("%d MiB of heap for an hour of %d rows, want under %d MiB", peak>>20, rows, bound>>20)
	}
}
