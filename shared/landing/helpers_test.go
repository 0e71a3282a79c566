package landing_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"stackusage/shared/landing"
)

const cloudID = "b31316d4-de02-43a4-903d-eb74f8258b01"

var reported = time.Date(2019, 12, 10, 19, 0, 0, 0, time.UTC)

func goodHeader() landing.Header {
	return landing.Header{
		Format: landing.Format, CloudID: cloudID, Region: "northwest", Domain: "stack.example.com",
		ReportedStart: reported, ReportedEnd: reported.Add(time.Hour), CollectedAt: reported.Add(70 * time.Minute),
		AgentVersion: "1.2.3", ProviderSubscriptions: []string{"39c82aed-b2b7-4a66-abdb-611de00bf11e"},
		Tenants: map[string]string{"09065051-cfe9-4fcf-b90c-87f2af292fc9": "11111111-cfe9-4fcf-b90c-87f2af292fc9"},
	}
}

// write makes a blob of rows with the package's own writer.
func write(t testing.TB, header landing.Header, rows ...string) ([]byte, landing.Name, landing.Trailer) {
	t.Helper()
	var file bytes.Buffer
	w, err := landing.NewWriter(&file, header)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		if err := w.Row([]byte(row)); err != nil {
			t.Fatal(err)
		}
	}
	name, trailer, err := w.Close(3)
	if err != nil {
		t.Fatal(err)
	}
	return file.Bytes(), name, trailer
}

// result is all that a reader says of a blob.
type result struct {
	rows    []string
	long    []int64 // numbers of the lines that were too long
	header  landing.Header
	trailer landing.Trailer
	sha256  string
	size    int64
	rowSet  string
}

// read goes through a blob to its end or to the first error.
func read(r io.Reader, name landing.Name, limits landing.Limits) (result, error) {
	var out result
	reader, err := landing.NewReader(r, name, limits)
	if err != nil {
		return out, err
	}
	out.header = reader.Header()
	for {
		line, err := reader.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, err
		}
		out.rows = append(out.rows, string(line.Bytes))
		if line.TooLong {
			out.long = append(out.long, line.Number)
		}
		if line.Number != int64(len(out.rows)) {
			return out, errors.New("rows are not numbered from 1")
		}
	}
	out.trailer, out.sha256, out.size, out.rowSet = reader.Trailer(), reader.SHA256(), reader.Size(), reader.RowSetHash()
	return out, nil
}

// blob is an hour blob made by hand, so that each part can be wrong.
type blob struct {
	header  string   // the first line
	rows    []string // the lines between
	trailer string   // the last line; "-" for none
	after   []byte   // what follows the gzip stream
}

func headerLine(t testing.TB, change func(*landing.Header)) string {
	t.Helper()
	h := goodHeader()
	if change != nil {
		change(&h)
	}
	b, err := json.Marshal(h)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func trailerLine(t testing.TB, records int64, hash string) string {
	t.Helper()
	b, err := json.Marshal(map[string]landing.Trailer{"trailer": {Records: records, Pages: 1, RowSetHash: hash}})
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func rowSetOf(rows ...string) string {
	var set landing.RowSet
	for _, row := range rows {
		set.Add(sha256.Sum256([]byte(row)))
	}
	return set.String()
}

// goodBlob is a blob by hand that a reader takes.
func goodBlob(t testing.TB, rows ...string) blob {
	t.Helper()
	return blob{header: headerLine(t, nil), rows: rows, trailer: trailerLine(t, int64(len(rows)), rowSetOf(rows...))}
}

func (b blob) bytes(t testing.TB) []byte {
	t.Helper()
	lines := append([]string{b.header}, b.rows...)
	if b.trailer != "-" {
		lines = append(lines, b.trailer)
	}
	return append(zip(t, strings.Join(lines, "\n")+"\n"), b.after...)
}

func zip(t testing.TB, text string) []byte {
	t.Helper()
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	if _, err := io.WriteString(gz, text); err != nil {
		t.Fatal(err)
	}
	if err := gz.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// nameOf is the right name of a file in the hour and registration of the tests.
func nameOf(t testing.TB, file []byte) landing.Name {
	t.Helper()
	var hour landing.Name
	hour, err := landing.ParseName(landing.Container(cloudID), "2019/12/10/19-0000000000000000.ndjson.gz")
	if err != nil {
		t.Fatal(err)
	}
	return landing.NameOf(cloudID, hour.Hour, sha256.Sum256(file))
}
