package usage_test

import (
	"encoding/json"
	"errors"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"stackusage/shared/usage"
)

func TestParseQuantity(t *testing.T) {
	nines := strings.Repeat("9", usage.MaxDigits)
	tests := []struct {
		name, text, want string
	}{
		// As real rows have them: a float would not give these digits back.
		{"seventeen significant digits", "16.461425899527967", "16.461425899527967"},
		{"eighteen digits in all", "0.0013440860215053762", "0.0013440860215053762"},
		{"an exponent below zero", "8.4e-08", "0.000000084"},
		{"a whole number", "1", "1"},
		{"a whole number written as a fraction", "1.0", "1"},

		{"zero", "0", "0"},
		{"minus zero is zero", "-0", "0"},
		{"minus zero with fraction and exponent", "-0.000e5", "0"},
		{"zero with an exponent beyond all bounds", "0e1000000", "0"},
		{"trailing zeros of a fraction go", "1.5000", "1.5"},
		{"trailing zeros of a whole number stay", "1500", "1500"},
		{"below zero", "-12.50", "-12.5"},
		{"capital E", "1.5E3", "1500"},
		{"a sign in the exponent", "1.5e+3", "1500"},
		{"zeros before the exponent's digits", "1e0003", "1000"},
		{"a fraction that the exponent moves", "0.0125e3", "12.5"},

		{"as many digits as may be", nines, nines},
		{"as many digits as may be, in a fraction", "0." + nines, "0." + nines},
		{"leading and trailing zeros do not count as digits", "0.000" + strings.Repeat("1", 37) + "000", "0.000" + strings.Repeat("1", 37)},
		{"the greatest exponent", "1e20", "1" + strings.Repeat("0", 20)},
		{"the greatest exponent, written out", "1" + strings.Repeat("0", 20), "1" + strings.Repeat("0", 20)},
		{"the greatest number", nines + "e20", nines + strings.Repeat("0", 20)},
		{"the least exponent", "1e-40", "0." + strings.Repeat("0", 39) + "1"},
		{"the least exponent after trailing zeros", "10e-41", "0." + strings.Repeat("0", 39) + "1"},
		{"the longest text", "1." + strings.Repeat("0", 254), "1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := usage.ParseQuantity(tt.text)
			if err != nil {
				t.Fatal(err)
			}
			if got := q.String(); got != tt.want {
				t.Errorf("%s is shown as %s, want %s", tt.text, got, tt.want)
			}
			again, err := usage.ParseSum(q.String())
			if err != nil || !again.Equal(q) {
				t.Errorf("%s reads back as %s, %v", q, again, err)
			}
		})
	}
}

func TestParseQuantityRefuses(t *testing.T) {
	tests := []struct {
		name, text string
		want       error
	}{
		{"an empty text", "", usage.ErrNotNumeric},
		{"a word", "null", usage.ErrNotNumeric},
		{"a plus sign", "+1", usage.ErrNotNumeric},
		{"a lone minus", "-", usage.ErrNotNumeric},
		{"two minuses", "--1", usage.ErrNotNumeric},
		{"a dot without fraction", "1.", usage.ErrNotNumeric},
		{"a dot without whole part", ".5", usage.ErrNotNumeric},
		{"two dots", "1.2.3", usage.ErrNotNumeric},
		{"a comma", "1,5", usage.ErrNotNumeric},
		{"a leading zero", "01", usage.ErrNotNumeric},
		{"a leading zero before a fraction", "00.5", usage.ErrNotNumeric},
		{"an exponent without digits", "1e", usage.ErrNotNumeric},
		{"an exponent that is only a sign", "1e-", usage.ErrNotNumeric},
		{"an exponent with two signs", "1e+-5", usage.ErrNotNumeric},
		{"an exponent with a fraction", "1e1.5", usage.ErrNotNumeric},
		{"not a number", "NaN", usage.ErrNotNumeric},
		{"infinity", "Infinity", usage.ErrNotNumeric},
		{"hexadecimal", "0x10", usage.ErrNotNumeric},
		{"an underscore", "1_000", usage.ErrNotNumeric},
		{"a space before", " 1", usage.ErrNotNumeric},
		{"a space after", "1 ", usage.ErrNotNumeric},
		{"digits of another script", "١٢", usage.ErrNotNumeric},

		{"one digit too many", strings.Repeat("9", usage.MaxDigits+1), usage.ErrOutOfBounds},
		{"one digit too many, in a fraction", "1." + strings.Repeat("3", usage.MaxDigits), usage.ErrOutOfBounds},
		{"an exponent too great", "1e21", usage.ErrOutOfBounds},
		{"an exponent too great after trailing zeros", "10e20", usage.ErrOutOfBounds},
		{"an exponent too small", "1e-41", usage.ErrOutOfBounds},
		{"a huge exponent", "1e1000000", usage.ErrOutOfBounds},
		{"a tiny exponent", "1e-1000000", usage.ErrOutOfBounds},
		{"an exponent beyond int64", "1e99999999999999999999", usage.ErrOutOfBounds},
		{"a huge exponent that a long fraction would bring back", "0." + strings.Repeat("0", 200) + "1e10199", usage.ErrOutOfBounds},
		{"a text too long", "1." + strings.Repeat("0", 255), usage.ErrOutOfBounds},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q, err := usage.ParseQuantity(tt.text)
			if !errors.Is(err, tt.want) {
				t.Fatalf("ParseQuantity(%.40q) = %s, %v; want %v", tt.text, q, err, tt.want)
			}
			if len(err.Error()) > 400 {
				t.Errorf("the error has %d bytes: it must not carry the text whole", len(err.Error()))
			}
		})
	}
}

