package cli

import (
	"strings"

	"github.com/cockroachdb/apd/v3"

	"stackusage/shared/usage"
)

// Rounded is a number as a table shows it: at least min decimals, at most max, rounded
// half to even, thousands apart. One that would be shown as 0 is <0.01, or >-0.01.
// rounded reports whether digits were left out.
func Rounded(q usage.Quantity, min, max int) (text string, rounded bool) {
	exact, _, err := apd.NewFromString(q.String())
	if err != nil { // it is a number
		return q.String(), false
	}
	digits := apd.BaseContext.WithPrecision(1000) // a quantity has far fewer
	digits.Rounding = apd.RoundHalfEven
	var d apd.Decimal
	_, _ = digits.Quantize(&d, exact, -int32(max))
	mark := ""
	if rounded = d.Cmp(exact) != 0; rounded && d.IsZero() {
		mark = map[int]string{1: "<", -1: ">"}[exact.Sign()]
		d = *apd.New(1, -int32(max))
	}
	whole, fraction, _ := strings.Cut(strings.TrimPrefix(d.Text('f'), "-"), ".")
	for len(fraction) > min && strings.HasSuffix(fraction, "0") {
		fraction = fraction[:len(fraction)-1]
	}
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if text = whole; fraction != "" {
		text += "." + fraction
	}
	if exact.Sign() < 0 {
		text = "-" + text
	}
	return mark + text, rounded
}

// Count is a number of things: 1 row, 2 rows.
func Count[N int | int64](n N, what string) string { return usage.Count(n, what) }

// Resource is how tables show a resource: the last part of a resource URI, and its resource
// group. Behind the provider stand pairs of type and name; where they do not, a name has a
// slash, and is whole.
func Resource(uri string) string {
	parts := strings.Split(uri, "/")
	name, group := parts[len(parts)-1], ""
	for i, p := range parts {
		if strings.EqualFold(p, "resourceGroups") && i+1 < len(parts) {
			group = " (" + parts[i+1] + ")"
		}
		if pairs := parts[min(i+2, len(parts)):]; strings.EqualFold(p, "providers") && len(pairs) > 2 && len(pairs)%2 == 1 {
			name = strings.Join(pairs[1:], "/")
			break
		}
	}
	return name + group
}
