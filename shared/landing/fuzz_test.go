package landing_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stackusage/internal/badinput"
	"stackusage/shared/landing"
)

// codes are all that a reader may reject with.
var codes = map[string]bool{
	landing.RejectedGzip: true, landing.RejectedCutShort: true, landing.RejectedName: true, landing.RejectedHash: true, landing.RejectedCount: true,
	landing.RejectedHeader: true, landing.RejectedRegistration: true, landing.RejectedWindow: true, landing.RejectedTooLarge: true,
	landing.RejectedTooManyRows: true, landing.RejectedTrailer: true, landing.RejectedAfterEnd: true, landing.RejectedNotOver: true,
}

// FuzzReader feeds any bytes, and any text inside a sound gzip stream: the
// second reaches what the checksum would keep the first from.
func FuzzReader(f *testing.F) {
	file, _, _ := write(f, goodHeader(), `{"a":1}`, `{"a":2}`)
	good := goodBlob(f, `{"a":1}`)
	f.Add(file, false)
	f.Add(file[:len(file)/2], false)
	f.Add([]byte{}, false)
	f.Add([]byte(good.header+"\n"+good.rows[0]+"\n"+good.trailer+"\n"), true)
	f.Add([]byte(good.header+"\n"+good.trailer), true)
	f.Add([]byte("{}\n"), true)
	f.Fuzz(func(t *testing.T, content []byte, pack bool) {
		if pack {
			content = zip(t, string(content))
		}
		name := nameOf(t, content)
		got, err := read(bytes.NewReader(content), name, landing.Limits{Bytes: 1 << 20, Rows: 1000})
		if err != nil {
			var rejection *landing.Rejection
			if !errors.As(err, &rejection) || !codes[rejection.Code] || len(rejection.Reason) > 4000 || !utf8.ValidString(rejection.Reason) {
				t.Fatalf("the source is sound, so only the blob can be at fault: %v", err)
			}
			return
		}
		if got.trailer.Records != int64(len(got.rows)) || got.size != int64(len(content)) || got.sha256[:16] != name.SHA16 {
			t.Fatalf("accepted, and yet %+v", got)
		}
		if _, err := hex.DecodeString(got.rowSet); err != nil || got.header.CloudID == "" {
			t.Fatalf("accepted, and yet %+v", got)
		}
	})
}

// FuzzHeader puts any header into a blob that is sound otherwise.
func FuzzHeader(f *testing.F) {
	good := goodBlob(f)
	f.Add(good.header)
	for old, with := range map[string]string{
		`"region"`: `"cloudId":"x","region"`, "2019-12-10T19:00:00Z": "2019-12-10T20:00:00+01:00", cloudID: strings.ToUpper(cloudID),
		`"tenants":{`: `"tenants":{"09065051CFE94FCFB90C87F2AF292FC9":"x",`, `"northwest"`: `"\ud800"`, `"providerSubscriptions":[`: `"providerSubscriptions":[null,`,
	} {
		f.Add(strings.Replace(good.header, old, with, 1))
	}
	f.Add("null")
	f.Add("\ufeff{}")
	f.Fuzz(func(t *testing.T, header string) {
		if strings.Contains(header, "\n") {
			return // it would not be the header, but a header and rows
		}
		content := blob{header: header, trailer: good.trailer}.bytes(t)
		got, err := read(bytes.NewReader(content), nameOf(t, content), landing.Limits{})
		if err != nil {
			var rejection *landing.Rejection
			if !errors.As(err, &rejection) || !codes[rejection.Code] || !utf8.ValidString(rejection.Reason) {
				t.Fatalf("%v", err)
			}
			return
		}
		h := got.header
		if !h.ReportedStart.Equal(reported) || h.ReportedEnd.Sub(h.ReportedStart) != time.Hour || h.Format != landing.Format ||
			!strings.EqualFold(strings.ReplaceAll(h.CloudID, "-", ""), strings.ReplaceAll(cloudID, "-", "")) {
			t.Fatalf("accepted, and of another hour or registration: %+v", h)
		}
		directory := map[string]string{}
		for id, tenant := range h.Tenants {
			id, tenant = strings.ReplaceAll(strings.ToLower(id), "-", ""), strings.ReplaceAll(strings.ToLower(tenant), "-", "")
			if other, twice := directory[id]; twice && other != tenant {
				t.Fatalf("%q pays by %q and by %q", id, tenant, other)
			}
			directory[id] = tenant
		}
	})
}

// FuzzParseName: what is read as a name is what Name writes, to the byte.
func FuzzParseName(f *testing.F) {
	const blob = "2019/12/10/19-0123456789abcdef.ndjson.gz"
	f.Add("landing-"+cloudID, blob)
	for _, place := range badinput.Places("landing-"+cloudID, blob) {
		if len(place.Blob) < 1000 {
			f.Add(place.Container, place.Blob)
		}
	}
	f.Fuzz(func(t *testing.T, container, blob string) {
		name, err := landing.ParseName(container, blob)
		if err == nil && (name.Container() != container || name.Blob() != blob) {
			t.Fatalf("%q, %q was read as %s", container, blob, name)
		}
	})
}
