package commerce_test

import (
	"errors"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"stackusage/shared/commerce"
	"stackusage/shared/forward"
)

// badAnswers came with 200, and may not be taken for an answer to any record.
func badAnswers() map[string]string {
	deep := strings.Repeat("[", 100_000)
	one := func(fields string) string { return `{"results":[{"recordId":"a",` + fields + `}]}` }
	return map[string]string{
		"results twice":                    `{"results":[{"recordId":"a","status":"Accepted"}],"results":[]}`,
		"results in two cases":             `{"results":[{"recordId":"a","status":"Accepted"}],"Results":[{"recordId":"a","status":"Rejected"}]}`,
		"a record in two results":          `{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"a","status":"Accepted"}]}`,
		"a record in two results, escaped": `{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"\u0061","status":"Rejected"}]}`,
		"a recordId twice":                 one(`"recordId":"b","status":"Accepted"`),
		"a recordId in two cases":          one(`"RecordID":"b","status":"Accepted"`),
		"a status twice":                   one(`"status":"Accepted","status":"Rejected"`),
		"a status in two cases":            one(`"status":"Rejected","Status":"Accepted"`),
		"a quantity twice":                 one(`"status":"Conflict","quantity":"1","quantity":"2"`),
		"a name twice that nobody reads":   one(`"status":"Accepted","x":{"y":1,"y":1}`),
		"a recordId that is half a pair":   `{"results":[{"recordId":"\ud800","status":"Accepted"}]}`,
		"a recordId that is no UTF-8":      "{\"results\":[{\"recordId\":\"\xff\",\"status\":\"Accepted\"}]}",
		"a status with a NUL":              one(`"status":"Accepted\u0000"`),
		"a status of other letters":        one(`"status":"Аccepted"`), // the first is Cyrillic
		"a status that is a number":        one(`"status":1`),
		"a quantity that is a number":      one(`"status":"Conflict","quantity":1e400`),
		"a quantity that is none":          one(`"status":"Conflict","quantity":NaN`),
		"a byte order mark":                "\ufeff" + `{"results":[]}`,
		"UTF-16":                           "\xff\xfe{\x00}\x00",
		"two answers":                      `{"results":[]}{"results":[]}`,
		"brackets":                         deep,
		"brackets for results":             `{"results":` + deep + strings.Repeat("]", 100_000) + `}`,
		"brackets in what nobody reads":    `{"results":[],"x":` + deep + strings.Repeat("]", 100_000) + `}`,
		"an answer without end":            `{"results":[` + strings.Repeat(" ", 8<<20),
	}
}

func TestBadAnswersAreUnreadable(t *testing.T) {
	for name, answer := range badAnswers() {
		t.Run(name, func(t *testing.T) {
			e := failure(t, serve(t, reply(200, answer)))
			if e.Kind != forward.Unreadable || e.Status != 200 || e.Err == nil || len(e.Error()) > 1000 || !utf8.ValidString(e.Error()) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

// A refusal is judged by its status; what cannot be told for sure of its body
// is quoted, not read.
func TestABadBodyOfARefusalIsQuoted(t *testing.T) {
	for name, body := range map[string]string{
		"a code twice":         `{"error":{"code":"A","code":"B","message":"m"}}`,
		"a code in two cases":  `{"error":{"code":"A","Code":"B","message":"m"}}`,
		"an error twice":       `{"error":{"code":"A"},"error":{"code":"B"}}`,
		"a code of half pairs": `{"error":{"code":"\ud800"}}`,
		"no UTF-8":             "{\"error\":{\"code\":\"\xff\"}}",
		"brackets":             strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			e := failure(t, serve(t, reply(400, body)))
			if e.Kind != forward.Declined || e.Code != "" || e.Message != "" || e.Reason == "" || len(e.Reason) > 1000 || !utf8.ValidString(e.Reason) {
				t.Errorf("got %+v", e)
			}
		})
	}
}

func TestBadPagesAreUnknown(t *testing.T) {
	record := accepted("a")
	for name, page := range map[string]string{
		"value in two cases":             `{"value":[` + record + `],"Value":[` + accepted("b") + `]}`,
		"a recordId twice":               strings.Replace(listOf(record), `"recordId":"a"`, `"recordId":"a","recordId":"b"`, 1),
		"a recordId in two cases":        strings.Replace(listOf(record), `"recordId":"a"`, `"recordId":"a","RecordId":"b"`, 1),
		"a hash twice":                   strings.Replace(listOf(record), `"sha256":`, `"sha256":"`+strings.Repeat("cd", 32)+`","sha256":`, 1),
		"a quantity twice":               strings.Replace(listOf(record), `"quantity":`, `"quantity":"1","quantity":`, 1),
		"a quantity that is a number":    strings.Replace(listOf(record), `"16.46"`, `1e400`, 1),
		"a recordId that is half a pair": strings.Replace(listOf(record), `"a"`, `"\udc00"`, 1),
		"a recordId that is no UTF-8":    strings.Replace(listOf(record), `"a"`, "\"\xff\"", 1),
		"a time that is none":            strings.Replace(listOf(record), "2026-01-02T03:04:05Z", "2026-02-30T03:04:05Z", 1),
		"a byte order mark":              "\ufeff" + listOf(record),
		"brackets":                       `{"value":[` + strings.Repeat("[", 100_000),
		"brackets in what nobody reads":  `{"x":` + strings.Repeat("[", 100_000),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := readAll(t, serve(t, reply(200, page)))
			var e *forward.Failure
			if !errors.As(err, &e) || e.Kind != forward.Unknown || len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) {
				t.Errorf("%.300v", err)
			}
		})
	}
}

// endless is an answer that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

func (endless) Close() error { return nil }

func (endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, Body: endless{}}, nil
}

func TestAnswersWithoutEndTakeBoundedMemory(t *testing.T) {
	c := &commerce.Client{Endpoint: "https://commerce.example.com", HTTP: &http.Client{Transport: endless{}}}
	for name, ask := range map[string]func() error{
		"to a batch":     func() error { _, err := c.Send(t.Context(), "b", nil); return err },
		"to a read-back": func() error { _, err := readAll(t, c); return err },
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := ask()
			runtime.ReadMemStats(&after)
			var e *forward.Failure
			if !errors.As(err, &e) || e.Kind != forward.Unreadable {
				t.Errorf("%v", err)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 64<<20 {
				t.Errorf("%d MiB allocated", took>>20)
			}
		})
	}
}

// later is commerce that asks to wait.
type later string

func (l later) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 429, Header: http.Header{"Retry-After": {string(l)}}, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"120", "-1", "0", "1e9", "NaN", "99999999999999999999", "9223372037", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 31 Dec 0000 23:59:59 GMT", "٣", " 5", "5\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := &commerce.Client{Endpoint: "https://commerce.example.com", HTTP: &http.Client{Transport: later(text)}}
		_, err := c.Send(t.Context(), "b", nil)
		var e *forward.Failure
		if !errors.As(err, &e) || e.Kind != forward.Busy || e.RetryAfter < 0 || e.RetryAfter > 7*24*time.Hour {
			t.Fatalf("%q: %+v", text, err)
		}
	})
}
