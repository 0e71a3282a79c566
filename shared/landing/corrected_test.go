package landing_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// corrected writes an hour blob of rows and then a corrected one.
func corrected(t *testing.T, rows []string, fixed map[int64][]byte, rejected [][2]int64) (landing.Name, []byte) {
	t.Helper()
	head := goodHeader()
	original, _, trailer := write(t, head, rows...)
	var file bytes.Buffer
	head.Corrects = &landing.Corrects{Original: "x", Blob: "landing/x", Decision: "y", Rejected: rejected}
	name, got, err := landing.WriteCorrected(&file, head, bytes.NewReader(original), trailer, fixed)
	if err != nil || got.Records != trailer.Records || got.Pages != 3 {
		t.Fatalf("trailer %+v, error %v", got, err)
	}
	return name, file.Bytes()
}

// TestCorrectedBlob: rows keep their bytes and their numbers, however long they are;
// fixed ones are in the place of theirs, and the lines that the header names are left
// out.
func TestCorrectedBlob(t *testing.T) {
	t.Parallel()
	long := `{"long":"` + strings.Repeat("x", 3*usage.MaxLine) + `"}`
	rows := []string{`{"a":1}`, "{\"crlf\":2}\r", long, `{"b":4}`, "", `{"c":6}`}
	fixed := map[int64][]byte{4: []byte(`{"fixed":4}`)}
	name, file := corrected(t, rows, fixed, [][2]int64{{2, 3}, {6, 6}})
	again, _ := corrected(t, rows, fixed, [][2]int64{{2, 3}, {6, 6}})
	if name != again || !name.Corrected || name.Container() != "corrected" || !strings.HasPrefix(name.Blob(), name.CloudID+reported.Format("/2006/01/02/15-")) {
		t.Errorf("names %s, %s", name, again)
	}
	if parsed, err := landing.ParseName(name.Container(), name.Blob()); err != nil || parsed != name {
		t.Errorf("parsed as %+v, error %v", parsed, err)
	}
	r, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	var out []int64
	for n := int64(1); ; n++ {
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		want := rows[n-1]
		if text, is := fixed[n]; is {
			want = string(text)
		}
		if n == 3 {
			want = want[:usage.MaxLine]
		}
		if line.Number != n || string(line.Bytes) != want || line.TooLong != (n == 3) {
			t.Errorf("line %d: %.60q of %d bytes", n, line.Bytes, len(line.Bytes))
		}
		if line.LeftOut {
			out = append(out, n)
		}
	}
	if len(out) != 3 || out[0] != 2 || out[1] != 3 || out[2] != 6 {
		t.Errorf("left out: %v", out)
	}
}

// TestCorrectsInTheWrongPlace: only a corrected blob has it, with lines in order.
func TestCorrectsInTheWrongPlace(t *testing.T) {
	t.Parallel()
	for what, ranges := range map[string][][2]int64{"in order": {{1, 1}}, "backwards": {{2, 1}}, "twice": {{1, 2}, {2, 3}}, "before the first": {{0, 1}}} {
		name, file := corrected(t, []string{"{}", "{}", "{}"}, nil, ranges)
		_, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{})
		var rejection *landing.Rejection
		if wrong := errors.As(err, &rejection) && rejection.Code == landing.RejectedHeader; wrong == (what == "in order") {
			t.Errorf("lines %s: error %v", what, err)
		}
		name.Corrected = false
		if _, err := landing.NewReader(bytes.NewReader(file), name, landing.Limits{}); !errors.As(err, &rejection) || rejection.Code != landing.RejectedHeader {
			t.Errorf("in landing: error %v", err)
		}
	}
	if _, err := landing.ParseName("corrected", "2019/12/10/19-0123456789abcdef.ndjson.gz"); err == nil {
		t.Error("a name without a registration")
	}
}

func TestAddLine(t *testing.T) {
	t.Parallel()
	var ranges [][2]int64
	var err error
	for _, line := range []int64{1, 2, 3, 5, 9, 10} {
		if ranges, err = landing.AddLine(ranges, line); err != nil {
			t.Fatal(err)
		}
	}
	if len(ranges) != 3 || ranges[0] != [2]int64{1, 3} || ranges[1] != [2]int64{5, 5} || ranges[2] != [2]int64{9, 10} {
		t.Errorf("ranges %v", ranges)
	}
	for line := int64(12); err == nil; line += 2 {
		ranges, err = landing.AddLine(ranges, line)
	}
	if !errors.Is(err, landing.ErrTooManyRanges) {
		t.Errorf("error %v", err)
	}
}
