package usagesums

import (
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/usage"
)

// TestQuantitiesAreReadBack: of any length.
func TestQuantitiesAreReadBack(t *testing.T) {
	number := rapid.StringMatching(`-?(0|[1-9][0-9]{0,19})(\.[0-9]{1,20})?`)
	long := rapid.StringMatching(`-?[1-9][0-9]{0,90}(\.[0-9]{0,39}[1-9])?`)
	rapid.Check(t, func(rt *rapid.T) {
		var sum, want usage.Quantity
		for range rapid.IntRange(0, 60).Draw(rt, "numbers") {
			text := number.Draw(rt, "number")
			if rapid.IntRange(0, 9).Draw(rt, "long") == 0 {
				text = long.Draw(rt, "long number")
			}
			q, err := usage.ParseForeignSum(text)
			if err != nil {
				rt.Fatal(err)
			}
			var e encoder
			e.quantity(q)
			r := reader{b: e.b}
			n := r.quantity()
			if r.bad || r.p != len(e.b) || n.String() != q.String() {
				rt.Fatalf("%s is not read back", q)
			}
			sum = sum.Add(n)
			want = want.Add(q)
		}
		if got := sum; !got.Equal(want) || got.String() != want.String() {
			rt.Fatalf("got %s, want %s", got, want)
		}
	})
}
