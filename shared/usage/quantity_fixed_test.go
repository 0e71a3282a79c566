package usage_test

import (
	"math/big"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/usage"
)

// edge is the first whole number of units of 10^-36 that 192 bits with a sign do not hold.
var edge = new(big.Int).Lsh(big.NewInt(1), 191)

// drawEdge makes numbers around the bounds of the small form: its range, its decimals, its words.
func drawEdge() *rapid.Generator[usage.Quantity] {
	return rapid.Custom(func(t *rapid.T) usage.Quantity {
		whole := new(big.Int)
		switch rapid.SampledFrom([]string{"range", "word", "half", "any", "ten"}).Draw(t, "kind") {
		case "range":
			whole.Set(edge)
		case "half":
			whole.Rsh(edge, 1)
		case "word":
			whole.Lsh(big.NewInt(1), rapid.SampledFrom([]uint{63, 64, 127, 128}).Draw(t, "bits"))
		case "ten":
			whole.Exp(big.NewInt(10), big.NewInt(rapid.Int64Range(0, 60).Draw(t, "power")), nil)
		case "any":
			whole.SetBytes(rapid.SliceOfN(rapid.Byte(), 0, 26).Draw(t, "bytes"))
		}
		whole.Add(whole, big.NewInt(rapid.Int64Range(-3, 3).Draw(t, "beside")))
		exponent := rapid.SampledFrom([]int32{-36, -36, -36, -37, -35, -40, -20, -1, 0, 3, 20}).Draw(t, "exponent")
		return usage.Compose(rapid.Bool().Draw(t, "negative") != (whole.Sign() < 0), whole.Bytes(), exponent)
	})
}

func TestQuantitiesAroundTheBoundsOfTheSmallForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawEdge().Draw(t, "a"), drawEdge().Draw(t, "b")
		x, y := exact(t, a.String()), exact(t, b.String())
		for name, is := range map[string]struct {
			q    usage.Quantity
			want *big.Rat
		}{
			"a":         {a, x},
			"a + b":     {a.Add(b), new(big.Rat).Add(x, y)},
			"a - b":     {a.Sub(b), new(big.Rat).Sub(x, y)},
			"a * b":     {a.Mul(b), new(big.Rat).Mul(x, y)},
			"a + b - b": {a.Add(b).Sub(b), x},
			"a - b + b": {a.Sub(b).Add(b), x},
			"a + a - a": {a.Add(a).Sub(a), x},
			"0 - a":     {usage.Quantity{}.Sub(a), new(big.Rat).Neg(x)},
			"|a|":       {a.Abs(), new(big.Rat).Abs(x)},
		} {
			text := is.q.String()
			if exact(t, text).Cmp(is.want) != 0 || is.q.Sign() != is.want.Sign() {
				t.Fatalf("%s is %s of sign %d, want %s; a is %s, b is %s", name, text, is.q.Sign(), is.want.FloatString(80), a, b)
			}
			if strings.Contains(text, ".") && strings.HasSuffix(text, "0") || strings.HasPrefix(text, "00") || text == "-0" {
				t.Fatalf("%s is written as %s", name, text)
			}
			// One form of each number, however it came about.
			again, err := usage.ParseForeignSum(text)
			if err != nil || !again.Equal(is.q) || !is.q.Equal(again) {
				t.Fatalf("%s: %s reads back as %s, %v", name, text, again, err)
			}
			negative, coefficient, exponent := is.q.Decompose(nil)
			if back := usage.Compose(negative, coefficient, exponent); !back.Equal(is.q) || back.String() != text {
				t.Fatalf("%s: %s comes back from its parts as %s", name, text, back)
			}
			if small(is.q) != fits(is.want) || small(again) != fits(is.want) {
				t.Fatalf("%s: %s fits: %v; in the small form: %v, and as it is read %v", name, text, fits(is.want), small(is.q), small(again))
			}
		}
		if a.Equal(b) != (x.Cmp(y) == 0) {
			t.Fatalf("%s and %s are equal: %v", a, b, a.Equal(b))
		}
	})
}

// small reports whether q has no memory of its own: only then are two of a number the same value.
func small(q usage.Quantity) bool {
	negative, coefficient, exponent := q.Decompose(nil)
	again := usage.Compose(negative, coefficient, exponent)
	return again == usage.Compose(negative, coefficient, exponent)
}

// fits reports whether a number has at most 36 decimals, and with them 191 bits and a sign.
func fits(x *big.Rat) bool {
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(36), nil)
	units := new(big.Rat).Mul(x, new(big.Rat).SetInt(unit))
	if !units.IsInt() {
		return false
	}
	if n := units.Num(); n.Sign() < 0 {
		return new(big.Int).Neg(n).Cmp(edge) <= 0
	}
	return units.Num().Cmp(edge) < 0
}

func TestSmallQuantitiesDoNotAllocate(t *testing.T) {
	var sum usage.Quantity
	row, text, room := quantity(t, "8.3819031715393066E-08"), "16.461425899527967", make([]byte, 0, 64)
	if n := testing.AllocsPerRun(100, func() {
		q, err := usage.ParseQuantity(text)
		if err != nil || q.Sign() < 0 || q.Equal(row) {
			t.Fatal(q, err)
		}
		sum = sum.Add(row).Add(q).Sub(row)
		room = sum.AppendText(room[:0])
		if back, err := usage.ParseSum(text); err != nil || back != q {
			t.Fatal(back, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAddQuantity(b *testing.B) {
	var sum usage.Quantity
	rows := [...]usage.Quantity{quantity(b, "16.461425899527967"), quantity(b, "8.3819031715393066E-08"), quantity(b, "1.0"), quantity(b, "221.01048389542848")}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		sum = sum.Add(rows[i%len(rows)])
	}
	if sum.Sign() < 0 {
		b.Fatal(sum)
	}
}

func BenchmarkParseQuantity(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := usage.ParseQuantity("16.461425899527967"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendText(b *testing.B) {
	q, room := quantity(b, "16.461425899527967"), make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		room = q.AppendText(room[:0])
	}
}

func BenchmarkMulQuantity(b *testing.B) {
	q, rate := quantity(b, "16.461425899527967"), quantity(b, "0.046")
	b.ReportAllocs()
	for b.Loop() {
		if q.Mul(rate).Sign() < 0 {
			b.Fatal("below zero")
		}
	}
}
