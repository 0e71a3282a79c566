package stackapi_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"stackusage/agent/stackapi"
	"stackusage/internal/badinput"
)

func decode(text string, most int64) (rows []string, next string, err error) {
	next, err = stackapi.DecodePage(strings.NewReader(text), most, func(raw []byte) error {
		rows = append(rows, string(raw))
		return nil
	})
	return rows, next, err
}

func TestDecodePage(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		rows       []string
		next       string
	}{
		{"empty", `{"value":[]}`, nil, ""},
		{"null nextLink", `{"value":[],"nextLink":null}`, nil, ""},
		{"empty nextLink", `{"value":[],"nextLink":""}`, nil, ""},
		{"number text", `{"value":[{"quantity":1.0},{"quantity":8.3819031715393066E-08},{"quantity":"1.50"}]}`,
			[]string{`{"quantity":1.0}`, `{"quantity":8.3819031715393066E-08}`, `{"quantity":"1.50"}`}, ""},
		{"byte order mark", "\ufeff{\"value\":[{}]}", []string{`{}`}, ""},
		{"nextLink before value, unknown fields", `{"odata":{"a":[1,{}]},"nextLink":"http://x","value":[1],"code":{},"z":null}` + "\r\n ",
			[]string{`1`}, "http://x"},
		{"white space within a row is kept", `{ "value" : [ {"a": 1} , {} ] }`, []string{`{"a": 1}`, `{}`}, ""},
		{"names twice in a row, which is refused later, alone", `{"value":[{"a":1,"a":2}]}`, []string{`{"a":1,"a":2}`}, ""},
		{"text that is none in a row, likewise", "{\"value\":[\"\\ud800\",\"\xff\"]}", []string{`"\ud800"`, "\"\xff\""}, ""},
		{"numbers that are too large in a row, likewise", `{"value":[1e1000000,` + strings.Repeat("9", 60) + `]}`, []string{"1e1000000", strings.Repeat("9", 60)}, ""},
		{"bytes that JSON may escape", `{"value":[{"a":"<&>\u00e9é"}]}`, []string{`{"a":"<&>\u00e9é"}`}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			rows, next, err := decode(tc.text, 1<<20)
			if err != nil {
				t.Fatal(err)
			}
			mustEqual(t, tc.rows, rows)
			mustEqual(t, tc.next, next)
		})
	}
}

func TestDecodePageRefuses(t *testing.T) {
	long := `"` + strings.Repeat("x", stackapi.MaxRowBytes) + `"`
	for _, tc := range []struct {
		name, text string
		most       int64
		want       error  // nil for any
		says       string // in the error
	}{
		{"nothing", ``, 1 << 20, io.ErrUnexpectedEOF, ""},
		{"an answer cut within value", `{"value":[{},`, 1 << 20, io.ErrUnexpectedEOF, ""},
		{"an answer cut within a row", `{"value":[{"a":`, 1 << 20, io.ErrUnexpectedEOF, ""},
		{"an answer cut before its end", `{"value":[{}]`, 1 << 20, io.ErrUnexpectedEOF, ""},
		{"no value", `{"nextLink":""}`, 1 << 20, stackapi.ErrNoValue, ""},
		{"null value", `{"value":null}`, 1 << 20, nil, "read value"},
		{"value in two cases", `{"value":[],"Value":[{}]}`, 1 << 20, nil, "Value"},
		{"value in another case only", `{"Value":[{}]}`, 1 << 20, nil, "Value"},
		{"nextLink twice", `{"nextLink":"http://x","value":[],"nextLink":null}`, 1 << 20, nil, "nextLink twice"},
		{"nextLink twice, once escaped", `{"nextLink":"http://x","value":[],"\u006eextLink":null}`, 1 << 20, nil, "nextLink twice"},
		{"nextLink in two cases", `{"nextLink":"","value":[],"NextLink":"http://x"}`, 1 << 20, nil, "NextLink"},
		{"brackets without end", strings.Repeat("[", 1_000_000), 1 << 20, nil, ""},
		{"brackets in a row", `{"value":[` + strings.Repeat("[", 1_000_000), 1 << 20, nil, "row 1"},
		{"brackets in what nobody reads", `{"x":` + strings.Repeat(`{"a":`, 200_000), 1 << 20, nil, ""},
		{"a NUL", "{\"value\":[]\x00}", 1 << 20, nil, ""},
		{"a number that is none", `{"value":[{"quantity":NaN}]}`, 1 << 20, nil, "row 1"},
		{"UTF-16", "\xff\xfe{\x00}\x00", 1 << 20, nil, ""},
		{"value twice", `{"value":[],"value":[]}`, 1 << 20, nil, "twice"},
		{"an array", `[]`, 1 << 20, nil, ""},
		{"more after the end", `{"value":[]}{}`, 1 << 20, nil, "goes on"},
		{"a nextLink that is no string", `{"value":[],"nextLink":{}}`, 1 << 20, nil, "nextLink"},
		{"a row over the limit", `{"value":[{},` + long + `]}`, 1 << 30, stackapi.ErrRowSize, "read row 2"},
		{"a row without end", `{"value":["` + strings.Repeat("x", 3*stackapi.MaxRowBytes), 1 << 30, stackapi.ErrRowSize, "read row 1"},
		{"a field without end", `{"x":"` + strings.Repeat("x", 3*stackapi.MaxRowBytes), 1 << 30, stackapi.ErrRowSize, "x"},
		{"an answer over the limit", `{"value":[1,2,3,4,5,6,7,8]}`, 20, stackapi.ErrPageSize, ""},
		{"garbage within value", `{"value":[{},}]}`, 1 << 20, nil, "row 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := decode(tc.text, tc.most)
			if err == nil || tc.want != nil && !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, want %v %q", err, tc.want, tc.says)
			}
		})
	}
	if _, _, err := decode(`{"value":[1]}`, int64(len(`{"value":[1]}`))); err != nil {
		t.Errorf("an answer as large as the limit: %v", err)
	}
}

