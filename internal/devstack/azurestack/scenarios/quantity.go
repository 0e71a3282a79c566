package scenarios

import (
	"math/big"
	"strconv"
	"strings"
	"time"
)

// amount is a quantity before it is written down: a count of the smallest
// units and how many of them make one.
type amount struct{ units, per int64 }

func (a amount) part(percent int64) amount { return amount{a.units * percent / 100, a.per} }
func (a amount) minus(b amount) amount     { return amount{a.units - b.units, a.per} }

// String writes an amount as a stack does: at most 17 significant digits,
// "1.0" for whole numbers, an exponent below 1E-04.
func (a amount) String() string {
	if a.units == 0 {
		return "0.0"
	}
	r := big.NewRat(a.units, a.per)
	scaled, exp := new(big.Rat).Set(r), 0 // r = scaled * 10^exp, 1 <= scaled < 10
	one, ten := big.NewRat(1, 1), big.NewRat(10, 1)
	for ; scaled.Cmp(ten) >= 0; exp++ {
		scaled.Quo(scaled, ten)
	}
	for ; scaled.Cmp(one) < 0; exp-- {
		scaled.Mul(scaled, ten)
	}
	const digits = 17
	if exp >= -4 {
		return trim(r.FloatString(digits - 1 - exp))
	}
	mantissa := strings.TrimSuffix(trim(scaled.FloatString(digits-1)), ".0")
	n := strconv.Itoa(-exp)
	if len(n) < 2 {
		n = "0" + n
	}
	return mantissa + "E-" + n
}

// trim drops trailing zeros but keeps one decimal.
func trim(text string) string {
	text = strings.TrimRight(text, "0")
	if strings.HasSuffix(text, ".") {
		text += "0"
	}
	return text
}

const gigabyte = 1 << 30

// constant is the same whole number every hour.
func constant(n int64) func(time.Time) amount {
	return func(time.Time) amount { return amount{n, 1} }
}

// monthly is one unit of a month's worth, prorated by the hours of that month.
func monthly(time.Time) amount { return amount{1, hoursOfMonth} }

// hoursOfMonth is the length of the month in which every scenario lies: a
// scenario that crosses into another month must count for itself.
const hoursOfMonth = 31 * 24

// capacity is a stored volume in GB, starting at about bytes and growing a
// little each hour.
func (g *generator) capacity(bytes int64) func(time.Time) amount {
	bytes += g.rng.Int64N(bytes)
	return func(time.Time) amount {
		bytes += g.rng.Int64N(bytes/200 + 2)
		return amount{bytes, gigabyte}
	}
}

// stored is a volume in GB*month.
func (g *generator) stored(bytes int64) func(time.Time) amount {
	hourly := g.capacity(bytes)
	return func(hour time.Time) amount {
		return amount{hourly(hour).units, gigabyte * hoursOfMonth}
	}
}

// transfer is a moved volume in GB.
func (g *generator) transfer(bytes int64) func(time.Time) amount {
	return func(time.Time) amount { return amount{g.rng.Int64N(bytes) + 1, gigabyte} }
}

// requests counts in units of 10,000.
func (g *generator) requests(most int64) func(time.Time) amount {
	return func(time.Time) amount { return amount{g.rng.Int64N(most) + 1, 10_000} }
}
