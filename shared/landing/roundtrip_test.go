package landing_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

func TestWhatIsWrittenIsRead(t *testing.T) {
	many := make([]string, 20_000)
	for i := range many {
		many[i] = fmt.Sprintf(`{"properties":{"quantity":%d.%017d}}`, i, i)
	}
	for name, rows := range map[string][]string{
		"an hour without usage":            nil,
		"one row":                          {`{"properties":{}}`},
		"equal rows":                       {`{}`, `{}`, `{}`},
		"an empty row":                     {``, `{}`, ``},
		"rows that look like a trailer":    {`{"trailer":{"records":0,"pages":0,"rowSetHash":""}}`, `{}`},
		"bytes that are no JSON, no UTF-8": {"\xff\xfe\x00", "\r", " \t{ \"a\" : 1.50 } ", "{}\r"},
		"many rows":                        many,
		"rows around the buffers' sizes": {
			strings.Repeat("a", 4095), strings.Repeat("b", 4096), strings.Repeat("c", 4097),
			strings.Repeat("d", 64<<10-1), strings.Repeat("e", 64<<10), strings.Repeat("f", 64<<10+1),
			strings.Repeat("g", usage.MaxLine-1), strings.Repeat("h", usage.MaxLine),
		},
	} {
		t.Run(name, func(t *testing.T) {
			file, name, trailer := write(t, goodHeader(), rows...)
			got, err := read(bytes.NewReader(file), name, landing.Limits{})
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got.rows, rows) {
				t.Errorf("%d rows were written, %d read, or not the same bytes", len(rows), len(got.rows))
			}
			if got.long != nil {
				t.Errorf("lines %v are too long", got.long)
			}
			if diff := cmp.Diff(goodHeader(), got.header); diff != "" {
				t.Error(diff)
			}
			want := landing.Trailer{Records: int64(len(rows)), Pages: 3, RowSetHash: rowSetOf(rows...)}
			if got.trailer != want || trailer != want || got.rowSet != want.RowSetHash {
				t.Errorf("trailer written %+v, read %+v, want %+v", trailer, got.trailer, want)
			}
			sum := sha256.Sum256(file)
			if got.sha256 != hex.EncodeToString(sum[:]) || got.size != int64(len(file)) {
				t.Errorf("the file has %d bytes of hash %s", got.size, got.sha256)
			}
			if name.String() != "landing-"+cloudID+"/2019/12/10/19-"+got.sha256[:16]+".ndjson.gz" {
				t.Errorf("named %s", name)
			}
		})
	}
}

func TestAnyRowsAreReadAsTheyWereWritten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rows := rapid.SliceOf(rapid.StringMatching(`[^\n]{0,50}`)).Draw(rt, "rows")
		file, name, _ := write(t, goodHeader(), rows...)
		// A source may give as little as it likes at a time.
		got, err := read(iotest.HalfReader(bytes.NewReader(file)), name, landing.Limits{})
		if err != nil || !slices.Equal(got.rows, rows) {
			rt.Fatalf("%q was read as %q, %v", rows, got.rows, err)
		}
		if got, err := read(iotest.DataErrReader(iotest.OneByteReader(bytes.NewReader(file))), name, landing.Limits{}); err != nil || !slices.Equal(got.rows, rows) {
			rt.Fatalf("byte by byte: %q, %v", got.rows, err)
		}
	})
}

