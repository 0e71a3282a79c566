package page

import (
	"math"
	"strings"
	"testing"
)

// TestSparkline: a line from 0 or from the least number, one point for each number; labels
// of others are escaped.
func TestSparkline(t *testing.T) {
	for _, c := range []struct {
		name    string
		numbers []int64
		want    string
	}{
		{"rising", []int64{0, 5, 10}, `points="3,37 120,20 237,3"`},
		{"below 0", []int64{-10, 10}, `points="3,37 237,3"`},
		{"the line of 0", []int64{-10, 10}, `y1="20" y2="20"`},
		{"all 0", []int64{0, 0}, `points="3,37 237,37"`},
		{"one", []int64{7}, `points="3,3 237,3"`},
		{"the biggest numbers", []int64{math.MinInt64, math.MaxInt64}, `points="3,37 237,3"`},
		{"label", []int64{1}, `aria-label="&lt;script&gt;&#34;"`},
	} {
		if got := string(Sparkline(c.numbers, `<script>"`)); !strings.Contains(got, c.want) || strings.Contains(got, "<script>") {
			t.Errorf("%s: got %s, want %s in it", c.name, got, c.want)
		}
	}
	if got := Sparkline(nil, "rows"); got != "" {
		t.Errorf("no numbers: %s", got)
	}
}
