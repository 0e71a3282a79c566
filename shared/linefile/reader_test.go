package linefile_test

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"stackusage/shared/linefile"
)

func write(t interface{ Fatal(...any) }, header string, lines []string) []byte {
	var file bytes.Buffer
	w, err := linefile.NewWriter(&file, header)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	for _, line := range lines {
		if err := w.Raw([]byte(line), 1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

// TestReaderReadsLinesOfAllLengths: around the length of its buffer, too.
func TestReaderReadsLinesOfAllLengths(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		for _, n := range rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 300, 16 << 10, 32<<10 - 2, 32<<10 - 1, 32 << 10, 100 << 10}), 0, 12).Draw(t, "lengths") {
			lines = append(lines, strings.Repeat("x", n))
		}
		header := strings.Repeat("h", rapid.SampledFrom([]int{0, 200 << 10}).Draw(t, "header"))
		var got string
		r, err := linefile.NewReader(bytes.NewReader(write(t, header, lines)), &got)
		if err != nil || got != header {
			t.Fatalf("header of %d bytes, %v", len(got), err)
		}
		for i, want := range lines {
			if line, err := r.Next(int64(i)); err != nil || string(line) != want {
				t.Fatalf("line %d has %d bytes, %v; want %d", i+1, len(line), err, len(want))
			}
		}
		if line, err := r.Next(int64(len(lines))); err != io.EOF || r.Lines() != int64(len(lines)) {
			t.Fatalf("%d lines, then %q, %v", r.Lines(), line, err)
		}
	})
}

func TestReaderChecksTheTrailer(t *testing.T) {
	file := write(t, "h", []string{"a", "b"})
	var header string
	r, err := linefile.NewReader(bytes.NewReader(file), &header)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := r.Next(1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Next(1); !errors.Is(err, linefile.ErrDamaged) {
		t.Errorf("one row of two: %v", err)
	}
	for n := range file {
		r, err := linefile.NewReader(bytes.NewReader(file[:n]), &header)
		for err == nil {
			_, err = r.Next(2)
		}
		if err == io.EOF && n > 0 {
			t.Errorf("%d bytes of %d are a whole file", n, len(file))
		}
	}
}

// TestReaderLetsGoOfALongHeader: the files of a day are open at once.
func TestReaderLetsGoOfALongHeader(t *testing.T) {
	file := write(t, strings.Repeat("tenant", 1<<20), []string{"a"})
	var readers []*linefile.Reader
	for range 20 {
		var header string
		r, err := linefile.NewReader(bytes.NewReader(file), &header)
		if err != nil {
			t.Fatal(err)
		}
		readers = append(readers, r)
	}
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	if m.HeapAlloc > 20<<20 {
		t.Errorf("%d open files take %d MiB", len(readers), m.HeapAlloc>>20)
	}
	runtime.KeepAlive(readers)
}
