package handlers_test

import (
	"bytes"
	"compress/gzip"
	"strings"
	"testing"

	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/table"
)

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	_, err := gz.Write([]byte(text))
	ok(t, err)
	ok(t, gz.Close())
	return file.Bytes()
}

// A blob that is refused whole leaves a verdict with code and reason, and
// nothing else: no partial, no open day, no quarantined row.
func TestRejections(t *testing.T) {
	t.Parallel()
	r := registered(t)
	r.Settings.Limits = landing.Limits{Bytes: 100_000, Rows: 50}
	good, goodName := blobOf(t, hour22, rowsOf(hour22)...)
	text := unzip(t, good)
	lines := strings.SplitAfter(text, "\n")
	edit := func(from, to string) []byte {
		t.Helper()
		if !strings.Contains(text, from) {
			t.Fatalf("the blob does not hold %s", from)
		}
		return zip(t, strings.Replace(text, from, to, 1))
	}
	wrong := goodName
	wrong.SHA16 = "0123456789abcdef"
	many := make([]string, 51)
	for i := range many {
		many[i] = row(i, hour22-1, "1")
	}
	tooMany, _ := blobOf(t, hour22, many...)
	tooLarge, _ := blobOf(t, hour22, strings.Repeat(" ", 100_000))
	for _, c := range []struct {
		code string
		file []byte
		name landing.Name // zero: the one that fits
	}{
		{landing.RejectedGzip, []byte("plain text"), landing.Name{}},
		{landing.RejectedCutShort, good[:len(good)-20], landing.Name{}},
		{landing.RejectedName, good, wrong},
		{landing.RejectedHash, edit(`"rowSetHash":"`, `"rowSetHash":"0`), landing.Name{}},
		{landing.RejectedCount, edit(`"records":3`, `"records":4`), landing.Name{}},
		{landing.RejectedHeader, edit(`azurestack-usage-hour/1`, `azurestack-usage-hour/2`), landing.Name{}},
		{landing.RejectedRegistration, edit(cloudID, "00000000-de02-43a4-903d-eb74f8258b01"), landing.Name{}},
		{landing.RejectedWindow, edit(`"reportedEnd":"2019-12-10T23:00:00Z"`, `"reportedEnd":"2019-12-11T00:00:00Z"`), landing.Name{}},
		{landing.RejectedTooLarge, tooLarge, landing.Name{}},
		{landing.RejectedTooManyRows, tooMany, landing.Name{}},
		{landing.RejectedTrailer, zip(t, strings.Join(lines[:len(lines)-2], "")), landing.Name{}},
		{landing.RejectedAfterEnd, append(bytes.Clone(good), "more"...), landing.Name{}},
	} {
		t.Run(c.code, func(t *testing.T) {
			name := c.name
			if name.CloudID == "" {
				name = nameFor(hour22, c.file)
			}
			r.drop(t, name, c.file)
			r.done(t, "IngestHour", landedMessage(name))
			got := r.hourRow(t, name)
			if got.Verdict != hourlog.Rejected || got.Code != c.code || got.Reason == "" || got.Blob != name.String() {
				t.Errorf("%+v", got)
			}
		})
	}
	for _, name := range []string{table.DayInputs, table.OpenDays, table.Quarantine, table.FailedMessages} {
		if rows := r.rows(t, name); len(rows) != 0 {
			t.Errorf("%s: %v", name, rows)
		}
	}
	t.Run("the right blob of the hour still counts", func(t *testing.T) {
		if got := r.hourRow(t, r.ingest(t, hour22, rowsOf(hour22)...)).Verdict; got != hourlog.Accepted {
			t.Errorf("verdict %q", got)
		}
	})
	t.Run("a header with endless names is cut to what a table takes", func(t *testing.T) {
		file, _ := blobOf(t, hour23)
		file = zip(t, strings.Replace(unzip(t, file), `"region":"northwest"`, `"region":"`+strings.Repeat("é", 40_000)+`"`, 1))
		name := nameFor(hour23, file)
		r.drop(t, name, file)
		r.done(t, "IngestHour", landedMessage(name))
		if got := r.hourRow(t, name); got.Verdict != hourlog.Accepted || len([]rune(got.Region)) != 256 {
			t.Errorf("%s: a region of %d bytes", got.Verdict, len(got.Region))
		}
	})
}
