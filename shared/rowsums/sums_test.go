package rowsums_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"stackusage/internal/usagegen"
	"stackusage/shared/content"
	"stackusage/shared/rowsums"
	"stackusage/shared/usage"
)

func accept(string, usage.Hour) bool { return true }

type modelKey struct {
	usage.Key
	usage.Hour
}

type modelTotal struct {
	usage.Shown
	Quantity string
	Rows     int64
	exact    *big.Rat
}

// TestScannedRowsAddUpLikeParsedOnes feeds rows on both ways, some of them in another
// spelling, and compares with a map of fractions.
func TestScannedRowsAddUpLikeParsedOnes(t *testing.T) {
	for _, count := range []int{1, 7, 100, 0} {
		t.Run(fmt.Sprint(count), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, uint64(count)))
			disk := content.NewDisk(0)
			dir := t.TempDir()
			sums, err := rowsums.New(dir, count, disk)
			if err != nil {
				t.Fatal(err)
			}
			scanner := usage.NewScanner(usagegen.Reported)
			want := map[modelKey]*modelTotal{}
			for line := range usagegen.Rows(usagegen.Reported, 3000, 60) {
				if rnd.IntN(3) == 0 {
					line = bytes.ReplaceAll(line, []byte("/providers/Microsoft."), []byte("/Providers/microsoft."))
				}
				if rnd.IntN(5) == 0 { // instanceData of another shape, with the same meaning
					line = bytes.ReplaceAll(line, []byte(`\"location\":`), []byte(`\"location\": `))
				}
				record, rejection := usage.ParseRecord(line, usagegen.Reported)
				if rejection != nil {
					t.Fatal(rejection)
				}
				key := modelKey{record.Key(), record.Hour}
				if want[key] == nil {
					want[key] = &modelTotal{Shown: record.Shown, exact: new(big.Rat)}
				}
				q, _ := new(big.Rat).SetString(record.Quantity.String())
				want[key].exact.Add(want[key].exact, q)
				want[key].Rows++
				want[key].Shown = want[key].Shown.Least(record.Shown)

				row, ok := scanner.Scan(line)
				if !ok {
					t.Fatalf("not of the known shape: %s", line)
				}
				added := true
				if rnd.IntN(4) == 0 {
					err = sums.Add(record)
				} else {
					added, err = sums.AddScanned(row, accept)
				}
				if !added { // of another shape
					err = sums.Add(record)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			{
				got := map[modelKey]modelTotal{}
				for total, err := range sums.All() {
					if err != nil {
						t.Fatal(err)
					}
					key := modelKey{total.Shown.Key(), total.Hour}
					if _, twice := got[key]; twice {
						t.Errorf("%+v comes twice", key)
					}
					got[key] = modelTotal{Shown: total.Shown, Quantity: total.Quantity.String(), Rows: total.Rows}
				}
				for key, m := range want {
					g := got[key]
					if q, ok := new(big.Rat).SetString(g.Quantity); !ok || q.Cmp(m.exact) != 0 || g.Rows != m.Rows || g.Shown != m.Shown {
						t.Errorf("%+v\nwant %+v, %s", g, m, m.exact.FloatString(20))
					}
				}
				if len(got) != len(want) {
					t.Errorf("%d totals, want %d", len(got), len(want))
				}
			}
			if err := sums.Close(); err != nil {
				t.Fatal(err)
			}
			if left, _ := os.ReadDir(dir); len(left) > 0 {
				t.Errorf("left on disk: %v", left)
			}
			if err := disk.Take(1 << 40); err != nil { // all was given back
				t.Error(err)
			}
		})
	}
}

func TestTheDiskThatRunsTakeIsBounded(t *testing.T) {
	add := func(limit int64) error {
		disk := content.NewDisk(limit)
		sums, err := rowsums.New(t.TempDir(), 10, disk)
		if err != nil {
			t.Fatal(err)
		}
		defer sums.Close()
		for line := range usagegen.Rows(usagegen.Reported, 5000, 5000) {
			record, _ := usage.ParseRecord(line, usagegen.Reported)
			if err := sums.Add(record); err != nil {
				return err
			}
		}
		return nil
	}
	if err := add(10_000); !errors.Is(err, content.ErrOverDisk) {
		t.Errorf("10,000 bytes are enough: %v", err)
	}
	if err := add(1 << 20); err != nil {
		t.Error(err)
	}
}

// TestADamagedRunIsAnError cuts a run at every length, and flips bits of it.
func TestADamagedRunIsAnError(t *testing.T) {
	// totals are those of a run that was damaged before it was read.
	totals := func(damage func(run []byte) []byte) (all []rowsums.Total, whole []byte, err error) {
		dir := t.TempDir()
		sums, err := rowsums.New(dir, 40, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer sums.Close()
		for line := range usagegen.Rows(usagegen.Reported, 60, 60) { // the last one waits for the first run
			record, _ := usage.ParseRecord(line, usagegen.Reported)
			if err := sums.Add(record); err != nil {
				t.Fatal(err)
			}
		}
		path := filepath.Join(dir, "*", "run-000001")
		files, err := filepath.Glob(path)
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		whole, err = os.ReadFile(files[0])
		if err == nil {
			err = os.WriteFile(files[0], damage(bytes.Clone(whole)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		for total, err := range sums.All() {
			if err != nil {
				return all, whole, err
			}
			all = append(all, total)
		}
		return all, whole, nil
	}
	want, whole, err := totals(func(run []byte) []byte { return run })
	if err != nil || len(want) != 60 {
		t.Fatal(len(want), err)
	}
	for n := 0; n < len(whole); n += 23 {
		if got, _, err := totals(func(run []byte) []byte { return run[:n] }); err == nil {
			t.Errorf("cut to %d of %d bytes: %d totals, and no error", n, len(whole), len(got))
		}
		got, _, err := totals(func(run []byte) []byte { run[n] ^= 1 << (n % 8); return run })
		if err == nil && !cmp.Equal(got, want, cmp.Comparer(usage.Quantity.Equal)) {
			t.Errorf("a bit of byte %d: %d totals, and no error", n, len(got))
		}
	}
}
