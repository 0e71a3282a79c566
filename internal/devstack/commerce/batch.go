package commerce

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"unicode/utf8"
)

// decodeBatch splits a batch into the bytes of its records, exactly as they
// stand between the commas. What makes the request unacceptable as a whole
// comes back with its HTTP status; what is wrong with one record does not show
// here.
func decodeBatch(body []byte, maxRecords int) ([]json.RawMessage, int, *problem) {
	bad := func(message string) ([]json.RawMessage, int, *problem) {
		return nil, http.StatusBadRequest, &problem{"InvalidBatch", message}
	}
	// Validity first: json.Decoder alone would let trailing garbage and
	// invalid UTF-8 pass, and a record's bytes must be JSON when they are
	// handed out again.
	if !utf8.Valid(body) || !json.Valid(body) {
		return bad("the body is not one JSON text in UTF-8")
	}
	fields, err := members(body)
	if err != nil {
		return bad(err.Error())
	}
	if len(fields) != 1 || fields[0].name != "records" {
		return bad(`the body must be an object with the one field "records"`)
	}
	records, err := elements(fields[0].value)
	switch {
	case err != nil:
		return bad("records is not a list")
	case len(records) == 0:
		return bad("records is empty")
	case len(records) > maxRecords:
		return nil, http.StatusRequestEntityTooLarge,
			&problem{"TooManyRecords", fmt.Sprintf("the batch has %d records, at most %d are taken", len(records), maxRecords)}
	}
	return records, 0, nil
}

// member is one field of a JSON object, its value still as it stood.
type member struct {
	name  string
	value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

type duplicateField string

func (d duplicateField) Error() string { return "field " + quote(string(d)) + " is given twice" }

// members returns the fields of the JSON object raw in their order. Unlike
// encoding/json it is exact about upper and lower case and refuses a field that
// is given twice: two readers could otherwise read two different quantities
// out of one record. raw must be valid JSON.
func members(raw []byte) ([]member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotObject
	}
	var out []member
	seen := make(map[string]bool)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, errNotObject
		}
		m := member{name: key.(string)}
		if seen[m.name] {
			return nil, duplicateField(m.name)
		}
		seen[m.name] = true
		if err := dec.Decode(&m.value); err != nil {
			return nil, errNotObject
		}
		out = append(out, m)
	}
	return out, nil
}

var errNotList = errors.New("not a JSON list")

// elements returns the elements of the JSON list raw, each as it stood.
func elements(raw []byte) ([]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('[') {
		return nil, errNotList
	}
	var out []json.RawMessage
	for dec.More() {
		var v json.RawMessage
		if err := dec.Decode(&v); err != nil {
			return nil, errNotList
		}
		out = append(out, v)
	}
	return out, nil
}

// quote shows foreign text in a message without letting it fill the message.
func quote(text string) string {
	const most = 64
	if len(text) > most {
		return fmt.Sprintf("%q...", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
