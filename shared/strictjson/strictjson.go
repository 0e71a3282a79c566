// Package strictjson reads JSON that others wrote and that money depends on.
//
// encoding/json takes the last of two equal names, takes names that differ in
// case for one, and replaces bytes that are no UTF-8 and halves of surrogate
// pairs by U+FFFD: an amount would be guessed, two resources would become one.
// Here each of these is an error:
//
//	{"quantity":1,"quantity":2}   a name twice in one object, anywhere
//	{"quantity":1,"Quantity":2}   two names for one field
//	"\ud800", "\xff"              what is not Unicode text
//
// A field is found in any case, with or without "-" and "_" in its name. Memory
// is a small multiple of the input; nesting ends at 10,000 levels.
//
// It is github.com/go-json-experiment/json, the mirror of encoding/json/v2,
// which the standard library has from Go 1.27 on. Only this package imports it,
// so that the day it goes, one file changes.
package strictjson

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Value is JSON that is kept as it was written.
type Value = jsontext.Value

// Error says what is wrong with a text. The words are our own: the library
// chooses among its wordings anew in every process, and what is stored must not
// depend on which process judged. They show neither names nor values that the
// writer chose, which may be a person's, beyond the one character that is wrong and
// what a type says of a value that it cannot read, such as a time.
type Error struct {
	// Ambiguous: a name comes twice, so the text says two things.
	Ambiguous bool
	words     string
}

func (e *Error) Error() string { return e.words }

// Unmarshal reads one JSON value into v. Names that v does not have are
// skipped. Errors are *Error.
func Unmarshal(text []byte, v any) error { return unmarshal(text, v) }

// UnmarshalKnown is Unmarshal for an object all of whose names v must have.
func UnmarshalKnown(text []byte, v any) error {
	return unmarshal(text, v, json.RejectUnknownMembers(true))
}

var bom = []byte("\xef\xbb\xbf")

func unmarshal(text []byte, v any, options ...json.Options) error {
	if bytes.HasPrefix(text, bom) {
		return &Error{words: "it begins with a byte order mark"}
	}
	err := json.Unmarshal(text, v, append(options, json.MatchCaseInsensitiveNames(true))...)
	if err == nil {
		return nil
	}
	return describe(err)
}

// Text is the text of a JSON string.
func Text(raw Value) (string, error) {
	text, err := jsontext.AppendUnquote(nil, raw)
	if err != nil {
		return "", &Error{words: "not the text of a JSON string"}
	}
	return string(text), nil
}

func describe(err error) *Error {
	var syntactic *jsontext.SyntacticError
	var semantic *json.SemanticError
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		e := &Error{Ambiguous: true, words: "a name comes twice in one object"}
		if errors.As(err, &syntactic) {
			e.words += fmt.Sprintf(", at byte %d", syntactic.ByteOffset)
		}
		return e
	case errors.As(err, &syntactic):
		what := fmt.Sprintf("%.100v", syntactic.Err)
		if quotes := "invalid surrogate pair"; strings.HasPrefix(what, quotes) {
			what = quotes // and what comes after it, which may be anyone's
		}
		return &Error{words: fmt.Sprintf("%s at byte %d", what, syntactic.ByteOffset)}
	case errors.As(err, &semantic):
		return &Error{words: fmt.Sprintf("at byte %d: %s", semantic.ByteOffset, misfit(semantic))}
	}
	return &Error{words: "not JSON"} // the library knows no third kind
}

func misfit(e *json.SemanticError) string {
	if errors.Is(e.Err, json.ErrUnknownName) {
		return "a name that does not belong here"
	}
	kinds := map[jsontext.Kind]string{'n': "null", 't': "a truth value", 'f': "a truth value", '"': "a string", '0': "a number", '{': "an object", '[': "a list"}
	words := cmp.Or(kinds[e.JSONKind], "a value") + " that does not fit its field"
	if e.Err != nil { // of a type that reads itself, such as a time
		words += fmt.Sprintf(": %.200v", e.Err)
	}
	return words
}
