package daily_test

import (
	"path/filepath"
	"strings"
	"testing"

	"stackusage/shared/daily"
	"stackusage/shared/usage"
)

// Few sums may hold much text: they spill by bytes too.
func TestSummerSpillsByBytes(t *testing.T) {
	dir := t.TempDir()
	s, err := daily.NewAggregator(dir, 1_000_000, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const rows = 800
	for i := range rows {
		r := record(t, shown(), "2019-12-10T18:00:00Z", "1")
		r.Tags = strings.Repeat("x", 200<<10) + string(rune('a'+i%26)) + strings.Repeat("y", i)
		if err := s.Add(r); err != nil {
			t.Fatal(err)
		}
	}
	runs, err := filepath.Glob(filepath.Join(dir, "*", "run-*"))
	if err != nil || len(runs) < 2 {
		t.Errorf("%d runs, %v; 160 MB of tags must not stay in memory", len(runs), err)
	}
	var total usage.Quantity
	for sum, err := range s.Sums() {
		if err != nil {
			t.Fatal(err)
		}
		total = total.Add(sum.Quantity)
	}
	if total.String() != "800" {
		t.Errorf("sum %s", total)
	}
}
