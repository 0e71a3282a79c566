package landing_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

func TestABlobByHandIsRead(t *testing.T) {
	file := goodBlob(t, `{"a":1}`, `{"a":2}`).bytes(t)
	got, err := read(bytes.NewReader(file), nameOf(t, file), landing.Limits{})
	if err != nil || strings.Join(got.rows, " ") != `{"a":1} {"a":2}` {
		t.Errorf("%q, %v", got.rows, err)
	}
}

func TestRejections(t *testing.T) {
	rows := []string{`{"a":1}`, `{"a":2}`}
	with := func(change func(*blob)) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			b := goodBlob(t, rows...)
			change(&b)
			return b.bytes(t)
		}
	}
	header := func(change func(*landing.Header)) func(t *testing.T) []byte {
		return with(func(b *blob) { b.header = headerLine(t, change) })
	}
	text := func(text string) func(t *testing.T) []byte {
		return func(t *testing.T) []byte { return zip(t, text) }
	}
	file := func(b []byte) func(t *testing.T) []byte { return func(*testing.T) []byte { return b } }
	good := goodBlob(t, rows...)
	whole := good.bytes(t)
	damaged := bytes.Clone(whole)
	damaged[len(damaged)-5] ^= 1 // in the checksum
	tests := []struct {
		name, code string
		make       func(t *testing.T) []byte
		limits     landing.Limits
	}{
		{"an empty file", landing.RejectedGzip, file(nil), landing.Limits{}},
		{"a file that is not gzip", landing.RejectedGzip, file([]byte("{}\n{}\n{}\n")), landing.Limits{}},
		{"a gzip stream with a wrong checksum", landing.RejectedGzip, file(damaged), landing.Limits{}},
		{"a file cut in the middle", landing.RejectedCutShort, file(whole[:len(whole)-10]), landing.Limits{}},
		{"a last line without its end", landing.RejectedCutShort, text(good.header + "\n" + good.trailer), landing.Limits{}},
		{"a header without its end", landing.RejectedCutShort, text(good.header), landing.Limits{}},

		{"an empty gzip stream", landing.RejectedHeader, text(""), landing.Limits{}},
		{"a header that is not JSON", landing.RejectedHeader, with(func(b *blob) { b.header = "hello" }), landing.Limits{}},
		{"an empty header", landing.RejectedHeader, with(func(b *blob) { b.header = "" }), landing.Limits{}},
		{"a header that is null", landing.RejectedHeader, with(func(b *blob) { b.header = "null" }), landing.Limits{}},
		{"rows without a header", landing.RejectedHeader, with(func(b *blob) { b.header = rows[0] }), landing.Limits{}},
		{"another format", landing.RejectedHeader, header(func(h *landing.Header) { h.Format = "azurestack-usage-hour/2" }), landing.Limits{}},
		{"a header whose time is no time", landing.RejectedHeader,
			with(func(b *blob) { b.header = strings.Replace(b.header, "2019-12-10T19:00:00Z", "now", 1) }), landing.Limits{}},
		{"an infrastructure subscription that is no GUID", landing.RejectedHeader,
			header(func(h *landing.Header) { h.ProviderSubscriptions = []string{"all"} }), landing.Limits{}},
		{"a header over its limit", landing.RejectedHeader,
			with(func(b *blob) { b.header = strings.Repeat(" ", 16<<20) + b.header }), landing.Limits{}},

		{"the header of another registration", landing.RejectedRegistration,
			header(func(h *landing.Header) { h.CloudID = "c31316d4-de02-43a4-903d-eb74f8258b01" }), landing.Limits{}},
		{"a header without registration", landing.RejectedRegistration, header(func(h *landing.Header) { h.CloudID = "" }), landing.Limits{}},
		{"a registration that is no GUID", landing.RejectedRegistration, header(func(h *landing.Header) { h.CloudID = "../etc" }), landing.Limits{}},

		{"a window of two hours", landing.RejectedWindow, header(func(h *landing.Header) { h.ReportedEnd = h.ReportedEnd.Add(time.Hour) }), landing.Limits{}},
		{"a window of no length", landing.RejectedWindow, header(func(h *landing.Header) { h.ReportedEnd = h.ReportedStart }), landing.Limits{}},
		{"a window off the hour", landing.RejectedWindow, header(func(h *landing.Header) {
			h.ReportedStart, h.ReportedEnd = h.ReportedStart.Add(time.Minute), h.ReportedEnd.Add(time.Minute)
		}), landing.Limits{}},
		{"a header without window", landing.RejectedWindow, header(func(h *landing.Header) { h.ReportedEnd = time.Time{} }), landing.Limits{}},

		{"the header of another hour", landing.RejectedName, header(func(h *landing.Header) {
			h.ReportedStart, h.ReportedEnd = h.ReportedStart.Add(time.Hour), h.ReportedEnd.Add(time.Hour)
		}), landing.Limits{}},

		{"no trailer", landing.RejectedTrailer, with(func(b *blob) { b.trailer = "-" }), landing.Limits{}},
		{"nothing after the header", landing.RejectedTrailer, text(good.header + "\n"), landing.Limits{}},
		{"an empty trailer", landing.RejectedTrailer, with(func(b *blob) { b.trailer = "" }), landing.Limits{}},
		{"a trailer that is null", landing.RejectedTrailer, with(func(b *blob) { b.trailer = `{"trailer":null}` }), landing.Limits{}},
		{"a trailer with a field too many", landing.RejectedTrailer, with(func(b *blob) { b.trailer = strings.Replace(b.trailer, "{", `{"x":1,`, 1) }), landing.Limits{}},
		{"two trailers on a line", landing.RejectedTrailer, with(func(b *blob) { b.trailer += b.trailer }), landing.Limits{}},
		{"a trailer that is too long", landing.RejectedTrailer, with(func(b *blob) { b.trailer += strings.Repeat(" ", usage.MaxLine) }), landing.Limits{}},
		{"a line after the trailer", landing.RejectedTrailer, with(func(b *blob) { b.trailer += "\n{}" }), landing.Limits{}},

		{"a trailer that counts one too many", landing.RejectedCount, with(func(b *blob) { b.trailer = trailerLine(t, 3, rowSetOf(rows...)) }), landing.Limits{}},
		{"a trailer that counts one too few", landing.RejectedCount, with(func(b *blob) { b.trailer = trailerLine(t, 1, rowSetOf(rows...)) }), landing.Limits{}},
		{"a second trailer", landing.RejectedCount, with(func(b *blob) { b.trailer += "\n" + b.trailer }), landing.Limits{}},
		{"a row taken out", landing.RejectedCount, with(func(b *blob) { b.rows = rows[:1] }), landing.Limits{}},

		{"a row changed", landing.RejectedHash, with(func(b *blob) { b.rows = []string{rows[0], `{"a":3}`} }), landing.Limits{}},
		{"a row put twice and another taken out", landing.RejectedHash, with(func(b *blob) { b.rows = []string{rows[0], rows[0]} }), landing.Limits{}},
		{"a trailer without hash", landing.RejectedHash, with(func(b *blob) { b.trailer = trailerLine(t, 2, "") }), landing.Limits{}},
		{"a space added to a row", landing.RejectedHash, with(func(b *blob) { b.rows = []string{rows[0], rows[1] + " "} }), landing.Limits{}},

		{"bytes after the end", landing.RejectedAfterEnd, with(func(b *blob) { b.after = []byte{0} }), landing.Limits{}},
		{"a second gzip stream", landing.RejectedAfterEnd, with(func(b *blob) { b.after = zip(t, "{}\n") }), landing.Limits{}},

		{"more rows than the limit", landing.RejectedTooManyRows, file(whole), landing.Limits{Rows: 1}},
		{"more bytes than the limit", landing.RejectedTooLarge, file(whole), landing.Limits{Bytes: int64(len(good.header) + 20)}},
		{"a header beyond the bytes' limit", landing.RejectedTooLarge, file(whole), landing.Limits{Bytes: 10}},
	}
	codes := map[string]bool{}
	for _, tt := range tests {
		codes[tt.code] = true
		t.Run(tt.name+" is rejected as "+tt.code, func(t *testing.T) {
			content := tt.make(t)
			wantRejection(t, content, nameOf(t, content), tt.limits, tt.code)
		})
	}
	t.Run("a file of another hash than its name's is rejected as "+landing.RejectedName, func(t *testing.T) {
		name := nameOf(t, whole)
		name.SHA16 = "0123456789abcdef"
		wantRejection(t, whole, name, landing.Limits{}, landing.RejectedName)
	})
	for _, code := range []string{
		"NotGzip", "CutShort", "NameDiffersFromContent", "RowSetHashDiffers", "RecordCountDiffers", "UnreadableHeader",
		"OtherRegistration", "WindowNotOneHour", "TooLarge", "TooManyRows", "NoTrailer", "BytesAfterTheEnd",
	} {
		if !codes[code] {
			t.Errorf("no test rejects with %s", code)
		}
	}
}

