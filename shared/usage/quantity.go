package usage

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/apd/v3"
)

// Bounds of a quantity as it may come in. They keep a hostile row from costing
// memory (1e1000000) and leave sums of 10^9 rows exact.
const (
	MaxDigits   = 40  // significant digits
	MinExponent = -40 // of the last significant digit
	MaxExponent = 20
	maxText     = 256 // bytes of the text itself; leading and trailing zeros are legal
)

// Reasons why a text is no quantity. ParseQuantity wraps one of them.
var (
	ErrNotNumeric  = errors.New("not a decimal number")
	ErrOutOfBounds = fmt.Errorf("out of bounds: at most %d significant digits, exponent %d to %d", MaxDigits, MinExponent, MaxExponent)
)

// Quantity is an exact decimal. The zero value is zero. Copying a Quantity is
// safe; Add does not change its operands.
type Quantity struct{ d *apd.Decimal }

// ParseQuantity reads a JSON number (RFC 8259: digits, optional fraction and
// exponent, optional minus). Errors wrap ErrNotNumeric or ErrOutOfBounds.
func ParseQuantity(text string) (Quantity, error) {
	digits, exponent, negative, ok := scanNumber(text)
	if !ok {
		return Quantity{}, fmt.Errorf("parse quantity %.60q: %w", text, ErrNotNumeric)
	}
	if len(text) > maxText {
		return Quantity{}, fmt.Errorf("parse quantity of %d characters: %w", len(text), ErrOutOfBounds)
	}
	digits = strings.TrimLeft(digits, "0")
	trimmed := strings.TrimRight(digits, "0")
	if trimmed == "" {
		return Quantity{}, nil
	}
	exponent += len(digits) - len(trimmed)
	if len(trimmed) > MaxDigits || exponent < MinExponent || exponent > MaxExponent {
		return Quantity{}, fmt.Errorf("parse quantity %.60q: %w", text, ErrOutOfBounds)
	}
	d := new(apd.Decimal)
	if _, ok := d.Coeff.SetString(trimmed, 10); !ok {
		return Quantity{}, fmt.Errorf("parse quantity %.60q: %w", text, ErrNotNumeric)
	}
	d.Exponent, d.Negative = int32(exponent), negative
	return Quantity{d}, nil
}

