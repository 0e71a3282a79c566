package gz_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"strings"
	"testing"

	"stackusage/shared/gz"
)

// TestBytes: the files' names are hashes of their bytes, which do not depend on what
// a compressor wrote before.
func TestBytes(t *testing.T) {
	for _, text := range []string{"", "a", strings.Repeat(`{"quantity":"16.461425899527967"}`+"\n", 5000), "a"} {
		var want, got bytes.Buffer
		plain, ours := gzip.NewWriter(&want), gz.NewWriter(&got)
		for _, w := range []interface {
			Write([]byte) (int, error)
			Close() error
		}{plain, ours} {
			for part := range strings.Lines(text) {
				if _, err := w.Write([]byte(part)); err != nil {
					t.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(want.Bytes(), got.Bytes()) {
			t.Errorf("%.20q: %d bytes, want %d", text, got.Len(), want.Len())
		}
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func TestAFailedWriter(t *testing.T) {
	w := gz.NewWriter(failing{})
	if _, err := w.Write([]byte("a")); err == nil {
		t.Error("no error of Write")
	}
	if err := w.Close(); err == nil {
		t.Error("no error of Close")
	}
	if _, err := w.Write([]byte("a")); err == nil {
		t.Error("written after Close: into the file of another")
	}
	var file bytes.Buffer
	next := gz.NewWriter(&file)
	if err := errors.Join(next.Close(), next.Close()); err != nil || file.Len() == 0 {
		t.Errorf("the next file has %d bytes, %v", file.Len(), err)
	}
}
