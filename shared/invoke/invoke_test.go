package invoke_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"unicode/utf8"

	"stackusage/shared/invoke"
)

// vector is one request that a real Functions host sent.
type vector struct{ Name, Method, Path, Body string }

// vectors reads recorded requests. They are kept beside the project; without
// them a test skips, except where they must be: in CI.
func vectors(t testing.TB) []vector {
	t.Helper()
	dir := os.Getenv("STACKUSAGE_RECORDINGS")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "recordings")
	}
	const name = "functions-host/vectors.jsonl"
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("recording %s must be there in CI; set STACKUSAGE_RECORDINGS: %v", name, err)
		}
		t.Skipf("recording %s is not here; set STACKUSAGE_RECORDINGS to its folder", name)
	}
	var out []vector
	lines := bufio.NewScanner(bytes.NewReader(b))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var v vector
		if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	return out
}

func decode(t testing.TB, body string) invoke.Request {
	t.Helper()
	req, err := invoke.Decode(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return req
}

func TestEveryRecordedRequestIsRead(t *testing.T) {
	const event = `{"topic":"/subs/x","id":"831e1650","n":5,"f":1.5,"b":true,"nul":null,"arr":[1],"eventTime":"2026-06-26T18:41:00.9584103Z",` +
		`"data":{"api":"PutBlob","t":"2026-06-26T18:41:00Z"},"myTrigger":"x"}`
	texts := map[string]string{
		"string-trigger-plain-text":             "hello world",
		"string-trigger-event-grid-shaped-json": event,
		"string-trigger-retry-1":                "x",
		"string-trigger-retry-2":                "x",
		"string-trigger-retry-3":                "x",
		"string-trigger-disabled-in-file":       "x",
		"string-trigger-disabled-by-setting":    "x",
	}
	all := vectors(t)
	if len(all) != 16 {
		t.Errorf("%d recordings, want 16", len(all))
	}
	for _, v := range all {
		t.Run(v.Name, func(t *testing.T) {
			req := decode(t, v.Body)
			switch {
			case strings.HasPrefix(v.Name, "string-trigger"):
				if got, err := req.Text("input"); err != nil || got != texts[v.Name] {
					t.Errorf("got %q, %v; want %q", got, err, texts[v.Name])
				}
			case strings.HasPrefix(v.Name, "timer"):
				var timer struct{ IsPastDue *bool }
				if err := json.Unmarshal([]byte(dataOf(t, req)), &timer); err != nil || timer.IsPastDue == nil {
					t.Errorf("the timer's data is not readable: %v", err)
				}
			case strings.HasPrefix(v.Name, "http"):
				var call struct{ URL, Method string }
				if err := json.Unmarshal([]byte(dataOf(t, req)), &call); err != nil || call.URL == "" || call.Method == "" {
					t.Errorf("the call's data is not readable: %+v, %v", call, err)
				}
			default:
				t.Error("a kind of recording that this test does not know")
			}
		})
	}
}

// dataOf is the text of the only binding.
func dataOf(t *testing.T, req invoke.Request) string {
	t.Helper()
	if len(req.Data) != 1 {
		t.Fatalf("%d bindings", len(req.Data))
	}
	for binding := range req.Data {
		text, err := req.Text(binding)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	return ""
}

func TestText(t *testing.T) {
	tests := []struct{ name, value, want string }{
		{"a string encoded twice, as the host sends it", `"\"hello\""`, "hello"},
		{"a string encoded once, as documentation shows it", `"hello"`, "hello"},
		{"JSON encoded twice", `"\"{\\\"a\\\":\\\"b\\\"}\""`, `{"a":"b"}`},
		{"JSON encoded once", `"{\"a\":\"b\"}"`, `{"a":"b"}`},
		{"an object", `{"a": 1}`, `{"a": 1}`},
		{"a list", `[1,2]`, `[1,2]`},
		{"a number", `5`, `5`},
		{"a binary binding, base64 encoded once", `"aGVsbG8="`, "aGVsbG8="},
		{"a binary binding whose text begins like a number", `"12AB"`, "12AB"},
		{"a number in a string", `"5"`, "5"},
		{"an empty string encoded twice", `"\"\""`, ""},
		{"an empty string encoded once", `""`, ""},
		{"a string with line breaks and quotes", `"\"a\\n\\\"b\\\"\""`, "a\n\"b\""},
		{"half a pair in the inner string, which is then no string", `"\"\\ud800\""`, `"\ud800"`},
		{"brackets in a string", `"` + strings.Repeat("[", 100_000) + `"`, strings.Repeat("[", 100_000)},
		{"a string of another script", `"\"größe ☃\""`, "größe ☃"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			req := decode(t, `{"Data":{"in":`+tt.value+`},"Metadata":{"in":`+tt.value+`}}`)
			if got, err := req.Text("in"); err != nil || got != tt.want {
				t.Errorf("got %q, %v; want %q", got, err, tt.want)
			}
			if got := req.Scalar("in"); got != tt.want {
				t.Errorf("as metadata: got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("a binding that is not there is an error", func(t *testing.T) {
		req := decode(t, `{"Data":{"in":"x"},"Metadata":{}}`)
		if _, err := req.Text("out"); !errors.Is(err, invoke.ErrEnvelope) || !strings.Contains(err.Error(), `"out"`) {
			t.Errorf("got %v", err)
		}
		if got := req.Scalar("DequeueCount"); got != "" {
			t.Errorf("metadata that is not there: %q", got)
		}
	})
	t.Run("metadata as the host writes it", func(t *testing.T) {
		req := decode(t, `{"Data":{},"Metadata":{"DequeueCount":"\"1\""}}`)
		if got := req.Scalar("DequeueCount"); got != "1" {
			t.Errorf("got %q", got)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                "",
		"what is not JSON":       "hello",
		"a list":                 "[]",
		"null":                   "null",
		"no data":                `{"Metadata":{}}`,
		"null for data":          `{"Data":null}`,
		"a text for data":        `{"Data":"x"}`,
		"a body that was cut":    `{"Data":{"in":"x"`,
		"two values":             `{"Data":{}}{"Data":{}}`,
		"data twice":             `{"Data":{"in":"a"},"Data":{"in":"b"}}`,
		"data in two cases":      `{"Data":{"in":"a"},"data":{"in":"b"}}`,
		"a binding twice":        `{"Data":{"in":"a","in":"b"}}`,
		"a name twice within":    `{"Data":{"in":{"a":1,"a":2}}}`,
		"bytes that are no text": "{\"Data\":{\"in\":\"\xff\"}}",
		"half a pair":            `{"Data":{"in":"\ud800"}}`,
		"a byte order mark":      "\ufeff" + `{"Data":{"in":"a"}}`,
		"a NUL":                  "{\"Data\":{\"in\":\"\x00\"}}",
		"brackets":               strings.Repeat("[", 1_000_000),
		"brackets for a binding": `{"Data":{"in":` + strings.Repeat("[", 1_000_000) + strings.Repeat("]", 1_000_000) + `}}`,
		"a body over the limit":  `{"Data":{"in":"` + strings.Repeat("x", invoke.MaxRequest) + `"}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if req, err := invoke.Decode(strings.NewReader(body)); !errors.Is(err, invoke.ErrEnvelope) {
				t.Errorf("got %+v, %v", req, err)
			} else if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		})
	}
	t.Run("a failing connection is not the envelope's fault", func(t *testing.T) {
		cause := errors.New("connection reset")
		if _, err := invoke.Decode(iotest.ErrReader(cause)); !errors.Is(err, cause) || errors.Is(err, invoke.ErrEnvelope) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a body of exactly the limit is read", func(t *testing.T) {
		const frame = `{"Data":{"in":""}}`
		body := strings.Replace(frame, `""`, `"`+strings.Repeat("x", invoke.MaxRequest-len(frame))+`"`, 1)
		if req := decode(t, body); len(req.Data["in"]) == 0 {
			t.Error("the data is gone")
		}
	})
}

func TestReplyIsAlwaysAJSONObject(t *testing.T) {
	for name, tt := range map[string]struct {
		err    error
		status int
	}{
		"done":                      {nil, 200},
		"again later":               {errors.New("table busy"), 500},
		"an error of several lines": {errors.New("a\nb\t\"c\" </script>"), 500},
		"an error that is no UTF-8": {errors.New("\xff\xfe"), 500},
		"an error without words":    {errors.New(""), 500},
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			invoke.Reply(w, tt.err)
			if w.Code != tt.status || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("status %d, content type %q", w.Code, w.Header().Get("Content-Type"))
			}
			var body map[string]any
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body == nil {
				t.Errorf("the body is not a JSON object: %s", w.Body)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"Data":{"in":"\"hello\""},"Metadata":{"DequeueCount":"\"1\""}}`)
	f.Add(`{"Data":{"in":{"a":1}}}`)
	f.Add(`{"Data":{"in":null}}`)
	f.Add(`{"Data":{"in":"a"},"data":{"in":"b"}}`)
	f.Add(`{"Data":{"in":"\"\\ud800\""}}`)
	f.Add(`{"Data":{"in":"\ud800"}}`)
	f.Add(`{"Data":{"":"\"\\u0000\""}}`)
	f.Fuzz(func(t *testing.T, body string) {
		req, err := invoke.Decode(strings.NewReader(body))
		if err != nil {
			if !errors.Is(err, invoke.ErrEnvelope) {
				t.Fatalf("the connection is sound: %v", err)
			}
			return
		}
		for binding := range req.Data {
			text, err := req.Text(binding)
			if err != nil || !utf8.ValidString(binding+text) {
				t.Fatalf("binding %q is there: %q, %v", binding, text, err)
			}
		}
		for name := range req.Metadata {
			_ = req.Scalar(name)
		}
	})
}
