package focus

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/parquet"
	"stackusage/shared/usage"
)

// TestDigits: whatever values a column has, the places that are found keep all of them
// or, where the digits are too many, the value next to each, and 38 digits are enough.
func TestDigits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var f fit
		var values []string
		for _, text := range rapid.SliceOfN(rapid.StringMatching(`-?(0|[19][0-9]{0,37})(\.[0-9]{0,39}[1-9])?`), 1, 5).Draw(t, "values") {
			q, err := usage.ParseSum(text)
			if err != nil || !f.add(q.String()) {
				continue // -0, or 38 nines that become 39 digits
			}
			values = append(values, text)
		}
		if len(values) == 0 {
			return
		}
		if f.whole > parquet.MaxDigits {
			return // of one that was refused
		}
		places := f.places()
		half := new(big.Rat).SetFrac(big.NewInt(1), new(big.Int).Mul(big.NewInt(2), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(places)), nil)))
		for _, text := range values {
			n, exact := unscaled(text, places)
			if len(strings.TrimPrefix(n.String(), "-")) > parquet.MaxDigits {
				t.Fatalf("%s at %d places: %s has too many digits", text, places, n)
			}
			want, _ := new(big.Rat).SetString(text)
			got, _ := new(big.Rat).SetString(show(n, places))
			off := new(big.Rat).Sub(got, want)
			if off.Abs(off).Cmp(half) > 0 || exact != (off.Sign() == 0) || off.Cmp(half) == 0 && n.Bit(0) == 1 {
				t.Fatalf("%s at %d places: %s, exact %v", text, places, show(n, places), exact)
			}
			if _, fraction := digits(text); exact != (fraction <= places) {
				t.Fatalf("%s at %d places: exact %v", text, places, exact)
			}
		}
	})
}