func wantRejection(t *testing.T, content []byte, name landing.Name, limits landing.Limits, code string) {
	t.Helper()
	got, err := read(bytes.NewReader(content), name, limits)
	var rejection *landing.Rejection
	if !errors.As(err, &rejection) {
		t.Fatalf("want a rejection, got %v after %d rows", err, len(got.rows))
	}
	if rejection.Code != code || rejection.Reason == "" {
		t.Errorf("rejected as %s: %s; want %s", rejection.Code, rejection.Reason, code)
	}
	if len(rejection.Reason) > 4000 || !utf8.ValidString(rejection.Reason) {
		t.Errorf("a reason of %d bytes, valid UTF-8 %t: it is stored in a table", len(rejection.Reason), utf8.ValidString(rejection.Reason))
	}
}

func TestTheLimitsAreWhatMayPass(t *testing.T) {
	b := goodBlob(t, `{"a":1}`, `{"a":2}`)
	file := b.bytes(t)
	size := int64(len(b.header) + len(b.trailer) + len(b.rows[0]) + len(b.rows[1]) + 4)
	if _, err := read(bytes.NewReader(file), nameOf(t, file), landing.Limits{Bytes: size, Rows: 2}); err != nil {
		t.Error(err)
	}
	wantRejection(t, file, nameOf(t, file), landing.Limits{Bytes: size - 1, Rows: 2}, landing.RejectedTooLarge)
}