func TestRowOverLinesIsCompacted(t *testing.T) {
	s := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "{\"value\":[{\r\n  \"quantity\": 1.50E-07,\n  \"a\": \"<\\n\"\n}, {\"b\": 2}]}")
	})
	rows, _, err := s.collect(t, burst)
	if err != nil {
		t.Fatal(err)
	}
	mustEqual(t, []string{`{"quantity":1.50E-07,"a":"<\n"}`, `{"b": 2}`}, rows)
}

// TestMemoryDoesNotGrowWithRows reads a page of 16 MB and looks at the heap
// while it does.
func TestMemoryDoesNotGrowWithRows(t *testing.T) {
	const rows = 16 << 10
	row := `{"a":"` + strings.Repeat("x", 1000) + `"}`
	body := io.MultiReader(strings.NewReader(`{"value":[`+row), &repeated{text: "," + row, times: rows - 1}, strings.NewReader(`]}`))
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	n := 0
	_, err := stackapi.DecodePage(body, 1<<30, func([]byte) error {
		if n++; n%(2<<10) == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			if now.HeapAlloc > before.HeapAlloc+2<<20 {
				t.Fatalf("heap has grown by %d bytes after %d rows", now.HeapAlloc-before.HeapAlloc, n)
			}
		}
		return nil
	})
	if err != nil || n != rows {
		t.Fatalf("got %d rows, %v", n, err)
	}
}

// repeated reads the same text over and over.
type repeated struct {
	text  string
	times int
	rest  string
}

func (r *repeated) Read(p []byte) (int, error) {
	if r.rest == "" {
		if r.times == 0 {
			return 0, io.EOF
		}
		r.times--
		r.rest = r.text
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func FuzzDecodePage(f *testing.F) {
	f.Add([]byte(`{"value":[{"quantity":1.0,"properties":{"instanceData":"{\"a\":1}"}}],"nextLink":"http://x"}`))
	f.Add([]byte("\ufeff{\"nextLink\":null,\"value\":[1,\n{}],\"x\":[[]]} "))
	f.Add([]byte(`{"value":[],"value":[]}`))
	f.Add([]byte(`{"nextLink":"a","value":[],"NextLink":"b"}`))
	for _, row := range badinput.Small() {
		f.Add([]byte(`{"value":[` + row.Line + `],"nextLink":null}`))
	}
	f.Add([]byte(`{"error":{"code":"a","message":"b"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var rows []json.RawMessage
		next, err := stackapi.DecodePage(bytes.NewReader(text), 1<<20, func(raw []byte) error {
			rows = append(rows, bytes.Clone(raw))
			return nil
		})
		if err != nil {
			return
		}
		// What the stream accepts, the plain decoder must read alike.
		var want struct {
			Value []json.RawMessage `json:"value"`
			Next  *string           `json:"nextLink"`
		}
		var keys map[string]json.RawMessage
		text = bytes.TrimPrefix(text, []byte("\ufeff"))
		if err := json.Unmarshal(text, &keys); err != nil {
			t.Fatalf("accepted what is not a JSON object: %v", err)
		}
		if err := json.Unmarshal(keys["value"], &want.Value); err != nil {
			t.Fatalf("accepted a value that is not an array: %v", err)
		}
		if len(want.Value) != len(rows) {
			t.Fatalf("got %d rows, want %d", len(rows), len(want.Value))
		}
		for i := range rows {
			if !bytes.Equal(rows[i], want.Value[i]) {
				t.Fatalf("row %d is %s, want %s", i, rows[i], want.Value[i])
			}
		}
		if raw := keys["nextLink"]; raw != nil {
			var link string
			if err := json.Unmarshal(raw, &link); err != nil || link != next {
				t.Fatalf("nextLink is %q, want %q", next, link)
			}
		}
	})
}
