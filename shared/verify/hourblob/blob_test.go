package hourblob_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"stackusage/internal/badinput"
	"stackusage/shared/landing"
	"stackusage/shared/verify/hourblob"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

// hourBlob is a file with a header, rows and a trailer, each as it is given.
func hourBlob(t *testing.T, lines ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	_, err := io.WriteString(gz, strings.Join(lines, ""))
	if err = errors.Join(err, gz.Close()); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func TestBlobsAreRejectedAsThePipelineRejectsThem(t *testing.T) {
	header := func(change ...string) string {
		text := `{"format":"azurestack-usage-hour/1","cloudId":"` + cloudID + `","region":"r","domain":"d","reportedStart":"2019-12-10T19:00:00Z","reportedEnd":"2019-12-10T20:00:00Z",` +
			`"collectedAt":"2019-12-10T20:01:00Z","agentVersion":"1","providerSubscriptions":["` + cloudID + `"],"tenants":{"a":"b"},"tenantsStale":false}`
		return strings.NewReplacer(change...).Replace(text) + "\n"
	}
	var rows landing.RowSet
	rows.AddRow([]byte(badinput.Good))
	row, trailer := badinput.Good+"\n", fmt.Sprintf(`{"trailer":{"records":1,"pages":1,"rowSetHash":"%s"}}`, &rows)+"\n"
	for name, file := range map[string][]byte{
		"good":                        hourBlob(t, header(), row, trailer),
		"upper case hash":             hourBlob(t, header(), row, strings.Replace(trailer, rows.String(), strings.ToUpper(rows.String()), 1)),
		"no gzip":                     []byte("no gzip at all, and more than ten bytes"),
		"nothing":                     {},
		"an empty stream":             hourBlob(t),
		"a header alone":              hourBlob(t, header()),
		"a header without line feed":  hourBlob(t, strings.TrimSpace(header())),
		"no trailer":                  hourBlob(t, header(), row),
		"a last line without its end": hourBlob(t, header(), row, strings.TrimSpace(trailer)),
		"a trailer with more":         hourBlob(t, header(), row, strings.Replace(trailer, `"pages"`, `"x":1,"pages"`, 1)),
		"a trailer with more outside": hourBlob(t, header(), row, strings.Replace(trailer, `{"trailer"`, `{"x":1,"trailer"`, 1)),
		"a trailer of null":           hourBlob(t, header(), row, `{"trailer":null}`+"\n"),
		"a fraction of records":       hourBlob(t, header(), row, strings.Replace(trailer, `"records":1`, `"records":1.0`, 1)),
		"pages below zero":            hourBlob(t, header(), row, strings.Replace(trailer, `"pages":1`, `"pages":-1`, 1)),
		"another count":               hourBlob(t, header(), row, strings.Replace(trailer, `"records":1`, `"records":2`, 1)),
		"another hash":                hourBlob(t, header(), row+row, strings.Replace(trailer, `"records":1`, `"records":2`, 1)),
		"another format":              hourBlob(t, header("hour/1", "hour/2"), row, trailer),
		"another registration":        hourBlob(t, header(`"cloudId":"b`, `"cloudId":"c`), row, trailer),
		"a window of two hours":       hourBlob(t, header("T20:00:00Z", "T21:00:00Z"), row, trailer),
		"another hour":                hourBlob(t, header("T20:00:00Z", "T21:00:00Z", "T19:00:00Z", "T20:00:00Z"), row, trailer),
		"a provider that is no GUID":  hourBlob(t, header(`["`+cloudID, `["x`), row, trailer),
		"a field twice":               hourBlob(t, header(`"region":"r"`, `"region":"r","Region":"s"`), row, trailer),
		"a field that is no text":     hourBlob(t, header(`"region":"r"`, `"region":1`), row, trailer),
		"a time that is none":         hourBlob(t, header(`"2019-12-10T20:01:00Z"`, `"yesterday"`), row, trailer),
		"two directories for one":     hourBlob(t, header(`"a":"b"`, `"a":"b","A":"c"`), row, trailer),
		"one directory twice":         hourBlob(t, header(`"a":"b"`, `"a":"b","A":"B"`), row, trailer),
		"a header of megabytes":       hourBlob(t, header(`"region":"r"`, `"region":"`+strings.Repeat("r", 17<<20)+`"`), row, trailer),
		"bytes after the end":         append(hourBlob(t, header(), row, trailer), ' '),
		"cut":                         hourBlob(t, header(), row, trailer)[:200],
		"a reserved flag":             reserved(hourBlob(t, header(), row, trailer)),
		"damaged inside":              flipped(hourBlob(t, header(), row, trailer)),
	} {
		t.Run(name, func(t *testing.T) {
			blob := landing.NameOf(cloudID, reported, sha256.Sum256(file))
			want := ""
			r, err := landing.NewReader(bytes.NewReader(file), blob, landing.Limits{})
			for err == nil {
				_, err = r.Next()
			}
			if rejection, is := errors.AsType[*landing.Rejection](err); is {
				want = rejection.Code
			}
			got, rowSet, n, err := hourblob.ReadHour(bytes.NewReader(file), cloudID, int64(reported), blob.SHA16)
			if err != nil || got != want || (name == "good") != (got == "" && rowSet == rows.String() && n == 1) && !strings.Contains("upper case hash one directory twice", name) {
				t.Errorf("%q, %v, rows %d; the pipeline says %q", got, err, n, want)
			}
			blob.SHA16 = "0123456789abcdef"
			if got, _, _, _ := hourblob.ReadHour(bytes.NewReader(file), cloudID, int64(reported), blob.SHA16); want == "" && got != landing.RejectedName {
				t.Errorf("under another name: %q", got)
			}
			broken := iotest.TimeoutReader(iotest.OneByteReader(bytes.NewReader(file)))
			if _, _, _, err := hourblob.ReadHour(broken, cloudID, int64(reported), blob.SHA16); len(file) > 1 && !errors.Is(err, iotest.ErrTimeout) {
				t.Errorf("a connection that breaks is called %v", err)
			}
		})
	}
}

func flipped(b []byte) []byte { b[len(b)/2] ^= 0x55; return b }

// reserved sets a flag of the gzip header that RFC 1952 reserves.
func reserved(file []byte) []byte {
	file[3] |= 0x20
	return file
}
