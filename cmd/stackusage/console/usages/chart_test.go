package usages

import (
	"math/big"
	"strings"
	"testing"

	"stackusage/shared/usage"
)

func quantity(t *testing.T, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseSum(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func number(t *testing.T, text string) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(strings.TrimSuffix(text, "%"))
	if !ok {
		t.Fatalf("%q is no number", text)
	}
	return r
}

// TestGeometry: the segments of a day lie on one another without a gap, and their heights
// add up to the height of the day's sum; what is negative hangs below the axis.
func TestGeometry(t *testing.T) {
	first := usage.Day(19783)
	days := []usage.Day{first, first + 1, first + 2}
	all := []series{
		{Label: "a", Number: 1, Days: map[usage.Day]usage.Quantity{first: quantity(t, "10.333333333333"), first + 1: quantity(t, "5")}},
		{Label: "b", Number: 2, Days: map[usage.Day]usage.Quantity{first: quantity(t, "0.1"), first + 1: quantity(t, "-7")}},
		{Label: "others", Days: map[usage.Day]usage.Quantity{first: quantity(t, "3.0000001"), first + 1: quantity(t, "0.0000001")}},
	}
	f := draw(days, all, "USD", map[usage.Day][]dayMark{first + 2: {{dayOpen, "open"}, {notClosed, "hamburg: not closed yet"}}}, func(usage.Day) string { return "" })
	// From -10 to 15 in steps of 5: 9.2 pixels a dollar.
	if len(f.Ticks) != 6 || f.Ticks[0].Text != "-10" || f.Ticks[5].Text != "15" || f.Ticks[5].Y != "8" || f.Zero != "146" {
		t.Fatalf("axis: %+v, zero at %s", f.Ticks, f.Zero)
	}
	at, sum := number(t, f.Zero), new(big.Rat)
	for _, s := range f.Bars[0].Segments {
		height := number(t, s.Height)
		if end := new(big.Rat).Add(number(t, s.Y), height); end.Cmp(at) != 0 {
			t.Errorf("a segment ends at %s, and the one below begins at %s", end.FloatString(4), at.FloatString(4))
		}
		at = number(t, s.Y)
		sum.Add(sum, height)
	}
	exact := new(big.Rat).Mul(number(t, "13.433333433333"), big.NewRat(92, 10))
	if off := exact.Sub(exact, sum); off.Abs(off).Cmp(big.NewRat(1, 100)) > 0 {
		t.Errorf("the segments of the first day are %s high, off by %s", sum.FloatString(2), off.FloatString(4))
	}
	second := f.Bars[1]
	if len(second.Segments) != 2 || second.Segments[0].Y != "100" || second.Segments[0].Height != "46" || second.Segments[1].Y != "146" || second.Segments[1].Height != "64.4" || second.Net != "164.4" {
		t.Errorf("second day: %+v", second)
	}
	if want := "2024-03-02: -1.9999999 USD"; second.Title != want {
		t.Errorf("title %q, want %q", second.Title, want)
	}
	if third := f.Bars[2]; third.Hatch != notClosed || third.Title != "2024-03-03: 0 USD; hamburg: not closed yet; open" || len(third.Segments) != 0 || third.X != "72%" || third.HatchX != "66.67%" {
		t.Errorf("third day: %+v", third)
	}
}

// TestAxis: round steps, also of very small and of very big numbers, and of none.
func TestAxis(t *testing.T) {
	for _, c := range []struct{ low, high, want string }{
		{"0", "0", "0"},
		{"0", "0.00007", "0 0.00002 0.00004 0.00006 0.00008"},
		{"0", "1", "0 0.2 0.4 0.6 0.8 1"},
		{"0", "987654321", "0 200,000,000 400,000,000 600,000,000 800,000,000 1,000,000,000"},
		{"-3", "0", "-3 -2 -1 0"},
		{"0", "40", "0 10 20 30 40"},
	} {
		var texts []string
		for _, tick := range scaleOf(number(t, c.low), number(t, c.high)).ticks() {
			texts = append(texts, tick.Text)
		}
		if got := strings.Join(texts, " "); got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.low, c.high, got, c.want)
		}
	}
}
