package landing_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"testing"

	"stackusage/shared/landing"
)

func supplement(t testing.TB, rows ...string) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := landing.NewSupplementWriter(&file, landing.SupplementHeader{CloudID: "x", HourBlob: "y"})
	if err != nil {
		t.Fatal(err)
	}
	for i, row := range rows {
		if err := w.Row(landing.SupplementRow{Line: int64(i + 1), Row: []byte(row)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// rowsOfSupplement reads all; ok is false if the file is refused.
func rowsOfSupplement(file []byte) (rows []string, ok bool) {
	_, seq, err := landing.ReadSupplement(bytes.NewReader(file))
	if err != nil {
		return nil, false
	}
	for row, err := range seq {
		if err != nil {
			return rows, false
		}
		rows = append(rows, string(row.Row))
	}
	return rows, true
}

func unzipped(t testing.TB, file []byte) []byte {
	t.Helper()
	gz, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(gz)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func zipped(text []byte) []byte {
	var file bytes.Buffer
	gz := gzip.NewWriter(&file)
	_, _ = gz.Write(text) // to memory
	gz.Close()
	return file.Bytes()
}

func TestSupplement(t *testing.T) {
	file := supplement(t, `{"a":1}`, "not\ntext \xff")
	if rows, ok := rowsOfSupplement(file); !ok || len(rows) != 2 || rows[1] != "not\ntext \xff" {
		t.Fatalf("rows %q, %t", rows, ok)
	}
	lines := bytes.SplitAfter(unzipped(t, file), []byte("\n"))
	for what, text := range map[string][]byte{
		"no trailer":         bytes.Join(lines[:3], nil),
		"a row less":         bytes.Join([][]byte{lines[0], lines[1], lines[3]}, nil),
		"a row twice":        bytes.Join([][]byte{lines[0], lines[1], lines[1], lines[2], lines[3]}, nil),
		"rows after the end": append(bytes.Join(lines, nil), lines[1]...),
		"another format":     bytes.Replace(bytes.Join(lines, nil), []byte("supplement/1"), []byte("supplement/2"), 1),
		"nothing":            nil,
	} {
		if _, ok := rowsOfSupplement(zipped(text)); ok {
			t.Errorf("%s: read as whole", what)
		}
	}
	if _, ok := rowsOfSupplement(file[:len(file)-9]); ok {
		t.Error("a file that is cut short is read as whole")
	}
}

func FuzzSupplement(f *testing.F) {
	f.Add(unzipped(f, supplement(f)))
	f.Add(unzipped(f, supplement(f, "a", "b")))
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, ok := rowsOfSupplement(zipped(text))
		if !ok {
			return
		}
		if again, ok := rowsOfSupplement(supplement(t, rows...)); !ok || len(again) != len(rows) {
			t.Errorf("%d rows come back as %d", len(rows), len(again))
		}
	})
}
