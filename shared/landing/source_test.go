package landing_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/url"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// cut gives the first n bytes of a file and then an error.
func cut(file []byte, n int, err error) io.Reader {
	return io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(err))
}

func TestAFailingSourceIsNoFaultOfTheBlob(t *testing.T) {
	file, name, _ := write(t, goodHeader(), `{"a":1}`, `{"a":2}`, strings.Repeat("long ", 100))
	for what, cause := range map[string]error{
		"a reset connection":           errors.New("connection reset by peer"),
		"a body that was cut":          io.ErrUnexpectedEOF,
		"a connection that was closed": &url.Error{Op: "Get", URL: "https://x", Err: io.EOF},
		"a cancelled context":          context.Canceled,
	} {
		t.Run(what, func(t *testing.T) {
			for n := range len(file) + 1 {
				_, err := read(cut(file, n, cause), name, landing.Limits{})
				var rejection *landing.Rejection
				switch {
				case err == nil:
					t.Fatalf("after %d of %d bytes: accepted", n, len(file))
				case errors.As(err, &rejection):
					t.Fatalf("after %d of %d bytes: the blob was blamed: %v", n, len(file), err)
				case !strings.Contains(err.Error(), cause.Error()):
					t.Fatalf("after %d of %d bytes: the cause is lost: %v", n, len(file), err)
				}
			}
		})
	}
}

func TestACallerCanTellACancelledContext(t *testing.T) {
	file, name, _ := write(t, goodHeader())
	if _, err := read(cut(file, len(file)/2, context.Canceled), name, landing.Limits{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestLongLinesAreGivenOutCutAndTheRestOfTheHourCounts(t *testing.T) {
	long := strings.Repeat("x", usage.MaxLine+1)
	longer := strings.Repeat("y", 3*usage.MaxLine)
	rows := []string{`{"a":1}`, long, `{"a":2}`, longer}
	file, name, _ := write(t, goodHeader(), rows...)
	got, err := read(bytes.NewReader(file), name, landing.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{rows[0], long[:usage.MaxLine], rows[2], longer[:usage.MaxLine]}
	if len(got.rows) != 4 || strings.Join(got.rows, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %d rows, or other bytes", len(got.rows))
	}
	if len(got.long) != 2 || got.long[0] != 2 || got.long[1] != 4 {
		t.Errorf("lines %v are too long, want 2 and 4", got.long)
	}
	if got.rowSet != rowSetOf(rows...) {
		t.Error("the row-set hash is not of the whole lines")
	}
}

// bomb is a blob that unpacks to n bytes of one line, repeated, after its header.
func bomb(t *testing.T, n int64, line string) io.Reader {
	t.Helper()
	r, w := io.Pipe()
	t.Cleanup(func() { r.Close() })
	go func() {
		gz, _ := gzip.NewWriterLevel(w, gzip.BestSpeed)
		_, err := io.WriteString(gz, headerLine(t, nil)+"\n")
		chunk := []byte(strings.Repeat(line, 64<<10/len(line)))
		for written := int64(0); err == nil && written < n; written += int64(len(chunk)) {
			_, err = gz.Write(chunk)
		}
		w.CloseWithError(errors.Join(err, gz.Close(), io.ErrUnexpectedEOF))
	}()
	return r
}

func TestAZipBombMeetsTheLimitInBoundedMemory(t *testing.T) {
	const limit = 16 << 20
	for name, tt := range map[string]struct {
		line, code string
		limits     landing.Limits
	}{
		"as one endless line":   {" ", landing.RejectedTooLarge, landing.Limits{Bytes: limit}},
		"as endless short rows": {"\n", landing.RejectedTooManyRows, landing.Limits{Bytes: limit, Rows: 250_000}},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			reader, err := landing.NewReader(bomb(t, 4*limit, tt.line), nameOf(t, nil), tt.limits)
			for err == nil {
				_, err = reader.Next()
			}
			var rejection *landing.Rejection
			if !errors.As(err, &rejection) || rejection.Code != tt.code {
				t.Fatalf("got %v, want %s", err, tt.code)
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
				t.Errorf("%d MiB are held after reading %d MiB", grown>>20, limit>>20)
			}
			runtime.KeepAlive(reader)
		})
	}
}
