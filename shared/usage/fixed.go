package usage

import "math/bits"

// scale is the number of decimals of a fixed. 192 bits of that scale hold 21 digits before the point, so that every
// quantity of a real row fits, with the sums and most amounts that are made of it: the 17 digits
// of a binary floating-point number down to 1e-20.
const scale = 36

// fixed is a whole number of units of 10^-36 in two's complement; as a magnitude, without a sign.
type fixed struct{ hi, mid, lo uint64 }

// tens are the powers of ten that 64 bits hold.
var tens = func() (all [20]uint64) {
	all[0] = 1
	for i := 1; i < len(all); i++ {
		all[i] = all[i-1] * 10
	}
	return all
}()

// add returns the sum, and whether it fits.
func (x fixed) add(y fixed) (sum fixed, ok bool) {
	var carry uint64
	sum.lo, carry = bits.Add64(x.lo, y.lo, 0)
	sum.mid, carry = bits.Add64(x.mid, y.mid, carry)
	sum.hi, _ = bits.Add64(x.hi, y.hi, carry)
	return sum, int64((x.hi^sum.hi)&(y.hi^sum.hi)) >= 0
}

// sub returns the difference, and whether it fits.
func (x fixed) sub(y fixed) (difference fixed, ok bool) {
	var borrow uint64
	difference.lo, borrow = bits.Sub64(x.lo, y.lo, 0)
	difference.mid, borrow = bits.Sub64(x.mid, y.mid, borrow)
	difference.hi, _ = bits.Sub64(x.hi, y.hi, borrow)
	return difference, int64((x.hi^y.hi)&(x.hi^difference.hi)) >= 0
}

func (x fixed) sign() int {
	switch {
	case int64(x.hi) < 0:
		return -1
	case x == fixed{}:
		return 0
	}
	return 1
}

// magnitude is x without its sign. That of the least number fits, because a magnitude has no sign bit.
func (x fixed) magnitude() fixed {
	if x.sign() < 0 {
		x, _ = fixed{}.sub(x)
	}
	return x
}

// signed is the inverse of magnitude, and reports whether x has room for the sign.
func (x fixed) signed(negative bool) (fixed, bool) {
	if negative {
		x, _ = fixed{}.sub(x)
		return x, x.sign() <= 0
	}
	return x, x.sign() >= 0
}

// timesPlus is x * factor + summand of a magnitude, and whether it fits.
func (x fixed) timesPlus(factor, summand uint64) (product fixed, ok bool) {
	var over, carry uint64
	carried, low := bits.Mul64(x.lo, factor)
	product.lo, carry = bits.Add64(low, summand, 0)
	over, low = bits.Mul64(x.mid, factor)
	product.mid, carry = bits.Add64(low, carried, carry)
	carried = over
	over, low = bits.Mul64(x.hi, factor)
	product.hi, carry = bits.Add64(low, carried, carry)
	return product, over|carry == 0
}

// timesTen is a magnitude * 10^exponent, and whether it fits.
func (x fixed) timesTen(exponent int) (product fixed, ok bool) {
	for ok = true; exponent > 0 && ok; exponent -= len(tens) - 1 {
		x, ok = x.timesPlus(tens[min(exponent, len(tens)-1)], 0)
	}
	return x, ok
}

// divide divides a magnitude, with remainder.
func (x fixed) divide(by uint64) (quotient fixed, rest uint64) {
	if x.hi > 0 {
		quotient.hi, rest = x.hi/by, x.hi%by
	}
	if x.mid|rest > 0 {
		quotient.mid, rest = bits.Div64(rest, x.mid, by)
	}
	quotient.lo, rest = bits.Div64(rest, x.lo, by)
	return quotient, rest
}

// trimmed is a magnitude as a whole number times a power of ten, without trailing zeros after
// the point.
func (x fixed) trimmed() (coefficient fixed, exponent int) {
	if x == (fixed{}) {
		return x, 0
	}
	exponent = -scale
	for _, zeros := range [...]int{18, 9, 5, 2, 1, 1} { // together 36; any number up to it is a sum of some
		if x.lo<<(64-zeros) != 0 {
			continue // 10^n divides only what 2^n divides
		}
		if quotient, rest := x.divide(tens[zeros]); rest == 0 {
			x, exponent = quotient, exponent+zeros
		}
	}
	return x, exponent
}

// appendTo appends a magnitude in decimal digits, without trailing zeros after the point.
func (x fixed) appendTo(b []byte) []byte {
	x, fine := x.divide(1e18)
	x, coarse := x.divide(1e18)
	x, whole := x.divide(1e18)
	if x.lo > 0 { // at most 2^192 / 10^54
		b = appendDigits(b, x.lo, false)
	}
	b = appendDigits(b, whole, x.lo > 0)
	if coarse|fine == 0 {
		return b
	}
	b = appendDigits(append(b, '.'), coarse, true)
	if fine > 0 {
		b = appendDigits(b, fine, true)
	}
	for b[len(b)-1] == '0' {
		b = b[:len(b)-1]
	}
	return b
}

// appendDigits appends n < 10^18, with its leading zeros if they are wanted.
func appendDigits(b []byte, n uint64, zeros bool) []byte {
	var digits [18]byte
	at := len(digits)
	for n > 0 || zeros && at > 0 || at == len(digits) {
		at--
		digits[at] = byte('0' + n%10)
		n /= 10
	}
	return append(b, digits[at:]...)
}

// plusDigits appends decimal digits to a magnitude, and reports whether it fits.
func plusDigits[T string | []byte](x fixed, digits T) (sum fixed, ok bool) {
	for i := 0; i < len(digits); {
		var part uint64
		end := min(len(digits), i+len(tens)-1)
		width := end - i
		for ; i < end; i++ {
			part = part*10 + uint64(digits[i]-'0')
		}
		if x, ok = x.timesPlus(tens[width], part); !ok {
			return fixed{}, false
		}
	}
	return x, true
}

// appendBytes appends a magnitude, big-endian and without leading zeros.
func (x fixed) appendBytes(b []byte) []byte {
	for _, word := range [...]uint64{x.hi, x.mid, x.lo} {
		for shift := 56; shift >= 0; shift -= 8 {
			if one := byte(word >> shift); one > 0 || len(b) > 0 {
				b = append(b, one)
			}
		}
	}
	return b
}

// fromBytes is the inverse of appendBytes, and reports whether the magnitude fits.
func fromBytes(b []byte) (x fixed, ok bool) {
	for len(b) > 0 && b[0] == 0 {
		b = b[1:]
	}
	if len(b) > 24 {
		return fixed{}, false
	}
	for _, one := range b {
		x = fixed{x.hi<<8 | x.mid>>56, x.mid<<8 | x.lo>>56, x.lo<<8 | uint64(one)}
	}
	return x, true
}
