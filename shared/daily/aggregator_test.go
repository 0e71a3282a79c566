package daily_test

import (
	"encoding/hex"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/shared/daily"
	"stackusage/shared/usage"
)

// modelKey is what rows add by.
type modelKey struct {
	day  usage.Day
	key  usage.Key
	hour int
}

type modelSum struct {
	shown usage.Shown
	total *big.Rat
	hours usage.HourSet
	rows  int64
}

// model adds up in the plainest way: a map, and fractions.
func model(t failer, records []usage.Record) map[modelKey]*modelSum {
	sums := map[modelKey]*modelSum{}
	for _, r := range records {
		k := modelKey{r.Hour.Day(), r.Key(), r.Hour.Start().Hour()}
		m, ok := sums[k]
		if !ok {
			m = &modelSum{shown: r.Shown, total: new(big.Rat)}
			sums[k] = m
		}
		m.total.Add(m.total, rat(t, r.Quantity.String()))
		m.hours = m.hours.With(r.Hour.Start().Hour())
		m.rows++
		for _, part := range []struct{ have, new *string }{
			{&m.shown.SubscriptionID, &r.SubscriptionID}, {&m.shown.ResourceURI, &r.ResourceURI}, {&m.shown.MeterID, &r.MeterID},
			{&m.shown.Location, &r.Location}, {&m.shown.Tags, &r.Tags}, {&m.shown.AdditionalInfo, &r.AdditionalInfo},
		} {
			if *part.new < *part.have {
				*part.have = *part.new
			}
		}
	}
	return sums
}

func TestSummerAddsUpLikeTheModel(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		want := model(t, records)
		s := summer(t, base, rapid.IntRange(1, 5).Draw(t, "spill"), records)
		defer s.Close()
		got := collect(t, s.Sums())
		for _, sum := range got {
			m, ok := want[modelKey{sum.Day, sum.Key(), sum.Hours.Hours()[0]}]
			if !ok {
				t.Fatalf("a sum of no rows, or one that stands twice: %+v", sum)
			}
			delete(want, modelKey{sum.Day, sum.Key(), sum.Hours.Hours()[0]})
			if rat(t, sum.Quantity.String()).Cmp(m.total) != 0 || sum.Hours != m.hours || sum.Rows != m.rows || sum.Shown != m.shown {
				t.Fatalf("got %+v, quantity %s\nwant %+v", sum, sum.Quantity, m)
			}
		}
		if len(want) > 0 {
			t.Fatalf("%d sums are missing", len(want))
		}
		if !slices.IsSortedFunc(got, func(a, b daily.Sum) int {
			if a.Day != b.Day {
				return int(a.Day - b.Day)
			}
			return a.Key().Compare(b.Key())
		}) {
			t.Fatalf("not in order of day and key: %+v", views(got))
		}
	})
}

func TestSumsDependNeitherOnOrderNorOnSpills(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		one := summer(t, base, 1000, records)
		defer one.Close()
		other := summer(t, base, rapid.IntRange(1, 5).Draw(t, "spill"), rapid.Permutation(records).Draw(t, "order"))
		defer other.Close()
		if diff := cmp.Diff(views(collect(t, one.Sums())), views(collect(t, other.Sums()))); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestMoreRunsThanAreMergedAtOnce(t *testing.T) {
	dir := t.TempDir()
	records := manyRecords(t, 300, 2) // spill 1 writes 300 runs, more than four times what one merge opens
	s := summer(t, dir, 1, records)
	files, err := filepath.Glob(filepath.Join(dir, "*", "run-*"))
	if err != nil || len(files) == 0 || len(files) > 64 {
		t.Errorf("%d runs are kept, %v", len(files), err)
	}
	if diff := cmp.Diff(views(sumsOf(t, records...)), views(collect(t, s.Sums()))); diff != "" {
		t.Error(diff)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("Close left %v", left)
	}
}

func TestASummerWithoutRecordsHasNoSumsAndNoDays(t *testing.T) {
	s := summer(t, t.TempDir(), 10, nil)
	defer s.Close()
	if sums := collect(t, s.Sums()); len(sums) != 0 {
		t.Errorf("got %v", sums)
	}
	s = summer(t, t.TempDir(), 10, nil)
	defer s.Close()
	for day := range s.Days() {
		t.Errorf("got %s", day)
	}
}

func TestASummerNeedsItsFolder(t *testing.T) {
	if s, err := daily.NewAggregator(filepath.Join(t.TempDir(), "none"), 10, nil); err == nil {
		s.Close()
		t.Error("a folder that does not exist was taken")
	}
	dir := t.TempDir()
	s := summer(t, dir, 1, nil)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	err := s.Add(record(t, shown(), "2019-12-10T18:00:00Z", "1"))
	for _, later := range s.Sums() { // it may be written while rows are read
		err = later
	}
	if err == nil {
		t.Error("a sum that could not be written was taken")
	}
}

func TestDaysAreTheSumsDayByDay(t *testing.T) {
	base := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		records := drawRecords(t)
		spill := rapid.IntRange(1, 5).Draw(t, "spill")
		s := summer(t, base, spill, records)
		defer s.Close()
		again := summer(t, base, 1000, records)
		defer again.Close()
		var got []daily.Sum
		last := usage.Day(-1)
		for day, sums := range s.Days() {
			if day <= last {
				t.Fatalf("%s comes after %s", day, last)
			}
			last = day
			of := collect(t, sums)
			if len(of) == 0 {
				t.Fatalf("%s has no sums", day)
			}
			for _, sum := range of {
				if sum.Day != day {
					t.Fatalf("a sum of %s under %s", sum.Day, day)
				}
			}
			got = append(got, of...)
		}
		if diff := cmp.Diff(views(collect(t, again.Sums())), views(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func TestARunThatCannotBeReadIsAnErrorOfTheDayAtHand(t *testing.T) {
	dir := t.TempDir()
	var records []usage.Record
	for i, uri := range []string{"/a", "/b", "/c", "/d", "/e"} { // with texts that cannot be made shorter
		noise := make([]byte, 100<<10)
		rand.NewChaCha8([32]byte{byte(i)}).Read(noise)
		records = append(records, record(t, usage.Shown{ResourceURI: uri, Tags: hex.EncodeToString(noise)}, "2019-12-10T18:00:00Z", "1"))
	}
	s := summer(t, dir, 3, records)
	defer s.Close()
	// The first run is written: the next two records waited for it. Its second file has the third one.
	files, err := filepath.Glob(filepath.Join(dir, "*", "run-000002"))
	if err != nil || len(files) == 0 {
		t.Fatal("no run", err)
	}
	if err := os.Truncate(files[0], 100); err != nil {
		t.Fatal(err)
	}
	var found error
	for day, sums := range s.Days() {
		if day != records[0].Hour.Day() {
			t.Errorf("the error became a day, %s", day)
		}
		for _, err := range sums {
			found = err
		}
	}
	if found == nil || !strings.Contains(found.Error(), "read run") {
		t.Errorf("the day ended as if its sums were all there: %v", found)
	}
}

func BenchmarkSummer(b *testing.B) {
	const rows = 20_000
	records := manyRecords(b, rows, 2)
	for name, spill := range map[string]int{"in memory": rows, "spilling": 1000} {
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir()
			b.ReportAllocs()
			for b.Loop() {
				s := summer(b, dir, spill, records)
				n := 0
				for _, err := range s.Sums() {
					if err != nil {
						b.Fatal(err)
					}
					n++
				}
				if err := s.Close(); err != nil || n != rows/2 {
					b.Fatal(n, err)
				}
			}
			b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
