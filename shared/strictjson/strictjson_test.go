package strictjson_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"stackusage/internal/badinput"
	"stackusage/shared/strictjson"
)

type inner struct {
	Text string            `json:"text"`
	Raw  strictjson.Value  `json:"raw"`
	Map  map[string]string `json:"map"`
}

type outer struct {
	Text  string  `json:"text"`
	Count int64   `json:"count"`
	Inner *inner  `json:"inner"`
	List  []inner `json:"list"`
}

func TestUnmarshal(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		ambiguous  bool
		says       string // "" if it is read
	}{
		{"an object", `{"text":"a","count":3,"inner":{"text":"b","raw":{"x":[1.50]},"map":{"k":"v","K":"w"}},"list":[{},{}]}`, false, ""},
		{"names that nobody knows", `{"new":1,"New":2,"text":"a"}`, false, ""},
		{"a name in another case", `{"TEXT":"a"}`, false, ""},
		{"a name twice", `{"text":"a","text":"a"}`, true, "a name comes twice in one object, at byte 12"},
		{"a name twice in two cases", `{"text":"a","Text":"a"}`, true, "a name comes twice in one object, at byte 12"},
		{"a name twice with a dash", `{"text":"a","te-xt":"a"}`, true, "a name comes twice"},
		{"a name twice in what is kept as written", `{"inner":{"raw":{"secret":1,"secret":1}}}`, true, "a name comes twice"},
		{"a name twice in a map", `{"inner":{"map":{"secret":"1","secret":"1"}}}`, true, "a name comes twice"},
		{"a name twice in what nobody reads", `{"new":{"secret":1,"secret":1}}`, true, "a name comes twice"},
		{"nothing", ``, false, "unexpected EOF at byte 0"},
		{"half of it", `{"text":`, false, "unexpected EOF at byte 8"},
		{"two values", `{} {}`, false, "invalid character '{' after top-level value at byte 3"},
		{"a byte order mark", "\ufeff{}", false, "it begins with a byte order mark"},
		{"no UTF-8", "{\"text\":\"\xff\"}", false, "invalid UTF-8 at byte 9"},
		{"half a pair", `{"text":"\ud800secret"}`, false, "invalid surrogate pair at byte 9"},
		{"a number for a text", `{"text":1}`, false, "at byte 8: a number that does not fit its field"},
		{"a fraction for a whole number", `{"count":1.0}`, false, "at byte 9: a number that does not fit its field"},
		{"an exponent for a whole number", `{"count":1e3}`, false, "at byte 9: a number that does not fit its field"},
		{"a number beyond", `{"count":9223372036854775808}`, false, "at byte 9: a number that does not fit its field"},
		{"nesting without end", strings.Repeat("[", 1_000_000), false, "at byte 0: a list that does not fit its field"},
		{"nesting in what nobody reads", `{"new":` + strings.Repeat("[", 1_000_000), false, "exceeded max depth"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var v outer
			err := strictjson.Unmarshal([]byte(tt.text), &v)
			if tt.says == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			var bad *strictjson.Error
			if !errors.As(err, &bad) || bad.Ambiguous != tt.ambiguous || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %v, want %s", err, tt.says)
			}
		})
	}
}

func TestUnmarshalKnown(t *testing.T) {
	var v outer
	if err := strictjson.UnmarshalKnown([]byte(`{"text":"a"}`), &v); err != nil || v.Text != "a" {
		t.Errorf("%+v, %v", v, err)
	}
	for _, text := range []string{`{"text":"a","secret":1}`, `{"inner":{"secret":1}}`} {
		if err := strictjson.UnmarshalKnown([]byte(text), &v); err == nil || !strings.Contains(err.Error(), "a name that does not belong here") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// FuzzUnmarshal holds the strict reader against the standard one: whatever it
// takes, both understand alike, and there is no text that says two things.
func FuzzUnmarshal(f *testing.F) {
	for _, row := range badinput.Small() {
		f.Add([]byte(row.Line))
	}
	for _, text := range []string{`{"text":"a","count":3,"inner":{"raw":null,"map":{"a":"b"}},"list":[{}]}`, `{"te_xt":"a"}`, `{"list":null}`, `{"inner":null,"count":null}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var strict outer
		err := strictjson.Unmarshal(text, &strict)
		if err != nil {
			var bad *strictjson.Error
			if !errors.As(err, &bad) || err.Error() == "" || len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) {
				t.Fatalf("an error that cannot be kept: %q", err)
			}
			if again := strictjson.Unmarshal(text, new(outer)); again == nil || again.Error() != err.Error() {
				t.Fatalf("%q, then %q", err, again)
			}
			return
		}
		if !utf8.Valid(text) {
			t.Fatal("read, and it is no UTF-8")
		}
		if strings.ContainsAny(string(text), "-_") {
			return // encoding/json does not look past these in names
		}
		var plain outer
		if err := json.Unmarshal(text, &plain); err != nil {
			t.Fatalf("encoding/json: %v", err)
		}
		if !reflect.DeepEqual(strict, plain) {
			t.Fatalf("read as %+v, by encoding/json as %+v", strict, plain)
		}
	})
}