func TestABlobThatIsCutAnywhereIsRejected(t *testing.T) {
	file, name, _ := write(t, goodHeader(), `{"a":1}`, `{"a":2}`, strings.Repeat("long ", 100))
	for n := range len(file) {
		for which, name := range map[string]landing.Name{"of the whole file": name, "of the cut file": nameOf(t, file[:n])} {
			_, err := read(bytes.NewReader(file[:n]), name, landing.Limits{})
			var rejection *landing.Rejection
			if !errors.As(err, &rejection) {
				t.Fatalf("cut to %d of %d bytes, under the name %s: %v", n, len(file), which, err)
			}
		}
	}
}

func TestABlobWithAnyBitFlippedIsRejected(t *testing.T) {
	file, name, _ := write(t, goodHeader(), `{"a":1}`, `{"a":2}`)
	for i := range len(file) * 8 {
		flipped := bytes.Clone(file)
		flipped[i/8] ^= 1 << (i % 8)
		_, err := read(bytes.NewReader(flipped), name, landing.Limits{})
		var rejection *landing.Rejection
		if !errors.As(err, &rejection) {
			t.Fatalf("bit %d of byte %d: %v", i%8, i/8, err)
		}
	}
}

func TestReasonsDoNotGrowWithTheBlob(t *testing.T) {
	long := strings.Repeat("é", 1<<20)
	for name, b := range map[string]blob{
		"a long time":         {header: strings.Replace(headerLine(t, nil), "2019-12-10T19:00:00Z", long, 1)},
		"a long format":       {header: headerLine(t, func(h *landing.Header) { h.Format = long })},
		"a long registration": {header: headerLine(t, func(h *landing.Header) { h.CloudID = long })},
		"a long subscription": {header: headerLine(t, func(h *landing.Header) { h.ProviderSubscriptions = []string{long} })},
		"a long hash":         {header: headerLine(t, nil), trailer: trailerLine(t, 0, long[:100_000])},
	} {
		t.Run(name, func(t *testing.T) {
			file := b.bytes(t)
			_, err := read(bytes.NewReader(file), nameOf(t, file), landing.Limits{})
			var rejection *landing.Rejection
			if !errors.As(err, &rejection) {
				t.Fatal(err)
			}
			if len(rejection.Reason) > 4000 || !utf8.ValidString(rejection.Reason) {
				t.Errorf("%d bytes: %.80s", len(rejection.Reason), rejection.Reason)
			}
			if want := fmt.Sprintf("%s: %s", rejection.Code, rejection.Reason); err.Error() != want {
				t.Errorf("shown as %.80s", err)
			}
		})
	}
}
