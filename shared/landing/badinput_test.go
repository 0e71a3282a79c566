package landing_test

import (
	pkzip "archive/zip"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"crypto/sha256"
	"io"
	"runtime"
	"strings"
	"testing"

	"stackusage/internal/badinput"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// edited is a good blob of two rows with one part of its text replaced.
func edited(t testing.TB, old, with string) []byte {
	t.Helper()
	b := goodBlob(t, `{"a":1}`, `{"a":2}`)
	text := strings.Join([]string{b.header, b.rows[0], b.rows[1], b.trailer, ""}, "\n")
	if strings.Count(text, old) != 1 {
		t.Fatalf("%s is not once in %s", old, text)
	}
	return zip(t, strings.Replace(text, old, with, 1))
}

func TestBadBlobsAreRejectedByCode(t *testing.T) {
	b := goodBlob(t, `{"a":1}`, `{"a":2}`)
	good := b.bytes(t)
	empty := zip(t, "")
	header, rest := b.header+"\n", b.rows[0]+"\n"+b.rows[1]+"\n"+b.trailer+"\n"
	crlf := strings.ReplaceAll(header+rest, "\n", "\r\n")
	const open, tenant = `"tenants":{`, "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	deep := strings.Repeat("[", 100_000)

	for _, tt := range []struct {
		name, code string
		file       []byte
	}{
		{"a header that names two registrations", landing.RejectedHeader, edited(t, `"region"`, `"cloudId":"c31316d4-de02-43a4-903d-eb74f8258b01","region"`)},
		{"a header that names two registrations in two cases", landing.RejectedHeader, edited(t, `"region"`, `"CloudID":"c31316d4-de02-43a4-903d-eb74f8258b01","region"`)},
		{"a header of two windows", landing.RejectedHeader, edited(t, `"region"`, `"reportedStart":"2019-12-10T18:00:00Z","region"`)},
		{"a header with a subscription twice", landing.RejectedHeader, edited(t, open, open+`"`+tenant+`":"x",`)},
		{"a header with a subscription in two cases, of two directories", landing.RejectedHeader, edited(t, open, open+`"`+strings.ToUpper(tenant)+`":"22222222-cfe9-4fcf-b90c-87f2af292fc9",`)},
		{"a header with half a pair", landing.RejectedHeader, edited(t, `"northwest"`, `"\ud800"`)},
		{"a header that is no UTF-8", landing.RejectedHeader, edited(t, `"northwest"`, "\"\xff\"")},
		{"a header with a NUL byte", landing.RejectedHeader, edited(t, `"northwest"`, "\"\x00\"")},
		{"a header behind a byte order mark", landing.RejectedHeader, zip(t, "\ufeff"+header+rest)},
		{"a header of brackets", landing.RejectedHeader, zip(t, deep+"\n"+rest)},
		{"a header with brackets in what nobody reads", landing.RejectedHeader, edited(t, `"region"`, `"x":`+deep+`,"region"`)},
		{"a header in the year 99999", landing.RejectedHeader, edited(t, "2019-12-10T19:00:00Z", "99999-12-10T19:00:00Z")},
		{"a header with a leap second", landing.RejectedHeader, edited(t, "2019-12-10T19:00:00Z", "2019-12-10T18:59:60Z")},
		{"a header without offset", landing.RejectedHeader, edited(t, "2019-12-10T19:00:00Z", "2019-12-10T19:00:00")},
		{"a header of another registration", landing.RejectedRegistration, edited(t, `"`+cloudID+`"`, `"c31316d4-de02-43a4-903d-eb74f8258b01"`)},
		{"a header of a registration that climbs", landing.RejectedRegistration, edited(t, `"`+cloudID+`"`, `"../landing-x"`)},
		{"a header off by a nanosecond", landing.RejectedWindow, edited(t, "2019-12-10T19:00:00Z", "2019-12-10T19:00:00.000000001Z")},
		{"a header off by its offset", landing.RejectedWindow, edited(t, "2019-12-10T19:00:00Z", "2019-12-10T19:00:00+01:00")},

		{"a trailer with two counts", landing.RejectedTrailer, edited(t, `"records":2`, `"records":1,"records":2`)},
		{"a trailer with two counts in two cases", landing.RejectedTrailer, edited(t, `"records":2`, `"records":2,"Records":1`)},
		{"two trailers in one object", landing.RejectedTrailer, edited(t, `{"trailer":`, `{"Trailer":null,"trailer":`)},
		{"a count with a fraction", landing.RejectedTrailer, edited(t, `"records":2`, `"records":2.0`)},
		{"a count with an exponent", landing.RejectedTrailer, edited(t, `"records":2`, `"records":2e0`)},
		{"a count in a text", landing.RejectedTrailer, edited(t, `"records":2`, `"records":"2"`)},
		{"a count that is not a number", landing.RejectedTrailer, edited(t, `"records":2`, `"records":NaN`)},
		{"a count of 60 digits", landing.RejectedTrailer, edited(t, `"records":2`, `"records":`+strings.Repeat("2", 60))},
		{"a count of 1e400", landing.RejectedTrailer, edited(t, `"records":2`, `"records":1e400`)},
		{"pages below zero", landing.RejectedTrailer, edited(t, `"pages":1`, `"pages":-1`)},
		{"a trailer of brackets", landing.RejectedTrailer, edited(t, `{"trailer":`, deep)},
		{"a count below zero", landing.RejectedCount, edited(t, `"records":2`, `"records":-2`)},
		{"a count beyond", landing.RejectedCount, edited(t, `"records":2`, `"records":9223372036854775807`)},
		{"no count", landing.RejectedCount, edited(t, `"records":2,`, ``)},
		{"line ends changed on the way", landing.RejectedHash, zip(t, crlf)},
		{"a byte order mark before the first row", landing.RejectedHash, zip(t, header+"\ufeff"+rest)},
		{"a NUL behind the first row", landing.RejectedHash, edited(t, `{"a":1}`, "{\"a\":1}\x00")},

		{"an empty member in front", landing.RejectedHeader, append(bytes.Clone(empty), good...)},
		{"a member for each part", landing.RejectedTrailer, append(zip(t, header), zip(t, rest)...)},
		{"a thousand empty members behind", landing.RejectedAfterEnd, append(bytes.Clone(good), bytes.Repeat(empty, 1000)...)},
		{"a thousand empty members", landing.RejectedHeader, bytes.Repeat(empty, 1000)},
		{"zeros behind, as tape drives write them", landing.RejectedAfterEnd, append(bytes.Clone(good), make([]byte, 512)...)},
		{"the blob in gzip in gzip", landing.RejectedHeader, zip(t, string(good))},
		{"zlib", landing.RejectedGzip, zlibbed(t, header+rest)},
		{"a zip file", landing.RejectedGzip, zipFile(t, header+rest)},
		{"a gzip header that says deflate64", landing.RejectedGzip, append([]byte{0x1f, 0x8b, 9}, good[3:]...)},
		{"a gzip header whose name has no end", landing.RejectedGzip, append([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 0, 255}, bytes.Repeat([]byte("x"), 1<<20)...)},
		{"a gzip header alone", landing.RejectedGzip, good[:5]},
		{"nothing but line ends", landing.RejectedHeader, zip(t, strings.Repeat("\n", 1000))},
	} {
		t.Run(tt.name+" is "+tt.code, func(t *testing.T) {
			wantRejection(t, tt.file, nameOf(t, tt.file), landing.Limits{}, tt.code)
		})
	}
}

// A carriage return is white space to JSON and a byte like any other to the
// hash: what was hashed with it counts with it.
func TestLinesThatEndInCRLFAreReadIfTheyWereHashedSo(t *testing.T) {
	rows := []string{`{"a":1}` + "\r", `{"a":2}` + "\r"}
	b := goodBlob(t, rows...)
	b.header, b.trailer = b.header+"\r", b.trailer+"\r"
	file := b.bytes(t)
	got, err := read(bytes.NewReader(file), nameOf(t, file), landing.Limits{})
	if err != nil || got.rows[1] != rows[1] {
		t.Errorf("%q, %v", got.rows, err)
	}
}

func TestBadNamesAreRefused(t *testing.T) {
	const blob = "2019/12/10/19-0123456789abcdef.ndjson.gz"
	for _, place := range badinput.Places("landing-"+cloudID, blob) {
		name, err := landing.ParseName(place.Container, place.Blob)
		if err == nil {
			t.Errorf("%s: read as %s", place.Name, name)
		} else if len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", place.Name, len(err.Error()))
		}
	}
	if _, err := landing.ParseName("landing-"+cloudID, blob); err != nil {
		t.Error(err)
	}
}

// huge packs head, n bytes of one character, and tail.
func huge(t testing.TB, head string, n int, character, tail string) []byte {
	t.Helper()
	var file bytes.Buffer
	gz, _ := gzip.NewWriterLevel(&file, gzip.BestSpeed)
	chunk := []byte(strings.Repeat(character, 1<<20))
	_, err := io.WriteString(gz, head)
	for ; n > 0 && err == nil; n -= len(chunk) {
		_, err = gz.Write(chunk[:min(n, len(chunk))])
	}
	if err == nil {
		_, err = io.WriteString(gz, tail)
	}
	if err == nil {
		err = gz.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// Everything that reading takes is counted, garbage included: nothing may grow
// with what a small file unpacks to.
func TestHugeLinesTakeBoundedMemory(t *testing.T) {
	b := goodBlob(t)
	const line, header = 32 << 20, 48 << 20
	start := b.header[:len(b.header)-1]
	for _, tt := range []struct {
		name, code string // "" for a row too long, after which the blob is cut
		file       []byte
		bound      uint64
	}{
		{"a row of 32 MiB", "", huge(t, b.header+"\n", line, " ", "\n"), 8 << 20},
		{"a row of 32 MiB without end", landing.RejectedCutShort, huge(t, b.header+"\n", line, " ", ""), 8 << 20},
		{"a header of 48 MiB of spaces", landing.RejectedHeader, huge(t, "", header, " ", b.header+"\n"), 128 << 20},
		{"a header with 48 MiB of spaces behind", landing.RejectedHeader, huge(t, b.header, header, " ", "\n"+b.trailer+"\n"), 128 << 20},
		{"a header of 48 MiB in one text", landing.RejectedHeader, huge(t, start+`,"x":"`, header, "x", `"}`+"\n"), 128 << 20},
		{"a header of 15 MiB of brackets", landing.RejectedHeader, huge(t, start+`,"x":`, 15<<20, "[", "\n"), 128 << 20},
		{"a header of 15 MiB of empty lists", landing.RejectedTrailer, huge(t, start+`,"x":[[]`, 15<<20/3*3, ",[]", "]}\n"), 256 << 20},
		{"32 MiB of line ends", landing.RejectedTooManyRows, huge(t, b.header+"\n", line, "\n", ""), 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if len(tt.file) > 4<<20 {
				t.Fatalf("no bomb: %d bytes", len(tt.file))
			}
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			var took result
			var err error
			if tt.bound == 0 {
				took, err = read(bytes.NewReader(tt.file), nameOf(t, tt.file), landing.Limits{Rows: 1000})
			} else {
				took, err = read(bytes.NewReader(tt.file), nameOf(t, tt.file), landing.Limits{})
			}
			runtime.ReadMemStats(&after)
			want := tt.code
			if want == "" {
				want = landing.RejectedTrailer
			}
			if rejection, ok := err.(*landing.Rejection); !ok || rejection.Code != want {
				t.Errorf("%v, want %s", err, want)
			}
			if total := after.TotalAlloc - before.TotalAlloc; total > max(tt.bound, 8<<20) {
				t.Errorf("%d MiB allocated for %d bytes", total>>20, len(tt.file))
			}
			if tt.code == "" && (len(took.long) != 0 || len(took.rows) != 0) {
				t.Errorf("%d rows", len(took.rows))
			}
		})
	}
}

func TestALongRowIsRefusedAlone(t *testing.T) {
	row := `{"a":1}`
	long := 32 << 20
	var set landing.RowSet
	sum := sha256.New()
	for range long >> 20 {
		sum.Write(bytes.Repeat([]byte(" "), 1<<20))
	}
	set.Add([sha256.Size]byte(sum.Sum(nil)))
	set.Add(sha256.Sum256([]byte(row)))
	set.Add(sha256.Sum256([]byte(row)))
	b := blob{header: headerLine(t, nil), trailer: trailerLine(t, 3, set.String())}
	file := huge(t, b.header+"\n"+row+"\n", long, " ", "\n"+row+"\n"+b.trailer+"\n")
	got, err := read(bytes.NewReader(file), nameOf(t, file), landing.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.rows) != 3 || len(got.long) != 1 || got.long[0] != 2 || len(got.rows[1]) != usage.MaxLine {
		t.Errorf("%d rows, %v too long", len(got.rows), got.long)
	}
}

func zlibbed(t testing.TB, text string) []byte {
	t.Helper()
	var file bytes.Buffer
	w := zlib.NewWriter(&file)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func zipFile(t testing.TB, text string) []byte {
	t.Helper()
	var file bytes.Buffer
	w := pkzip.NewWriter(&file)
	f, err := w.Create("19.ndjson")
	if err == nil {
		_, err = io.WriteString(f, text)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}
