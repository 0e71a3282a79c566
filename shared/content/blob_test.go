package content_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"stackusage/shared/content"
)

type opener map[string]io.Reader

func (o opener) Open(_ context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	r, is := o[container+"/"+name]
	if !is {
		return nil, time.Time{}, content.ErrNoBlob
	}
	return io.NopCloser(r), time.Time{}, nil
}

func TestBytes(t *testing.T) {
	const text = "a daily file"
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))
	for name, c := range map[string]struct {
		body  io.Reader
		sum   string
		limit int64
		fails string
	}{
		"its own":                 {strings.NewReader(text), sum, int64(len(text)), ""},
		"by the hash's beginning": {strings.NewReader(text), sum[:16], 100, ""},
		"by a shorter beginning":  {strings.NewReader(text), sum[:15], 100, "its SHA-256 is"},
		"no hash is recorded":     {strings.NewReader(text), "", 100, "its SHA-256 is"},
		"other bytes":             {strings.NewReader("x" + text[1:]), sum, 100, "its SHA-256 is"},
		"cut":                     {strings.NewReader(text[1:]), sum, 100, "its SHA-256 is"},
		"one byte more":           {strings.NewReader(text), sum, int64(len(text)) - 1, "longer than 11 bytes"},
		"a connection that ends":  {iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader(text))), sum, 100, "timeout"},
	} {
		got, err := content.At("daily/a/b.gz").With(c.sum, "UsageDays").Bytes(t.Context(), opener{"daily/a/b.gz": c.body}, c.limit)
		switch {
		case c.fails == "" && (err != nil || string(got) != text):
			t.Errorf("%s: %q, %v", name, got, err)
		case c.fails != "" && (err == nil || !strings.Contains(err.Error(), c.fails) || !strings.Contains(err.Error(), "daily/a/b.gz")):
			t.Errorf("%s: %v, want %q", name, err, c.fails)
		}
	}
	if _, err := content.At("daily/x").With(sum, "UsageDays").Bytes(t.Context(), opener{}, 1); !errors.Is(err, content.ErrNoBlob) {
		t.Errorf("%v", err)
	}
}

// TestCheckReadsTheRest: who stops reading early still learns whether all bytes are
// those that are recorded.
func TestCheckReadsTheRest(t *testing.T) {
	const text = "a daily file"
	blob := content.At("daily/b").With(fmt.Sprintf("%x", sha256.Sum256([]byte(text))), "UsageDays")
	for _, end := range []string{"", "x"} {
		body, err := blob.Open(t.Context(), opener{"daily/b": strings.NewReader(text + end)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(body, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		if err := body.Check(); (err != nil) != (end != "") {
			t.Errorf("with %q at its end: %v", end, err)
		}
	}
}
