package usagereport_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/shared/daily"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// folder keeps blobs on disk: what is measured is the report's memory, not storage's.
type folder string

func (f folder) Put(_ context.Context, container, name string, body io.ReadSeekCloser, _ int64) error {
	path := filepath.Join(string(f), container, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, body)
	return err
}

func (f folder) Open(_ context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	file, err := os.Open(filepath.Join(string(f), container, name))
	return file, time.Time{}, err
}

// bigMonth is a day with a line of each of so many resources.
func bigMonth(t testing.TB, resources int) *scene {
	t.Helper()
	s := newScene(t)
	blobs := folder(t.TempDir())
	s.Blobs, s.reader.Blobs = blobs, blobs
	quantity, err := usage.ParseQuantity("1.0000000000000001")
	ok(t, err)
	day := month(t, "2024-03").First()
	file, err := os.Create(filepath.Join(t.TempDir(), "partial"))
	ok(t, err)
	defer file.Close()
	_, err = daily.WritePartial(file, daily.PartialHeader{CloudID: cloudID, UsageDay: day}, func(yield func(daily.Sum, error) bool) {
		for i := range resources {
			uri := fmt.Sprintf("/subscriptions/%s/resourceGroups/group-%04d/providers/Microsoft.Compute/virtualMachines/machine-%07d", subA, i/1000, i)
			if !yield(daily.Sum{Shown: usage.Shown{SubscriptionID: subA, MeterID: baseVM, ResourceURI: uri, Tags: `{"dept":"it"}`}, Quantity: quantity, Rows: 24, Hours: 1}, nil) {
				return
			}
		}
	})
	ok(t, err)
	_, err = file.Seek(0, io.SeekStart)
	ok(t, err)
	partial, err := daily.OpenPartial(file)
	ok(t, err)
	ok(t, s.Close(t.Context(), day, closeddays.Revision{Sums: partial.Sums(), FewRows: true}))
	s.Stack = closeddays.Stack{} // it holds what it has written
	return s
}

// peak is the most memory that fn has on the heap, in MB, beyond what was there.
func peak(fn func()) float64 {
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	most := before.HeapAlloc
	done := make(chan bool)
	sampled := make(chan bool)
	go func() {
		defer close(sampled)
		for {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				runtime.ReadMemStats(&now)
				most = max(most, now.HeapAlloc)
			}
		}
	}()
	fn()
	close(done)
	<-sampled
	return float64(most-before.HeapAlloc) / (1 << 20)
}

func readAll(t testing.TB, rows iter.Seq2[usagereport.Row, error]) (n int) {
	t.Helper()
	for _, err := range rows {
		ok(t, err)
		n++
	}
	return n
}

// TestMemoryGrowsWithNeitherLinesNorGroups: four times as many resources and lines take
// the same memory, but for the buffers of the runs that are merged, and far less than
// their sums would. BenchmarkMonth measures more of them.
func TestMemoryGrowsWithNeitherLinesNorGroups(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(10)) // little of what is on the heap is garbage
	small, big, whole := measured(t, 3000, 1000), measured(t, 12_000, 1000), measured(t, 12_000, 30_000)
	t.Logf("%.1f MB for 3,000 lines, %.1f MB for 12,000, %.1f MB if their sums are in memory", small, big, whole)
	if big > small+4 || big > whole/3 {
		t.Errorf("%.1f MB for 3,000 lines, %.1f MB for 12,000, %.1f MB if their sums are in memory", small, big, whole)
	}
}

// measured is the memory that a report by resource takes.
func measured(t testing.TB, resources, spill int) float64 {
	s := bigMonth(t, resources)
	if b, is := t.(*testing.B); is {
		b.ResetTimer()
	}
	defer runtime.KeepAlive(s)
	return peak(func() {
		o := s.options(t, "resource")
		o.Spill = spill
		r, err := usagereport.Run(t.Context(), s.reader, o)
		ok(t, err)
		defer r.Close()
		if n := readAll(t, r.Rows()); n != resources || r.Lines != int64(resources) {
			t.Errorf("%d rows of %d lines", n, r.Lines)
		}
	})
}

// BenchmarkMonth reads a month by resource.
func BenchmarkMonth(b *testing.B) {
	for _, resources := range []int{10_000, 100_000} {
		b.Run(fmt.Sprintf("%d resources", resources), func(b *testing.B) {
			for range b.N {
				b.ReportMetric(measured(b, resources, 0), "MB")
			}
			b.ReportMetric(float64(b.N)*float64(resources)/b.Elapsed().Seconds(), "lines/s")
		})
	}
}
