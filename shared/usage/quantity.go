package usage

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"
)

// Quantity is an exact decimal. The zero value is zero. Copying a Quantity is
// safe; Add does not change its operands.
//
// A number that fits is in n, without memory of its own, and any other in big.
// There is one form of each number, so that small ones compare with ==.
type Quantity struct {
	n   fixed
	big *apd.Decimal // in place of n, if it does not fit; never changed
}

// Add returns the exact sum of q and r.
func (q Quantity) Add(r Quantity) Quantity {
	if q.big == nil && r.big == nil {
		if sum, ok := q.n.add(r.n); ok {
			return Quantity{n: sum}
		}
	}
	return q.combine(r, exact.Add)
}

// Sub returns the exact difference q - r.
func (q Quantity) Sub(r Quantity) Quantity {
	if q.big == nil && r.big == nil {
		if difference, ok := q.n.sub(r.n); ok {
			return Quantity{n: difference}
		}
	}
	return q.combine(r, exact.Sub)
}

// Mul returns the exact product of q and r, such as an amount: no digit is cut.
func (q Quantity) Mul(r Quantity) Quantity {
	if q.big == nil && r.big == nil {
		if product, ok := q.n.times(r.n); ok {
			return Quantity{n: product}
		}
	}
	return q.combine(r, exact.Mul)
}

// times returns the product, and whether it fits; of factors both longer than
// 64 bits it does not try.
func (x fixed) times(y fixed) (product fixed, ok bool) {
	a, exponent := x.magnitude().trimmed()
	b, more := y.magnitude().trimmed()
	if a.hi|a.mid > 0 {
		a, b = b, a
	}
	if a.hi|a.mid > 0 || exponent+more < -scale {
		return fixed{}, false
	}
	if product, ok = b.timesPlus(a.lo, 0); !ok {
		return fixed{}, false
	}
	if product, ok = product.timesTen(exponent + more + scale); !ok {
		return fixed{}, false
	}
	return product.signed(x.sign()*y.sign() < 0)
}

// exact has no precision limit, so that Add, Sub and Mul never round.
var exact = apd.BaseContext

func (q Quantity) combine(r Quantity, op func(d, x, y *apd.Decimal) (apd.Condition, error)) Quantity {
	d := new(apd.Decimal)
	// The bounds of ParseQuantity keep every exponent far inside apd's own
	// limits, so no condition but rounding could arise, and there is none.
	if _, err := op(d, q.decimal(), r.decimal()); err != nil {
		panic(fmt.Sprintf("usage: exact arithmetic on %s and %s: %v", q, r, err))
	}
	return ofDecimal(d)
}

// decimal is q in the form of numbers that do not fit.
func (q Quantity) decimal() *apd.Decimal {
	if q.big != nil {
		return q.big
	}
	negative, coefficient, exponent := q.Decompose(nil)
	d := new(apd.Decimal)
	d.Coeff.SetBytes(coefficient)
	d.Exponent, d.Negative = exponent, negative
	return d
}

// ofDecimal takes d over: small if it fits.
func ofDecimal(d *apd.Decimal) Quantity {
	d.Reduce(d)
	if d.Exponent >= -scale {
		if x, ok := fromBytes(d.Coeff.Bytes()); ok {
			if x, ok = x.timesTen(int(d.Exponent) + scale); ok {
				if n, ok := x.signed(d.Negative); ok {
					return Quantity{n: n}
				}
			}
		}
	}
	return Quantity{big: d}
}

// Round is q with at most as many decimals, rounded half to even, as a bill rounds
// amounts.
func (q Quantity) Round(decimals int32) Quantity {
	all := q.decimal()
	if all.Exponent >= -decimals {
		return q
	}
	d, digits := new(apd.Decimal), exact.WithPrecision(uint32(all.NumDigits())+1)
	digits.Rounding = apd.RoundHalfEven
	if _, err := digits.Quantize(d, all, -decimals); err != nil {
		panic(fmt.Sprintf("usage: round %s: %v", q, err))
	}
	return ofDecimal(d)
}

// Abs is q without its sign.
func (q Quantity) Abs() Quantity {
	if q.Sign() < 0 {
		return Quantity{}.Sub(q)
	}
	return q
}

// Sign is -1, 0 or +1.
func (q Quantity) Sign() int {
	if q.big != nil {
		return q.big.Sign()
	}
	return q.n.sign()
}

// Equal reports whether q and r are the same number.
func (q Quantity) Equal(r Quantity) bool {
	if q.big == nil || r.big == nil {
		return q == r
	}
	return q.big.Cmp(r.big) == 0
}

// Decompose is q as a whole number, big-endian and without a sign, times a power of ten.
// It may use the bytes of buf.
func (q Quantity) Decompose(buf []byte) (negative bool, coefficient []byte, exponent int32) {
	if q.big != nil {
		_, negative, coefficient, exponent = q.big.Decompose(buf)
		return negative, coefficient, exponent
	}
	whole, power := q.n.magnitude().trimmed()
	return q.n.sign() < 0, whole.appendBytes(buf[:0]), int32(power)
}

// Compose is the inverse of Decompose.
func Compose(negative bool, coefficient []byte, exponent int32) Quantity {
	if x, ok := fromBytes(coefficient); ok && exponent >= -scale {
		if x, ok = x.timesTen(int(exponent) + scale); ok {
			if n, ok := x.signed(negative); ok {
				return Quantity{n: n}
			}
		}
	}
	d := new(apd.Decimal)
	if err := d.Compose(0, negative, coefficient, exponent); err != nil {
		panic(fmt.Sprintf("usage: compose a quantity: %v", err)) // only of other forms than numbers
	}
	return ofDecimal(d)
}
