package usage

import (
	"encoding/json"
	"errors"
	"fmt"
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

// ParseQuantity reads a JSON number (RFC 8259: digits, optional fraction and
// exponent, optional minus). Errors wrap ErrNotNumeric or ErrOutOfBounds.
func ParseQuantity(text string) (Quantity, error) {
	q, err := parseQuantity(text)
	switch {
	case err == nil:
		return q, nil
	case len(text) > maxText && err == ErrOutOfBounds:
		return Quantity{}, fmt.Errorf("parse quantity of %d characters: %w", len(text), err)
	}
	return Quantity{}, fmt.Errorf("parse quantity %.60q: %w", text, err)
}

// parseQuantity is ParseQuantity with the bare reasons for errors. Of a number
// that fits it does not allocate.
func parseQuantity[T string | []byte](text T) (Quantity, error) {
	n, ok := scanNumber(text)
	if !ok {
		return Quantity{}, ErrNotNumeric
	}
	if len(text) > maxText {
		return Quantity{}, ErrOutOfBounds
	}
	n = n.trimmed()
	digits := len(n.whole) + len(n.fraction)
	if digits > 0 && (digits > MaxDigits || n.exponent < MinExponent || n.exponent > MaxExponent) {
		return Quantity{}, ErrOutOfBounds
	}
	return n.quantity(), nil
}

// number is a JSON number, taken apart: all its digits times 10^exponent.
type number[T string | []byte] struct {
	whole, fraction T // digits
	exponent        int
	negative        bool
}

// scanNumber takes a JSON number apart. An exponent beyond 9999 is reported as
// out of every bound, not read.
func scanNumber[T string | []byte](s T) (n number[T], ok bool) {
	if n.negative = len(s) > 0 && s[0] == '-'; n.negative {
		s = s[1:]
	}
	n.whole, s = cutDigits(s)
	if len(n.whole) == 0 || len(n.whole) > 1 && n.whole[0] == '0' {
		return n, false
	}
	if len(s) > 0 && s[0] == '.' {
		if n.fraction, s = cutDigits(s[1:]); len(n.fraction) == 0 {
			return n, false
		}
	}
	if len(s) > 0 && (s[0] == 'e' || s[0] == 'E') {
		if n.exponent, s, ok = cutExponent(s[1:]); !ok {
			return n, false
		}
	}
	n.exponent -= len(n.fraction)
	return n, len(s) == 0
}

// cutDigits splits s after its leading digits.
func cutDigits[T string | []byte](s T) (digits, rest T) {
	end := 0
	for end < len(s) && s[end]-'0' <= 9 {
		end++
	}
	return s[:end], s[end:]
}

func cutExponent[T string | []byte](s T) (exponent int, rest T, ok bool) {
	negative := len(s) > 0 && s[0] == '-'
	if negative || len(s) > 0 && s[0] == '+' {
		s = s[1:]
	}
	digits, rest := cutDigits(s)
	for i := 0; i < len(digits) && exponent <= 9999; i++ {
		exponent = exponent*10 + int(digits[i]-'0')
	}
	switch {
	case exponent > 9999:
		exponent = 9999
	case negative:
		exponent = -exponent
	}
	return exponent, rest, len(digits) > 0
}

// trimmed is n without leading and trailing zeros; zero has neither digits nor exponent.
func (n number[T]) trimmed() number[T] {
	for len(n.whole) > 0 && n.whole[0] == '0' {
		n.whole = n.whole[1:]
	}
	for len(n.whole) == 0 && len(n.fraction) > 0 && n.fraction[0] == '0' {
		n.fraction = n.fraction[1:]
	}
	for ; len(n.fraction) > 0 && n.fraction[len(n.fraction)-1] == '0'; n.exponent++ {
		n.fraction = n.fraction[:len(n.fraction)-1]
	}
	for ; len(n.fraction) == 0 && len(n.whole) > 0 && n.whole[len(n.whole)-1] == '0'; n.exponent++ {
		n.whole = n.whole[:len(n.whole)-1]
	}
	if len(n.whole)+len(n.fraction) == 0 {
		return number[T]{}
	}
	return n
}

// quantity is the number n, whose exponent is bounded.
func (n number[T]) quantity() Quantity {
	if n.exponent >= -scale {
		x, ok := plusDigits(fixed{}, n.whole)
		if ok {
			x, ok = plusDigits(x, n.fraction)
		}
		if ok {
			x, ok = x.timesTen(n.exponent + scale)
		}
		if ok {
			x, ok = x.signed(n.negative)
		}
		if ok {
			return Quantity{n: x}
		}
	}
	d := new(apd.Decimal)
	d.Coeff.SetString(string(n.whole)+string(n.fraction), 10)
	d.Exponent, d.Negative = int32(n.exponent), n.negative
	return ofDecimal(d)
}

// String is the canonical text: no exponent, no leading or trailing zeros,
// "-" only below zero. Equal quantities have the same text.
func (q Quantity) String() string {
	var room [64]byte
	return string(q.AppendText(room[:0]))
}

// AppendText appends the canonical text.
func (q Quantity) AppendText(b []byte) []byte {
	if q.Sign() < 0 {
		b = append(b, '-')
	}
	if q.big == nil {
		return q.n.magnitude().appendTo(b)
	}
	digits := q.big.Coeff.String()
	e := int(q.big.Exponent)
	if e >= 0 {
		return append(append(b, digits...), strings.Repeat("0", e)...)
	}
	if pad := -e - len(digits) + 1; pad > 0 {
		digits = strings.Repeat("0", pad) + digits
	}
	b = append(b, digits[:len(digits)+e]...)
	if fraction := strings.TrimRight(digits[len(digits)+e:], "0"); fraction != "" {
		b = append(append(b, '.'), fraction...)
	}
	return b
}

// ParseSum reads the canonical text of a sum, as String wrote it. A sum may
// have more digits than a single row.
func ParseSum(text string) (Quantity, error) {
	q, err := ParseForeignSum(text)
	var room [maxText]byte
	if err == nil && string(q.AppendText(room[:0])) != text {
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
	n, ok := scanNumber(text)
	if !ok || len(text) > maxText || n.exponent > maxText {
		return Quantity{}, fmt.Errorf("parse sum %.60q: %w", text, ErrNotNumeric)
	}
	q := n.trimmed().quantity()
	if q.big != nil && len(q.String()) > maxText {
		return Quantity{}, fmt.Errorf("parse sum %.60q: %w", text, ErrNotNumeric)
	}
	return q, nil
}

// MarshalJSON writes the canonical text as a JSON string.
func (q Quantity) MarshalJSON() ([]byte, error) {
	return append(q.AppendText(append(make([]byte, 0, 32), '"')), '"'), nil
}

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