func TestTheWriterPutsTheHeaderInOrder(t *testing.T) {
	h := goodHeader()
	h.Format = "x"
	h.CloudID = strings.ToUpper(strings.ReplaceAll(cloudID, "-", ""))
	h.ReportedStart = reported.Add(10 * time.Minute).In(time.FixedZone("", 3600))
	h.ReportedEnd = time.Time{}
	file, name, _ := write(t, h)
	got, err := read(bytes.NewReader(file), name, landing.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(goodHeader(), got.header); diff != "" {
		t.Error(diff)
	}
}

func TestTheWriterRefusesALineBreak(t *testing.T) {
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, goodHeader())
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Row([]byte("{\n}")); err == nil {
		t.Error("a row of two lines was written")
	}
	if err := w.Row([]byte("{}")); err != nil {
		t.Fatal(err)
	}
	name, trailer, err := w.Close(1)
	if err != nil || trailer.Records != 1 {
		t.Fatalf("%+v, %v", trailer, err)
	}
	if got, err := read(bytes.NewReader(file.Bytes()), name, landing.Limits{}); err != nil || len(got.rows) != 1 {
		t.Errorf("the refused row left a trace: %q, %v", got.rows, err)
	}
}

// failing takes a number of bytes and then no more.
type failing struct{ room int }

func (f *failing) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, fmt.Errorf("disk full")
	}
	return len(p), nil
}

func TestTheWriterReportsAFailingDisk(t *testing.T) {
	whole, _, _ := write(t, goodHeader(), "{}")
	for room := 0; room < len(whole); room += 4 {
		w, err := landing.NewWriter(&failing{room: room}, goodHeader())
		if err == nil {
			if err = w.Row([]byte("{}")); err == nil {
				_, _, err = w.Close(1)
			}
		}
		if err == nil || !strings.Contains(err.Error(), "disk full") || !strings.Contains(err.Error(), "2019-12-10T19:00Z") {
			t.Fatalf("with room for %d of %d bytes: %v", room, len(whole), err)
		}
	}
}

func TestRowSet(t *testing.T) {
	t.Run("does not depend on the order of rows", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			rows := rapid.SliceOf(rapid.String()).Draw(t, "rows")
			if a, b := rowSetOf(rows...), rowSetOf(rapid.Permutation(rows).Draw(t, "order")...); a != b {
				t.Fatalf("%s or %s", a, b)
			}
		})
	})
	t.Run("tells duplicates apart", func(t *testing.T) {
		seen := map[string]bool{rowSetOf(): true}
		for _, set := range [][]string{{"a"}, {"a", "a"}, {"a", "a", "a"}, {"b"}, {"a", "b"}, {"ab"}, {""}, {"", ""}} {
			if h := rowSetOf(set...); seen[h] {
				t.Errorf("%q has the hash of another set", set)
			} else {
				seen[h] = true
			}
		}
	})
	t.Run("of no rows is zero", func(t *testing.T) {
		if got := rowSetOf(); got != strings.Repeat("0", 64) {
			t.Errorf("got %s", got)
		}
	})
	t.Run("of one row is its SHA-256", func(t *testing.T) {
		if got := rowSetOf("abc"); got != "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("carries from limb to limb and wraps at 2^256", func(t *testing.T) {
		var set landing.RowSet
		var ones, one [32]byte
		for i := range ones {
			ones[i] = 0xff
		}
		one[31] = 1
		set.Add(ones)
		set.Add(one)
		if got := set.String(); got != strings.Repeat("0", 64) {
			t.Errorf("2^256-1 + 1 = %s", got)
		}
		set.Add(ones)
		set.Add(ones)
		if got := set.String(); got != strings.Repeat("f", 63)+"e" {
			t.Errorf("2 * (2^256-1) = %s", got)
		}
	})
}

func BenchmarkReader(b *testing.B) {
	const rows = 5000
	random := rand.New(rand.NewPCG(1, 2))
	lines := make([]string, rows)
	for i := range lines {
		lines[i] = fmt.Sprintf(`{"properties":{"subscriptionId":"%016x","quantity":%.17f,"instanceData":"%s"}}`, random.Uint64(), random.Float64(), strings.Repeat("x", 500))
	}
	file, name, _ := write(b, goodHeader(), lines...)
	b.ReportAllocs()
	for b.Loop() {
		r, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
		for err == nil {
			_, err = r.Next()
		}
		if r == nil || r.Trailer().Records != rows {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*rows/b.Elapsed().Seconds(), "rows/s")
}
