package form

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Codes of a text that says nothing, or two things.
const (
	Unreadable = "UnreadableJson"
	ambiguous  = "AmbiguousKeys"
)

var (
	dashes   = strings.NewReplacer("-", "", "_", "")
	escapes  = regexp.MustCompile(`(?i)\\\\|\\ud[89ab][0-9a-f]{2}\\ud[c-f][0-9a-f]{2}`) // of a backslash, and whole surrogate pairs
	halfPair = regexp.MustCompile(`(?i)\\ud[89a-f][0-9a-f]{2}`)
)

// Decode reads a JSON object strictly into a struct; code says why it is none. What is
// not Unicode text, and a name that comes twice in one object, are errors here;
// encoding/json takes both. A field's name may be written in any case, with or
// without - and _. only: the object may have no other names.
func Decode(content []byte, v any, only bool) (code string) {
	if bytes.HasPrefix(content, []byte("\xef\xbb\xbf")) || !utf8.Valid(content) || !json.Valid(content) ||
		bytes.Contains(content, []byte(`\u`)) && halfPair.Match(escapes.ReplaceAll(content, nil)) {
		return Unreadable
	}
	if namedTwice(json.NewDecoder(bytes.NewReader(content))) {
		return ambiguous
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(content, &raw) != nil {
		return Unreadable
	}
	named := map[string]json.RawMessage{}
	for i, t := 0, reflect.TypeOf(v).Elem(); i < t.NumField(); i++ {
		field := cmp.Or(t.Field(i).Tag.Get("json"), t.Field(i).Name)
		for name, value := range raw {
			if !strings.EqualFold(dashes.Replace(name), field) {
				continue
			}
			if named[field] != nil {
				return ambiguous
			}
			named[field] = value
		}
	}
	if only && len(named) < len(raw) || json.Unmarshal(Encode(named), v) != nil {
		return Unreadable
	}
	return ""
}

// namedTwice reports whether a name comes twice in one object of the next value.
func namedTwice(d *json.Decoder) (twice bool) {
	opening, _ := d.Token()
	if _, is := opening.(json.Delim); !is {
		return false
	}
	names := map[json.Token]bool{}
	for d.More() {
		if opening == json.Delim('{') {
			name, _ := d.Token()
			twice = twice || names[name]
			names[name] = true
		}
		twice = namedTwice(d) || twice
	}
	_, _ = d.Token()
	return twice
}

// Encode is JSON in one line, in which nothing is escaped for HTML.
func Encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // of our own types
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// Object writes a JSON object of names and values, in order. A name that ends in ?
// is left out where its value is empty.
func Object(pairs ...any) []byte {
	var b bytes.Buffer
	for i := 0; i < len(pairs); i += 2 {
		name, optional := strings.CutSuffix(pairs[i].(string), "?")
		if !optional || !reflect.ValueOf(pairs[i+1]).IsZero() {
			fmt.Fprintf(&b, ",%s:%s", Encode(name), Encode(pairs[i+1]))
		}
	}
	return fmt.Appendf(nil, "{%s}", bytes.TrimPrefix(b.Bytes(), []byte{','}))
}

// CarriedText is a stack's own text: a string's, or the JSON where it is none.
func CarriedText(raw json.RawMessage) (s string) {
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil { // null is no text
		return s
	}
	return Compacted(raw)
}

// Compacted is JSON without spaces.
func Compacted(raw json.RawMessage) string {
	var b bytes.Buffer
	_ = json.Compact(&b, raw)
	return b.String()
}
