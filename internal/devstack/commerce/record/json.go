package record

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// Member is one field of a JSON object, its value still as it stood.
type Member struct {
	Name  string
	Value json.RawMessage
}

var errNotObject = errors.New("not a JSON object")

type duplicateField string

func (d duplicateField) Error() string { return "field " + Quote(string(d)) + " is given twice" }

// Members returns the fields of the JSON object raw in their order. Unlike
// encoding/json it is exact about upper and lower case and refuses a field that
// is given twice: two readers could otherwise read two different quantities
// out of one record. raw must be valid JSON.
func Members(raw []byte) ([]Member, error) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	if open, err := dec.Token(); err != nil || open != json.Delim('{') {
		return nil, errNotObject
	}
	var out []Member
	seen := make(map[string]bool)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, errNotObject
		}
		m := Member{Name: key.(string)}
		if seen[m.Name] {
			return nil, duplicateField(m.Name)
		}
		seen[m.Name] = true
		if err := dec.Decode(&m.Value); err != nil {
			return nil, errNotObject
		}
		out = append(out, m)
	}
	return out, nil
}

var errNotList = errors.New("not a JSON list")

// Elements returns the elements of the JSON list raw, each as it stood.
func Elements(raw []byte) ([]json.RawMessage, error) {
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

// Quote shows foreign text in a message without letting it fill the message.
func Quote(text string) string {
	const most = 64
	if len(text) > most {
		return fmt.Sprintf("%q...", text[:most])
	}
	return fmt.Sprintf("%q", text)
}
