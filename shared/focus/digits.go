package focus

import (
	"math/big"
	"strings"

	"stackusage/shared/parquet"
)

// fit finds how many digits behind the point a column can have.
type fit struct{ whole, fraction int } // digits of the values so far, at most

// add takes note of a value; false if its whole digits are too many.
func (f *fit) add(text string) bool {
	whole, fraction := digits(text)
	if limit := parquet.MaxDigits - whole; limit >= 0 && fraction > limit {
		n, _ := unscaled(text, limit) // 9.99 may become 10.0
		whole = max(whole, len(new(big.Int).Abs(n).String())-limit)
	}
	f.whole, f.fraction = max(f.whole, whole), max(f.fraction, fraction)
	return whole <= parquet.MaxDigits
}

// places is the smallest number of digits behind the point that keeps every value, or
// what the whole digits leave.
func (f fit) places() int { return min(f.fraction, parquet.MaxDigits-f.whole) }

// digits counts those of a canonical decimal before and behind the point. 0 before it is
// none.
func digits(text string) (whole, fraction int) {
	before, behind, _ := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	return len(strings.TrimLeft(before, "0")), len(behind)
}

// unscaled is a canonical decimal times ten to the power of scale, rounded half to even.
func unscaled(text string, scale int) (n *big.Int, exact bool) {
	before, behind, _ := strings.Cut(text, ".")
	if len(behind) <= scale {
		n, _ = new(big.Int).SetString(before+behind+strings.Repeat("0", scale-len(behind)), 10)
		return n, true
	}
	n, _ = new(big.Int).SetString(before+behind, 10)
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(len(behind)-scale)), nil)
	n, rest := n.QuoRem(n, unit, new(big.Int)) // towards zero
	away := rest.Sign()
	half := rest.Abs(rest).Lsh(rest, 1).Cmp(unit)
	if half > 0 || half == 0 && n.Bit(0) == 1 {
		n.Add(n, big.NewInt(int64(away)))
	}
	return n, false
}

// show is n divided by ten to the power of scale.
func show(n *big.Int, scale int) string {
	text := new(big.Int).Abs(n).String()
	if pad := scale + 1 - len(text); pad > 0 {
		text = strings.Repeat("0", pad) + text
	}
	if scale > 0 {
		text = text[:len(text)-scale] + "." + text[len(text)-scale:]
	}
	if n.Sign() < 0 {
		return "-" + text
	}
	return text
}
