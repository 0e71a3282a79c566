package usagesums

import (
	"math/bits"

	"stackusage/shared/usage"
)

// Number is an exact decimal as it is read from a file. While it fits 128 bits it takes
// no memory beside itself.
type Number struct {
	hi, lo uint64 // two's complement
	exp    int32
	big    *usage.Quantity // in place of them, if they are too small for it
}

// fits is the most bytes of a coefficient that 128 bits have room for, with its sign.
const fits = 15

// numberOf makes a number of a coefficient, big-endian and without its sign.
func numberOf(negative bool, coefficient []byte, exp int32) Number {
	if len(coefficient) > fits {
		q := usage.Compose(negative, coefficient, exp)
		return Number{big: &q}
	}
	n := Number{exp: exp}
	for _, b := range coefficient {
		n.hi, n.lo = n.hi<<8|n.lo>>56, n.lo<<8|uint64(b)
	}
	if negative {
		n.hi, n.lo = negated(n.hi, n.lo)
	}
	return n
}

// IsZero reports whether the number is 0.
func (n *Number) IsZero() bool {
	if n.big != nil {
		return n.big.Sign() == 0
	}
	return n.hi|n.lo == 0
}

// Sum adds numbers up exactly. The zero value is 0.
type Sum struct {
	hi, lo uint64
	exp    int32
	rest   usage.Quantity // what did not fit
}

// Add adds a number.
func (s *Sum) Add(n *Number) {
	switch {
	case n.big != nil:
		s.rest = s.rest.Add(*n.big)
		return
	case s.hi|s.lo == 0:
		s.hi, s.lo, s.exp = n.hi, n.lo, n.exp
		return
	case n.hi|n.lo == 0:
		return
	}
	hi, lo, ok := n.hi, n.lo, true
	if n.exp > s.exp {
		hi, lo, ok = scaled(hi, lo, n.exp-s.exp)
	} else if n.exp < s.exp {
		var h, l uint64
		if h, l, ok = scaled(s.hi, s.lo, s.exp-n.exp); ok {
			s.hi, s.lo, s.exp = h, l, n.exp
		}
	}
	if ok {
		l, carry := bits.Add64(s.lo, lo, 0)
		h, _ := bits.Add64(s.hi, hi, carry)
		if ok = int64((s.hi^h)&(hi^h)) >= 0; ok { // no overflow
			s.hi, s.lo = h, l
			return
		}
	}
	s.rest = s.rest.Add(composed(s.hi, s.lo, s.exp))
	s.hi, s.lo, s.exp = n.hi, n.lo, n.exp
}

// Quantity is the sum.
func (s *Sum) Quantity() usage.Quantity {
	if s.rest.Sign() == 0 {
		return composed(s.hi, s.lo, s.exp)
	}
	return s.rest.Add(composed(s.hi, s.lo, s.exp))
}

func negated(hi, lo uint64) (uint64, uint64) {
	lo, carry := bits.Add64(^lo, 1, 0)
	return ^hi + carry, lo
}

// powers of ten that 64 bits have room for.
var powers = func() (all [20]uint64) {
	all[0] = 1
	for i := 1; i < len(all); i++ {
		all[i] = all[i-1] * 10
	}
	return all
}()

// scaled multiplies by a power of ten; not ok if the product does not fit.
func scaled(hi, lo uint64, exp int32) (uint64, uint64, bool) {
	negative := int64(hi) < 0
	if negative {
		hi, lo = negated(hi, lo)
	}
	for exp > 0 {
		step := min(exp, int32(len(powers)-1))
		exp -= step
		over, high := bits.Mul64(hi, powers[step])
		carried, low := bits.Mul64(lo, powers[step])
		high, carry := bits.Add64(high, carried, 0)
		if over != 0 || carry != 0 || int64(high) < 0 {
			return 0, 0, false
		}
		hi, lo = high, low
	}
	if int64(hi) < 0 {
		return 0, 0, false
	}
	if negative {
		hi, lo = negated(hi, lo)
	}
	return hi, lo, true
}

func composed(hi, lo uint64, exp int32) usage.Quantity {
	if hi|lo == 0 {
		return usage.Quantity{}
	}
	negative := int64(hi) < 0
	if negative {
		hi, lo = negated(hi, lo)
	}
	var bytes [16]byte
	for i := range 8 {
		bytes[i], bytes[8+i] = byte(hi>>(56-8*i)), byte(lo>>(56-8*i))
	}
	i := 0
	for bytes[i] == 0 {
		i++
	}
	return usage.Compose(negative, bytes[i:], exp)
}
