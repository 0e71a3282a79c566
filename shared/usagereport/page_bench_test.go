package usagereport_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"stackusage/internal/closeddays"
	"stackusage/shared/daily"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// millionLines is a month of 10,000 resources of 200 subscriptions: each has three or four
// meters a day. Rows are in tables in memory, blobs on disk.
func millionLines(t testing.TB, resources int) *scene {
	t.Helper()
	s := newScene(t)
	blobs := folder(t.TempDir())
	s.Blobs, s.reader.Blobs = blobs, blobs
	meters := []string{tables, baseVM, windowsVM, addresses}
	slices.Sort(meters)
	m := month(t, "2024-03")
	for day := m.First(); day < m.First()+30; day++ {
		file, err := os.Create(filepath.Join(t.TempDir(), "partial"))
		ok(t, err)
		_, err = daily.WritePartial(file, daily.PartialHeader{CloudID: cloudID, UsageDay: day}, func(yield func(daily.Sum, error) bool) {
			for i := range resources {
				sub := fmt.Sprintf("%08x-1111-4111-8111-111111111111", i/(resources/200))
				uri := fmt.Sprintf("/subscriptions/%s/resourceGroups/group-%04d/providers/Microsoft.Compute/virtualMachines/Machine-%07d", sub, i/20, i)
				for k, id := range meters {
					if k == 3 && i%3 > 0 {
						continue
					}
					quantity, err := usage.ParseQuantity(fmt.Sprintf("%d.%015d", 1+i%24, int64(i)*int64(day)*7919%999_999_999_999_999))
					if err != nil || !yield(daily.Sum{Shown: usage.Shown{SubscriptionID: sub, MeterID: id, ResourceURI: uri, Tags: fmt.Sprintf(`{"dept":"d%02d","env":"prod"}`, i%40)}, Quantity: quantity, Rows: 24, Hours: 1}, err) {
						return
					}
				}
			}
		})
		ok(t, err)
		_, err = file.Seek(0, 0)
		ok(t, err)
		partial, err := daily.OpenPartial(file)
		ok(t, err)
		ok(t, s.Close(t.Context(), day, closeddays.Revision{Sums: partial.Sums(), FewRows: true}))
		s.Stack = closeddays.Stack{CloudID: s.CloudID, Tables: s.Tables, Blobs: s.Blobs, Meters: s.Meters, Billing: s.Billing, Model: s.Model, Tenants: s.Tenants, TempDir: s.TempDir}
		ok(t, file.Close())
	}
	return s
}

// BenchmarkPage is the first page of a month of 10,000 resources and a million lines:
// 50 rows with their days, cold (nothing was read before) and warm, and the reading itself.
func BenchmarkPage(b *testing.B) {
	s := millionLines(b, 10_000)
	page := func(o usagereport.Options) (*usagereport.Report, int) {
		r, err := usagereport.Run(b.Context(), s.reader, o)
		ok(b, err)
		defer r.Close()
		return r, readAll(b, r.Rows())
	}
	cache := cacheIn(b, b.TempDir())
	options := func(by string) usagereport.Options {
		o := s.options(b, by)
		o.Top, o.PerDay, o.Cache, o.CachedOnly = 50, true, cache, true
		return o
	}
	b.Run("cold", func(b *testing.B) {
		for range b.N {
			if r, _ := page(options("resource")); len(r.Unread) != 30 {
				b.Fatalf("%d days are unread", len(r.Unread))
			}
		}
	})
	b.Run("fill", func(b *testing.B) {
		defer debug.SetGCPercent(debug.SetGCPercent(50))
		for range b.N {
			o := options("resource")
			folder := filepath.Join(b.TempDir(), fmt.Sprint(time.Now().UnixNano()))
			o.Cache = cacheIn(b, folder)
			b.ReportMetric(peak(func() { ok(b, usagereport.Fill(b.Context(), s.reader, o, nil)) }), "peak-MB")
			b.ReportMetric(sizeOf(b, folder), "files-MB")
		}
	})
	ok(b, usagereport.Fill(b.Context(), s.reader, options("resource"), nil))
	for _, by := range []string{"meter", "subscription", "resource", "resource,meter", "tag:dept", "day"} {
		b.Run("warm by "+by, func(b *testing.B) {
			most := 0.0
			for range b.N {
				r, n := page(options(by))
				if r.Lines != 1_000_020 || len(r.Unread) > 0 || n == 0 {
					b.Fatalf("%d rows of %d lines, %d days unread", n, r.Lines, len(r.Unread))
				}
			}
			b.StopTimer()
			most = peak(func() { page(options(by)) })
			b.ReportMetric(most, "peak-MB")
		})
	}
	b.Run("warm one resource by meter", func(b *testing.B) {
		for range b.N {
			o := options("meter")
			o.Only.Resource = "/subscriptions/00000000-1111-4111-8111-111111111111/resourceGroups/group-0001/providers/Microsoft.Compute/virtualMachines/machine-0000021"
			if r, _ := page(o); r.Lines == 0 {
				b.Fatal("no lines")
			}
		}
	})
}

// sizeOf is the size of the files in a folder, in MiB.
func sizeOf(t testing.TB, dir string) (size float64) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	ok(t, err)
	for _, e := range entries {
		info, err := e.Info()
		ok(t, err)
		size += float64(info.Size()) / (1 << 20)
	}
	return size
}