func TestHugeExponentsCostNothing(t *testing.T) {
	for _, text := range []string{"1e1000000", "1e-1000000", "1e2147483647", "1e-2147483648", "0e2147483647"} {
		const times = 100
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range times {
			_, _ = usage.ParseQuantity(text)
		}
		runtime.ReadMemStats(&after)
		if bytes := (after.TotalAlloc - before.TotalAlloc) / times; bytes > 8<<10 {
			t.Errorf("%s costs %d bytes", text, bytes)
		}
	}
}

func TestParseForeignSum(t *testing.T) {
	for text, want := range map[string]string{"12.50": "12.5", "1E+1": "10", "-0": "0", "0.0": "0", "-1e-3": "-0.001", strings.Repeat("9", 200): strings.Repeat("9", 200)} {
		if q, err := usage.ParseForeignSum(text); err != nil || q.String() != want {
			t.Errorf("%s: %s, %v", text, q, err)
		}
	}
	for _, text := range []string{"", "NaN", "12,50", "+1", ".5", "1.", "0x1", " 1", "1e999", "1e-999", "1e99999999999", strings.Repeat("9", 300)} {
		if q, err := usage.ParseForeignSum(text); !errors.Is(err, usage.ErrNotNumeric) || q.Sign() != 0 {
			t.Errorf("%.40s: %s, %v", text, q, err)
		}
	}
}

func TestParseSum(t *testing.T) {
	t.Run("a sum may have more digits than a row", func(t *testing.T) {
		text := strings.Repeat("7", 60) + "." + strings.Repeat("7", 40)
		q, err := usage.ParseSum(text)
		if err != nil || q.String() != text {
			t.Errorf("got %s, %v", q, err)
		}
	})
	for _, text := range []string{"", "-0", "1.0", "1.50", "01", "1e2", "+1", ".5", "1e9999", "0e5", "1e1000000000", strings.Repeat("1", 257)} {
		if q, err := usage.ParseSum(text); !errors.Is(err, usage.ErrNotNumeric) {
			t.Errorf("ParseSum(%.40q) = %s, %v; only canonical text is a sum", text, q, err)
		}
	}
}