// scanNumber splits a JSON number into its digits and the exponent of the last
// one. An exponent beyond 9999 is reported as out of every bound, not read.
func scanNumber(s string) (digits string, exponent int, negative, ok bool) {
	s, negative = strings.CutPrefix(s, "-")
	mantissa, exp := s, ""
	if i := strings.IndexAny(s, "eE"); i >= 0 {
		mantissa, exp = s[:i], s[i+1:]
		if sign := strings.TrimLeft(exp, "+-"); len(exp)-len(sign) > 1 || !allDigits(sign) {
			return "", 0, false, false
		}
	}
	whole, fraction, dot := strings.Cut(mantissa, ".")
	if !allDigits(whole) || dot && !allDigits(fraction) || len(whole) > 1 && whole[0] == '0' {
		return "", 0, false, false
	}
	if exp != "" {
		n, err := strconv.Atoi(exp)
		if err != nil || n > 9999 || n < -9999 {
			n = 9999
		}
		exponent = n
	}
	return whole + fraction, exponent - len(fraction), negative, true
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// exact has no precision limit, so that Add, Sub and Mul never round.
var exact = apd.BaseContext

// Add returns the exact sum of q and r.
func (q Quantity) Add(r Quantity) Quantity { return q.combine(r, exact.Add) }

// Sub returns the exact difference q - r.
func (q Quantity) Sub(r Quantity) Quantity { return q.combine(r, exact.Sub) }

// Mul returns the exact product of q and r, such as an amount: no digit is cut.
func (q Quantity) Mul(r Quantity) Quantity { return q.combine(r, exact.Mul) }

// Round is q with at most as many decimals, rounded half to even, as a bill rounds
// amounts.
func (q Quantity) Round(decimals int32) Quantity {
	if q.decimal().Exponent >= -decimals {
		return q
	}
	d, digits := new(apd.Decimal), exact.WithPrecision(uint32(q.decimal().NumDigits())+1)
	digits.Rounding = apd.RoundHalfEven
	if _, err := digits.Quantize(d, q.decimal(), -decimals); err != nil {
		panic(fmt.Sprintf("usage: round %s: %v", q, err))
	}
	return Quantity{d}
}

func (q Quantity) combine(r Quantity, op func(d, x, y *apd.Decimal) (apd.Condition, error)) Quantity {
	d := new(apd.Decimal)
	// The bounds of ParseQuantity keep every exponent far inside apd's own
	// limits, so no condition but rounding could arise, and there is none.
	if _, err := op(d, q.decimal(), r.decimal()); err != nil {
		panic(fmt.Sprintf("usage: exact arithmetic on %s and %s: %v", q, r, err))
	}
	return Quantity{d}
}

var zero apd.Decimal

func (q Quantity) decimal() *apd.Decimal {
	if q.d == nil {
		return &zero
	}
	return q.d
}

// Abs is q without its sign.
func (q Quantity) Abs() Quantity {
	if q.Sign() < 0 {
		return Quantity{}.Sub(q)
	}
	return q
}

// Sign is -1, 0 or +1.
func (q Quantity) Sign() int { return q.decimal().Sign() }

// Equal reports whether q and r are the same number.
func (q Quantity) Equal(r Quantity) bool { return q.decimal().Cmp(r.decimal()) == 0 }

// String is the canonical text: no exponent, no leading or trailing zeros,
// "-" only below zero. Equal quantities have the same text.
func (q Quantity) String() string {
	d := q.decimal()
	if d.IsZero() {
		return "0"
	}
	digits := d.Coeff.String()
	if e := int(d.Exponent); e >= 0 {
		digits += strings.Repeat("0", e)
	} else {
		if pad := -e - len(digits) + 1; pad > 0 {
			digits = strings.Repeat("0", pad) + digits
		}
		fraction := strings.TrimRight(digits[len(digits)+e:], "0")
		digits = digits[:len(digits)+e]
		if fraction != "" {
			digits += "." + fraction
		}
	}
	if d.Negative {
		return "-" + digits
	}
	return digits
}

// ParseSum reads the canonical text of a sum, as String wrote it. A sum may
// have more digits than a single row.
func ParseSum(text string) (Quantity, error) {
	q, err := ParseForeignSum(text)
	if err == nil && q.String() != text {
		err = fmt.Errorf("parse sum %.60q: not canonical: %w", text, ErrNotNumeric)
	}
	if err != nil {
		return Quantity{}, err
	}
	return q, nil
}

// ParseForeignSum reads a sum that others wrote: any JSON number whose canonical
// text ParseSum can read.
func ParseForeignSum(text string) (Quantity, error) {
	digits, exponent, negative, ok := scanNumber(text)
	if !ok || len(text) > maxText || exponent > maxText {
		return Quantity{}, fmt.Errorf("parse sum %.60q: %w", text, ErrNotNumeric)
	}
	d := new(apd.Decimal)
	d.Coeff.SetString(digits, 10)
	d.Exponent, d.Negative = int32(exponent), negative
	q := Quantity{d}
	if len(q.String()) > maxText {
		return Quantity{}, fmt.Errorf("parse sum %.60q: %w", text, ErrNotNumeric)
	}
	return q, nil
}

// MarshalJSON writes the canonical text as a JSON string.
func (q Quantity) MarshalJSON() ([]byte, error) { return []byte(`"` + q.String() + `"`), nil }

// UnmarshalJSON reads what MarshalJSON wrote.
func (q *Quantity) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("parse sum %.60q: %w", b, ErrNotNumeric)
	}
	parsed, err := ParseSum(text)
	if err != nil {
		return err
	}
	*q = parsed
	return nil
}

// Decompose is q as a whole number, big-endian and without a sign, times a power of ten.
// It may use the bytes of buf.
func (q Quantity) Decompose(buf []byte) (negative bool, coefficient []byte, exponent int32) {
	_, negative, coefficient, exponent = q.decimal().Decompose(buf)
	return negative, coefficient, exponent
}

// Compose is the inverse of Decompose.
func Compose(negative bool, coefficient []byte, exponent int32) Quantity {
	d := new(apd.Decimal)
	if err := d.Compose(0, negative, coefficient, exponent); err != nil {
		panic(fmt.Sprintf("usage: compose a quantity: %v", err)) // only of other forms than numbers
	}
	return Quantity{d}
}
