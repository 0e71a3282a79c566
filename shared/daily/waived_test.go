package daily

import (
	"testing"

	"stackusage/shared/usage"
)

// What is waived is never more than the difference, and never turns it round.
func TestWaiving(t *testing.T) {
	t.Parallel()
	q := func(text string) usage.Quantity {
		t.Helper()
		v, err := usage.ParseSum(text)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		w                        Waiving
		before, difference, want string
	}{
		{WaivedKept, "6", "6", "6"},
		{WaivedKept, "6", "8", "6"},
		{WaivedKept, "6", "3", "3"},
		{WaivedKept, "6", "0", "0"},
		{WaivedKept, "6", "-4", "0"},
		{WaivedKept, "-10", "-10", "-10"},
		{WaivedKept, "-10", "-9", "-9"},
		{WaivedKept, "-10", "-12", "-10"},
		{WaivedKept, "-10", "1", "0"},
		{WaivedKept, "0", "5", "0"},
		{WaivedAll, "2", "-5.5", "-5.5"},
		{WaivedAll, "2", "0", "0"},
		{WaivedNone, "2", "2", "0"},
	} {
		if got := c.w.of(q(c.before), q(c.difference)); got.String() != c.want {
			t.Errorf("%q of %s with a difference of %s is %s, want %s", c.w, c.before, c.difference, got, c.want)
		}
	}
}
