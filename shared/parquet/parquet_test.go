package parquet_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	foreign "github.com/parquet-go/parquet-go"

	"stackusage/shared/parquet"
)

// The columns of the test's file; kind says how random a column is.
var columns = []parquet.Column{
	{Name: "Constant", Kind: parquet.Text},
	{Name: "Few", Kind: parquet.Text},
	{Name: "Unique", Kind: parquet.Text},
	{Name: "Nothing", Kind: parquet.Decimal, Scale: 2},
	{Name: "Amount", Kind: parquet.Decimal, Scale: 24},
	{Name: "At", Kind: parquet.Time},
}

// rows makes n rows; a value is nil where a column is null.
func rows(n int) [][]any {
	random := rand.New(rand.NewPCG(1, 2))
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)
	out := make([][]any, n)
	for i := range out {
		row := []any{"always", nil, fmt.Sprintf("ü %d", random.Uint64()), nil, nil, time.Unix(int64(random.IntN(100))*86400-86400*30, 0).UTC()}
		if random.IntN(3) > 0 {
			row[1] = strings.Repeat("x", random.IntN(5))
		}
		if random.IntN(4) > 0 {
			amount := new(big.Int).SetBytes(fmt.Appendf(nil, "%016x", random.Uint64())[:random.IntN(16)])
			if random.IntN(2) == 0 {
				amount.Neg(amount)
			}
			row[4] = amount
		}
		out[i] = row
	}
	out[0][4], out[1][4] = new(big.Int).Sub(limit, big.NewInt(1)), new(big.Int).Sub(big.NewInt(1), limit)
	return out
}

func write(t testing.TB, rows [][]any) []byte {
	t.Helper()
	var out bytes.Buffer
	w := parquet.NewWriter(&out, columns)
	for _, row := range rows {
		for i, value := range row {
			switch v := value.(type) {
			case string:
				w.SetText(i, v)
			case *big.Int:
				w.SetDecimal(i, v)
			case time.Time:
				w.SetTime(i, v)
			}
		}
		if err := w.EndRow(); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// signed reads two's complement.
func signed(b []byte) *big.Int {
	n := new(big.Int).SetBytes(b)
	if b[0]&0x80 != 0 {
		n.Sub(n, new(big.Int).Lsh(big.NewInt(1), uint(8*len(b))))
	}
	return n
}

// TestAsOthersRead: a reader that is not ours finds what was written, in several row
// groups and pages, and bounds that hold for decimals below zero.
func TestAsOthersRead(t *testing.T) {
	want := rows(150_000)
	file := write(t, want)
	f, err := foreign.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		t.Fatal(err)
	}
	if f.NumRows() != int64(len(want)) || len(f.RowGroups()) != 2 {
		t.Fatalf("%d rows in %d groups", f.NumRows(), len(f.RowGroups()))
	}
	at := 0
	for number, group := range f.RowGroups() {
		from := at
		reader := group.Rows()
		buffer := make([]foreign.Row, 1000)
		for {
			n, err := reader.ReadRows(buffer)
			for _, row := range buffer[:n] {
				for i, value := range row {
					if got := read(columns[i].Kind, value); fmt.Sprint(got) != fmt.Sprint(want[at][i]) {
						t.Fatalf("row %d, column %s: %v; want %v", at, columns[i].Name, got, want[at][i])
					}
				}
				at++
			}
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var least, most *big.Int
		nulls := 0
		for _, row := range want[from:at] {
			n, ok := row[4].(*big.Int)
			if !ok {
				nulls++
				continue
			}
			if least == nil || n.Cmp(least) < 0 {
				least = n
			}
			if most == nil || n.Cmp(most) > 0 {
				most = n
			}
		}
		stats := f.Metadata().RowGroups[number].Columns[4].MetaData.Statistics
		if signed(stats.MinValue).Cmp(least) != 0 || signed(stats.MaxValue).Cmp(most) != 0 || stats.NullCount != int64(nulls) {
			t.Errorf("group %d: bounds %s to %s, %v nulls; want %s to %s, %d", number, signed(stats.MinValue), signed(stats.MaxValue), stats.NullCount, least, most, nulls)
		}
	}
}

func read(kind parquet.Kind, v foreign.Value) any {
	switch {
	case v.IsNull():
		return nil
	case kind == parquet.Decimal:
		return signed(v.ByteArray())
	case kind == parquet.Time:
		return time.UnixMicro(v.Int64()).UTC()
	}
	return string(v.ByteArray())
}

func TestWriterRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		set  func(w *parquet.Writer)
		want string
	}{
		"a text that is not UTF-8": {func(w *parquet.Writer) { w.SetText(0, "\xe4") }, "column Constant: \"\\xe4\" is not UTF-8"},
		"39 digits": {func(w *parquet.Writer) { w.SetDecimal(4, new(big.Int).Exp(big.NewInt(10), big.NewInt(38), nil)) },
			"column Amount: more than 38 digits"},
		"another kind": {func(w *parquet.Writer) { w.SetText(4, "1") }, "column Amount: set twice, or as another kind"},
		"twice":        {func(w *parquet.Writer) { w.SetText(0, "1"); w.SetText(0, "1") }, "column Constant: set twice"},
	} {
		w := parquet.NewWriter(io.Discard, columns)
		if c.set(w); true {
			if err := w.EndRow(); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v", name, err)
			}
		}
	}
	empty := write(t, nil)
	if f, err := foreign.OpenFile(bytes.NewReader(empty), int64(len(empty))); err != nil || f.NumRows() != 0 {
		t.Errorf("a file without rows: %v", err)
	}
}

// TestLongTexts: a row group ends before its texts take much memory.
func TestLongTexts(t *testing.T) {
	const megabyte = 1 << 20
	var long [][]any
	for i := range 70 {
		long = append(long, []any{nil, nil, fmt.Sprint(i) + strings.Repeat("x", megabyte)})
	}
	file := write(t, long)
	f, err := foreign.OpenFile(bytes.NewReader(file), int64(len(file)))
	if err != nil || f.NumRows() != 70 || len(f.RowGroups()) != 2 {
		t.Fatalf("%v", err)
	}
	if stats := f.Metadata().RowGroups[0].Columns[2].MetaData.Statistics; stats.MinValue != nil || stats.NullCount != 0 {
		t.Errorf("bounds of a megabyte: %d bytes", len(stats.MinValue))
	}
}
