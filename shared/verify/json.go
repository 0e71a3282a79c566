package verify

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Codes of a text that says nothing, or two things.
const (
	unreadable = "UnreadableJson"
	ambiguous  = "AmbiguousKeys"
)

var dashes = strings.NewReplacer("-", "", "_", "")

// decode reads a JSON object strictly into a struct, and returns a code if it is
// none. What is not Unicode text, and a name that comes twice in one object, are
// errors here; encoding/json takes both. A field's name may be written in any case,
// and with or without - and _.
func decode(content []byte, v any) (code string) { return decodeKnown(content, v, false) }

// decodeKnown is decode of an object that may have no other names.
func decodeKnown(content []byte, v any, only bool) (code string) {
	if bytes.HasPrefix(content, []byte("\xef\xbb\xbf")) || !utf8.Valid(content) || !json.Valid(content) || halfPair(content) {
		return unreadable
	}
	if d := json.NewDecoder(bytes.NewReader(content)); namedTwice(d) {
		return ambiguous
	}
	var raw map[string]json.RawMessage
	if json.Unmarshal(content, &raw) != nil {
		return unreadable
	}
	named := map[string]json.RawMessage{}
	for i, t := 0, reflect.TypeOf(v).Elem(); i < t.NumField(); i++ {
		field := t.Field(i).Tag.Get("json")
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
	if only && len(named) < len(raw) || json.Unmarshal(encode(named), v) != nil {
		return unreadable
	}
	return ""
}

// namedTwice reports whether a name comes twice in one object of the next value.
func namedTwice(d *json.Decoder) (twice bool) {
	token, _ := d.Token()
	opening, _ := token.(json.Delim)
	if opening == 0 {
		return false
	}
	names := map[string]bool{}
	for d.More() {
		if opening == '{' {
			name, _ := d.Token()
			text, _ := name.(string)
			twice = twice || names[text]
			names[text] = true
		}
		twice = namedTwice(d) || twice
	}
	_, _ = d.Token()
	return twice
}

// halfPair reports whether a valid text has half of a surrogate pair.
func halfPair(content []byte) bool {
	unit := func(i int) uint64 {
		if i+6 > len(content) || content[i] != '\\' || content[i+1] != 'u' {
			return 0
		}
		u, _ := strconv.ParseUint(string(content[i+2:i+6]), 16, 16)
		return u
	}
	for i := 0; i < len(content); i++ {
		if content[i] != '\\' {
			continue
		}
		u, low := unit(i), unit(i+6)
		pair := u >= 0xd800 && u < 0xdc00 && low >= 0xdc00 && low < 0xe000
		switch {
		case pair:
			i += 6
		case u >= 0xd800 && u < 0xe000:
			return true
		}
		i++ // the escaped character
	}
	return false
}

// encode is JSON in one line, in which nothing is escaped for HTML.
func encode(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(v) // of our own types
	return bytes.TrimSuffix(b.Bytes(), []byte{'\n'})
}

// carriedText is a stack's own text: a string's, or the JSON where it is none.
func carriedText(raw json.RawMessage) (s string) {
	if len(raw) == 0 || json.Unmarshal(raw, &s) == nil { // null is no text
		return s
	}
	return compacted(raw)
}

func compacted(raw json.RawMessage) string {
	var b bytes.Buffer
	_ = json.Compact(&b, raw)
	return b.String()
}
