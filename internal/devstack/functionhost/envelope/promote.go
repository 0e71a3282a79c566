package envelope

import (
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"strings"
	"time"
)

// promote merges the top-level properties of a message that is a JSON object
// into its binding data, over what is there. Arrays and nulls are left out.
// Text that is not a whole JSON object changes nothing.
func (d *bindingData) promote(text string) {
	trimmed := strings.TrimSpace(text)
	if !strings.HasPrefix(trimmed, "{") || !json.Valid([]byte(trimmed)) {
		return
	}
	dec := json.NewDecoder(strings.NewReader(trimmed))
	dec.UseNumber()
	found, err := readMembers(dec, true)
	if err != nil {
		return
	}
	for _, m := range found {
		d.set(m.name, m.value)
	}
}

// readMembers reads one object from dec. At the top, values take the form they
// have in Metadata; below, they stay JSON.
func readMembers(dec *json.Decoder, top bool) (object, error) {
	if _, err := dec.Token(); err != nil { // {
		return nil, err
	}
	var o object
	at := make(map[string]int) // Newtonsoft keeps the last of equal names, in the place of the first
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, err
		}
		name, ok := t.(string)
		if !ok {
			return nil, io.ErrUnexpectedEOF
		}
		m := member{name: name}
		m.value, err = readValue(dec, top)
		if errors.Is(err, errDropped) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if i, ok := at[name]; ok {
			o[i] = m
			continue
		}
		at[name] = len(o)
		o = append(o, m)
	}
	_, err := dec.Token() // }
	return o, err
}

var errDropped = errors.New("value is not promoted")

func readValue(dec *json.Decoder, top bool) (raw, error) {
	var v json.RawMessage
	if err := dec.Decode(&v); err != nil {
		return "", err
	}
	switch v[0] {
	case '{':
		o, err := readMembers(numbers(v), false)
		return o.json(), err
	case '[':
		if top {
			return "", errDropped
		}
		return readArray(v)
	case '"':
		var s string
		if err := json.Unmarshal(v, &s); err != nil {
			return "", err
		}
		if top {
			return textValue(dotNetDate(s)), nil
		}
		return quote(s), nil
	case 'n':
		if top {
			return "", errDropped
		}
	case 't', 'f':
		if top { // .NET writes True and False
			return textValue(strings.ToUpper(string(v[:1])) + string(v[1:])), nil
		}
	default:
		if top {
			return textValue(string(v)), nil
		}
	}
	return raw(v), nil
}

func readArray(v json.RawMessage) (raw, error) {
	dec := numbers(v)
	if _, err := dec.Token(); err != nil { // [
		return "", err
	}
	var items []string
	for dec.More() {
		item, err := readValue(dec, false)
		if err != nil {
			return "", err
		}
		items = append(items, string(item))
	}
	return raw("[" + strings.Join(items, ",") + "]"), nil
}

func numbers(v json.RawMessage) *json.Decoder {
	dec := json.NewDecoder(strings.NewReader(string(v)))
	dec.UseNumber()
	return dec
}

var isoDate = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,7})?(Z|[+-]\d\d:\d\d)?$`)

// dotNetDate is what becomes of a string that Newtonsoft takes for a date: it
// is parsed, and written in the invariant culture. The host runs in UTC.
func dotNetDate(s string) string {
	m := isoDate.FindStringSubmatch(s)
	if m == nil {
		return s
	}
	layout := "2006-01-02T15:04:05.9999999"
	if m[1] != "" {
		layout += "Z07:00"
	}
	t, err := time.Parse(layout, s)
	if err != nil {
		return s
	}
	return t.UTC().Format("01/02/2006 15:04:05")
}
