package accountpage

import (
	"fmt"
	"testing"
)

// TestBars: what is above zero and what is below are each stacked on their own side.
func TestBars(t *testing.T) {
	c, err := chartOf(dailyCosts{Currency: "USD", Days: []string{"2019-12-01"}, Meters: []meterCost{
		{MeterName: "a", Amounts: []string{"3"}}, {MeterName: "b", Amounts: []string{"-1"}}, {MeterName: "c", Amounts: []string{"1"}},
		{MeterName: "d", Amounts: []string{"0"}}, {MeterName: "e", Amounts: []string{"-1"}},
	}}, "December 2019", looks[""])
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, b := range c.Bars {
		got = append(got, fmt.Sprint(b.Y, " ", b.Height))
	}
	// From 4 at the top (14) to -2 at the bottom (230): 36 for each.
	if want := "[50.0 108.0 158.0 36.0 14.0 36.0 194.0 36.0]"; fmt.Sprint(got) != want || c.Zero.String() != "158.0" {
		t.Errorf("bars %v, want %s; zero at %s", got, want, c.Zero)
	}
	labels := ""
	for _, row := range c.Rows {
		labels += row.Label + " "
	}
	if labels != "-2 -1 0 1 2 3 4 " {
		t.Errorf("labels %s", labels)
	}
	for span, want := range map[float64]string{0.0004: "0.0001 4", 0.9: "0.2 1", 7: "1 0", 8: "2 0", 45: "10 0", 1000: "200 0"} {
		if got := fmt.Sprint(tickStep(span), " ", decimals(tickStep(span))); got != want {
			t.Errorf("labels over %g are %s apart, want %s", span, got, want)
		}
	}
}
