package usagegen_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"stackusage/internal/usagegen"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// sumKey is what rows add by.
type sumKey struct {
	usage.Shown
	usage.Hour
}

// TestHour: benchmarks on two machines are of the same bytes.
func TestHour(t *testing.T) {
	const rows, resources = 20_000, 1000
	var file bytes.Buffer
	name, trailer, err := usagegen.Hour(&file, rows, resources)
	if err != nil {
		t.Fatal(err)
	}
	rowBytes, long, sums := 0, 0, map[sumKey]int{}
	hash := sha256.New()
	for line, err := range lines(file.Bytes(), name) {
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(line)
		rowBytes += len(line)
		record, rejection := usage.ParseRecord(line, name.Hour)
		if rejection != nil {
			t.Fatalf("%s: %s", rejection.Reason, line)
		}
		sums[sumKey{record.Shown, record.Hour}]++
		_, after, _ := strings.Cut(string(line), `"quantity":`)
		quantity, _, _ := strings.Cut(after, ",")
		if strings.Contains(quantity, "E") || len(quantity) > 20 {
			long++
		}
	}
	if trailer.Records != rows || len(sums) != resources || sums[firstOf(sums)] != rows/resources {
		t.Errorf("%d rows over %d resources", trailer.Records, len(sums))
	}
	const want = "a98d050b1c4c81f62e62bec477df1084be2fc14dd2332ba6f1377a9616abbca9"
	if got := fmt.Sprintf("%x", hash.Sum(nil)); got != want {
		t.Errorf("the rows have SHA-256 %s, want %s", got, want)
	}
	t.Logf("%d bytes a row, %d compressed, %d of %d quantities with 20 and more digits or an exponent", rowBytes/rows, file.Len()/rows, long, rows)
	if mean := rowBytes / rows; mean < 915 || mean > 925 {
		t.Errorf("the mean row has %d bytes, want 920", mean)
	}
	if mean := float64(file.Len()) / rows; mean < 70*0.95 || mean > 70*1.05 {
		t.Errorf("the mean row has %.1f bytes compressed, want 70, 5 %% more or less", mean)
	}
	if long < rows*15/1000 || long > rows*25/1000 {
		t.Errorf("%d of %d quantities have 20 and more digits or an exponent, want 2 %%", long, rows)
	}
}

func firstOf(sums map[sumKey]int) (first sumKey) {
	for first = range sums {
		break
	}
	return first
}

func lines(file []byte, name landing.Name) func(yield func([]byte, error) bool) {
	return func(yield func([]byte, error) bool) {
		r, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
		for err == nil {
			var line landing.Line
			if line, err = r.Next(); err == nil && !yield(line.Bytes, nil) {
				return
			}
		}
		if !errors.Is(err, io.EOF) {
			yield(nil, err)
		}
	}
}

func TestCached(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	path, name, err := usagegen.Cached(100, 10)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if again, _, err := usagegen.Cached(100, 10); err != nil || again != path {
		t.Errorf("the second time it is %s, %v", again, err)
	}
	if err := os.WriteFile(path, whole[:len(whole)/2], 0o666); err != nil {
		t.Fatal(err)
	}
	again, same, err := usagegen.Cached(100, 10)
	if err != nil || again != path || same != name {
		t.Fatalf("after it was cut: %s, %v", again, err)
	}
	if got, err := os.ReadFile(again); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("after it was cut it has %d bytes, %v", len(got), err)
	}
}