func TestQuantityAsJSON(t *testing.T) {
	q := quantity(t, "8.4e-08")
	b, err := json.Marshal(map[string]usage.Quantity{"q": q, "zero": {}})
	if err != nil || string(b) != `{"q":"0.000000084","zero":"0"}` {
		t.Fatalf("got %s, %v", b, err)
	}
	var back map[string]usage.Quantity
	if err := json.Unmarshal(b, &back); err != nil || !back["q"].Equal(q) || back["zero"].Sign() != 0 {
		t.Errorf("reads back as %v, %v", back, err)
	}
	for _, bad := range []string{`1`, `"1.0"`, `"x"`, `{}`, `true`} {
		if err := json.Unmarshal([]byte(bad), &q); !errors.Is(err, usage.ErrNotNumeric) {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

func TestQuantityZeroValue(t *testing.T) {
	var zero usage.Quantity
	one := quantity(t, "1")
	if zero.String() != "0" || zero.Sign() != 0 || !zero.Add(one).Equal(one) || zero.Sub(one).String() != "-1" || !one.Sub(one).Equal(zero) {
		t.Error("the zero value is not the number zero")
	}
}

// drawNumber makes texts that ParseQuantity takes, in all the shapes of JSON.
// The exponents are chosen so that no text, by its zeros, leaves the bounds.
func drawNumber() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,20})?([eE](\+?[0-3]|-([0-9]|1[0-9])))?`),
		rapid.StringMatching(`-?[1-9](\.[0-9]{1,20})?[eE]\+?(1[0-9]|20)`),
	)
}

func TestSumsAreExactAndIndependentOfOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(drawNumber(), 0, 30).Draw(t, "numbers")
		order := rapid.Permutation(texts).Draw(t, "order")
		want := new(big.Rat)
		var sum, other usage.Quantity
		for _, text := range texts {
			sum = sum.Add(quantity(t, text))
			exact, ok := new(big.Rat).SetString(text)
			if !ok {
				t.Fatalf("math/big does not read %q", text)
			}
			want.Add(want, exact)
		}
		for _, text := range order {
			other = other.Add(quantity(t, text))
		}
		if got, ok := new(big.Rat).SetString(sum.String()); !ok || got.Cmp(want) != 0 {
			t.Fatalf("the sum is %s, math/big says %s", sum, want.FloatString(60))
		}
		if sum.String() != other.String() {
			t.Fatalf("%s in one order, %s in another", sum, other)
		}
		if sum.Sign() != want.Sign() || !sum.Equal(other) {
			t.Fatalf("sign %d, want %d", sum.Sign(), want.Sign())
		}
		if back, err := usage.ParseSum(sum.String()); err != nil || !back.Equal(sum) {
			t.Fatalf("the text of sum %s reads back as %s, %v", sum, back, err)
		}
	})
}

func TestAddAndSubKeepTheirOperands(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := quantity(t, drawNumber().Draw(t, "a")), quantity(t, drawNumber().Draw(t, "b"))
		before, copied := a.String()+" "+b.String(), a
		sum := a.Add(b)
		_ = a.Sub(b)
		_ = sum.Add(sum)
		if after := a.String() + " " + b.String(); after != before || !copied.Equal(a) {
			t.Fatalf("the operands were %s and are %s", before, after)
		}
		if !sum.Sub(b).Equal(a) {
			t.Fatalf("%s + %s - %s = %s", a, b, b, sum.Sub(b))
		}
	})
}

func TestABillionGreatestRowsStayExact(t *testing.T) {
	start := time.Now()
	q := quantity(t, strings.Repeat("9", 40)+"e20").Add(quantity(t, "1e-40"))
	for range 30 { // 2^30 rows
		q = q.Add(q)
	}
	want, _ := new(big.Rat).SetString(strings.Repeat("9", 40) + "e20")
	tiny, _ := new(big.Rat).SetString("1e-40")
	want.Add(want, tiny).Mul(want, new(big.Rat).SetInt64(1<<30))
	if got, _ := new(big.Rat).SetString(q.String()); got.Cmp(want) != 0 {
		t.Errorf("got %s", q)
	}
	if _, err := usage.ParseSum(q.String()); err != nil {
		t.Error(err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %s", d)
	}
}

// fataler is what *testing.T, *testing.B and *rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func quantity(t fataler, text string) usage.Quantity {
	t.Helper()
	q, err := usage.ParseQuantity(text)
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestProductsAreExact(t *testing.T) {
	for _, c := range [][3]string{
		{"28.7114258995279670000000001", "0.000025", "0.0007177856474881991750000000025"},
		{"-0.25", "0.046", "-0.0115"},
		{"0", "0.046", "0"},
		{"1e20", "1e-40", "0.00000000000000000001"},
	} {
		q, err := usage.ParseQuantity(c[0])
		if err != nil {
			t.Fatal(err)
		}
		r, err := usage.ParseQuantity(c[1])
		if err != nil {
			t.Fatal(err)
		}
		if got, back := q.Mul(r).String(), r.Mul(q).String(); got != c[2] || back != c[2] {
			t.Errorf("%s * %s is %s, the other way round %s; want %s", c[0], c[1], got, back, c[2])
		}
	}
}

func TestRound(t *testing.T) {
	for text, want := range map[string]string{
		"0": "0", "1": "1", "1.2": "1.2", "0.005": "0", "0.015": "0.02", "0.025": "0.02", "0.0250000000000000000000000001": "0.03",
		"-0.015": "-0.02", "99.999": "100", "0.00000000000000000000000001": "0", "123456789012345678901234.565": "123456789012345678901234.56",
	} {
		q, err := usage.ParseSum(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := q.Round(2).String(); got != want {
			t.Errorf("%s rounded is %s; want %s", text, got, want)
		}
	}
}
