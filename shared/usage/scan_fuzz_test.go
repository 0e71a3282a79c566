package usage_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"stackusage/internal/badinput"
	"stackusage/shared/usage"
)

// seedRows are rows of the known shape, and hostile ones brought into it.
func seedRows(t testing.TB) [][]byte {
	rows := stackRows()
	for _, row := range badinput.Small() {
		rows = append(rows, []byte(row.Line))
		if head, ok := strings.CutSuffix(row.Line, `"}}`); ok { // they lack the name at the end
			rows = append(rows, []byte(head+`","name":"y"}}`))
		}
	}
	return rows
}

// mutate changes a row as a broken or hostile sender might.
func mutate(rng *rand.Rand, row []byte) []byte {
	pieces := []string{
		`"`, `\"`, `\\`, `\`, `\\\"`, `\\\\`, `\n`, `\u0041`, `\ud83d\ude00`, `\ud83d`, `\u0000`, "\x00", "\x1f", "\x7f", "\x80", "\xff", "ß", "\u2028", "\u0085", "😀",
		" ", "\n", "{", "}", "[", "]", ",", ":", "null", `"quantity":1,`, `","quantity":`, `","quantity":1,"meterId":"`, `"name":"x",`, `","name":"`, `"Quantity":1,`, `,"tags":""`, `\"tags\":\"\",`,
		"0", "01", "1.", "-0", "1e5", "-1", "1e21", "E-05", ".", "e", "+", "99999999999999999999", "340282366920938463463374607431768211456", strings.Repeat("9", 60),
		"/", "//", "/..", "/./", "-", "00000000-0000-0000-0000-000000000000", "T20:00", "T18:00:00+00:00", "Z",
	}
	row = bytes.Clone(row)
	for range 1 + rng.IntN(3) {
		if len(row) == 0 {
			break
		}
		at := rng.IntN(len(row))
		if marks := strings.Count(string(row), `"`); marks > 0 && rng.IntN(2) == 0 { // beside a quote, where it hurts
			for skip := rng.IntN(marks); skip >= 0; skip-- {
				at = (at + 1 + max(0, bytes.IndexByte(row[(at+1)%len(row):], '"'))) % len(row)
			}
		} else if number := bytes.Index(row, []byte(`"quantity":`)); number >= 0 && rng.IntN(4) == 0 {
			at = min(len(row)-1, number+len(`"quantity":`)+rng.IntN(8))
		}
		switch rng.IntN(6) {
		case 0:
			row[at] = byte(rng.IntN(256))
		case 1:
			row = slices.Delete(row, at, min(len(row), at+1+rng.IntN(4)))
		case 2: // a part again, somewhere
			from := rng.IntN(len(row))
			row = slices.Insert(row, at, bytes.Clone(row[from:min(len(row), from+rng.IntN(60))])...)
		default:
			row = slices.Insert(row, at, []byte(pieces[rng.IntN(len(pieces))])...)
		}
	}
	return row
}

func TestScanAgreesWithThePlainPathOnChangedRows(t *testing.T) {
	reported := hour(t, "2019-12-10T19:00:00Z")
	good, rows, rng := stackRows(), seedRows(t), rand.New(rand.NewPCG(7, 18))
	s := usage.NewScanner(reported)
	taken, left := 0, 0 // left: good rows that the plain path has to read
	for n := range 60_000 {
		line := good[rng.IntN(len(good))]
		if n%4 == 0 {
			line = rows[rng.IntN(len(rows))]
		}
		line = mutate(rng, line)
		if checkScan(t, s, line, reported) {
			taken++
		} else if _, rejection := usage.ParseRecord(line, reported); rejection == nil {
			left++
		}
	}
	if taken < 1000 {
		t.Errorf("only %d changed rows take the fast path: the test shows little", taken)
	}
	t.Logf("%d changed rows took the fast path; %d more were good", taken, left)
}

func FuzzScan(f *testing.F) {
	reported := hour(f, "2019-12-10T19:00:00Z")
	for _, row := range seedRows(f) {
		f.Add(row, uint64(0))
		f.Add(row, uint64(1))
	}
	if rows, err := readRows(); err == nil {
		for _, row := range rows[:40] {
			f.Add([]byte(row), uint64(0))
		}
	}
	s := usage.NewScanner(reported) // remembers windows of other lines, as it does
	f.Fuzz(func(t *testing.T, line []byte, seed uint64) {
		if seed != 0 {
			line = mutate(rand.New(rand.NewPCG(seed, 0)), line)
		}
		checkScan(t, s, line, reported)
		checkScan(t, usage.NewScanner(reported), line, reported)
	})
}
