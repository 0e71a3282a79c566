package accountpage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"
)

// models names the billing models of a statement as people say them.
func models(st statement) string {
	names := map[string]string{"PayAsYouUse": "Pay as you use", "Development": "Development kit", "Capacity": "Capacity"}
	var out []string
	for _, l := range st.Lines {
		if name := cmp.Or(names[l.BillingModel], l.BillingModel); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return strings.Join(out, ", ")
}

func periodText(month string) string {
	at, err := time.Parse("2006-01", month)
	if err != nil {
		return month
	}
	return at.Format("January 2006")
}

// bounds are the first and the last day of a month.
func bounds(month string) (first, last string) {
	at, err := time.Parse("2006-01", month)
	if err != nil {
		return month, month
	}
	return at.Format("2 January 2006"), at.AddDate(0, 1, -1).Format("2 January 2006")
}

// moneyText is an amount as people read it: $12.50, -$3.00.
func moneyText(amount, currency string) string {
	if currency != "USD" {
		return amount + " " + currency
	}
	if rest, below := strings.CutPrefix(amount, "-"); below {
		return "-$" + rest
	}
	return "$" + amount
}

// number reads decimal text.
func number(text string) (*apd.Decimal, error) {
	d, _, err := apd.NewFromString(text)
	if err != nil {
		return nil, fmt.Errorf("read amount %q: %w", text, err)
	}
	return d, nil
}

// exactly adds without rounding: precision 0 is apd's word for as many digits as it takes.
var exactly = apd.BaseContext.WithPrecision(0)

// fourDecimals shows an exact amount with four decimals, half to even.
func fourDecimals(text string) (string, error) {
	d, err := number(text)
	if err != nil {
		return "", err
	}
	ctx := apd.BaseContext.WithPrecision(1000)
	ctx.Rounding = apd.RoundHalfEven
	if _, err := ctx.Quantize(d, d, -4); err != nil {
		return "", fmt.Errorf("round amount %q: %w", text, err)
	}
	if d.IsZero() {
		d.Negative = false
	}
	return d.Text('f'), nil
}

// meterText names a meter as people know it. Commerce calls some by their unit,
// and only the sub-category says of what: "Windows VM, 1 Core".
func meterText(subCategory, name string) string {
	plain := func(s string) string { return strings.ToLower(strings.ReplaceAll(s, " ", "")) }
	switch {
	case name == "":
		return "Unknown meter"
	case strings.Contains(plain(name), plain(subCategory)):
		return name
	}
	return subCategory + ", " + name
}
