package saved_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"stackusage/shared/reconcile/saved"
)

func answered(in io.Reader) (rows []string, err error) {
	err = saved.EachDone(in, func(row []byte) error {
		rows = append(rows, string(row))
		return nil
	})
	return rows, err
}

func TestSavedAnswers(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		rows string
		want string // of the error
	}{
		"rows":                      {`{"value":[{"a":1.50},{"b":[2]}],"other":{"x":1}}`, `{"a":1.50} {"b":[2]}`, ""},
		"none":                      {`{"value":[]}`, "", ""},
		"a byte order mark":         {"\xef\xbb\xbf{\"value\":[1]}", "1", ""},
		"no next page":              {`{"value":[1],"nextLink":null}`, "1", ""},
		"a page too few":            {`{"value":[1],"nextLink":"https://x"}`, "1", "append the next page"},
		"pages":                     {`{"value":[1],"nextLink":"https://x"}` + "\n" + `{"nextLink":"https://y","value":[2,3]}{"value":[4],"nextLink":""}`, "1 2 3 4", ""},
		"a page cut":                {`{"value":[1],"nextLink":"https://x"}{"value":[{"a"`, "1", "cut short"},
		"names twice":               {`{"value":[1],"nextLink":"https://x","nextLink":null}`, "1", "a name comes twice"},
		"cut in a row":              {`{"value":[{"a":1},{"b":`, `{"a":1}`, "cut short"},
		"cut between rows":          {`{"value":[{"a":1},`, `{"a":1}`, "cut short"},
		"cut behind the rows":       {`{"value":[{"a":1}]`, `{"a":1}`, "cut short"},
		"nothing":                   {"", "", "cut short"},
		"an error of the stack":     {`{"error":{"code":"Busy"}}`, "", "not an answer of the usage API"},
		"rows bare":                 {`[{"a":1}]`, "", "not an answer of the usage API"},
		"a value that is no list":   {`{"value":{"a":1}}`, "", "not an answer of the usage API"},
		"value twice":               {`{"value":[1],"value":[2]}`, "1", "a name comes twice"},
		"something behind":          {`{"value":[1]}{"value":[2]}`, "1", "something follows its last page"},
		"a page of a web server":    {"<html></html>", "", "invalid character"},
		"a next page of no address": {`{"value":[1],"nextLink":5}`, "1", "cannot unmarshal number"},
	} {
		t.Run(name, func(t *testing.T) {
			rows, err := answered(strings.NewReader(c.text))
			if got := strings.Join(rows, " "); got != c.rows {
				t.Errorf("rows %s; want %s", got, c.rows)
			}
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v; want %q", err, c.want)
			}
		})
	}
	t.Run("a disk that fails is not the file's fault", func(t *testing.T) {
		broken := errors.New("input/output error")
		if _, err := answered(io.MultiReader(strings.NewReader(`{"value":[1,`), iotest.ErrReader(broken))); !errors.Is(err, broken) {
			t.Errorf("%v", err)
		}
	})
	t.Run("an endless file ends", func(t *testing.T) {
		if _, err := answered(io.MultiReader(strings.NewReader(`{"value":[`), spaces{})); err == nil || !strings.Contains(err.Error(), "longer than") {
			t.Errorf("%v", err)
		}
	})
}

// spaces is white space without end.
type spaces struct{}

func (spaces) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	return len(p), nil
}

// FuzzSavedAnswer: what is read as an answer is JSON with the same rows.
func FuzzSavedAnswer(f *testing.F) {
	for _, text := range []string{`{"value":[{"a":1.50},{"b":[2]}],"other":{"x":1}}`, `{"value":[]}`, "\xef\xbb\xbf{\"value\":[1]}", `{"value":[1],"nextLink":null}`, `{"value":[1],"nextLink":"x"}{"value":[2]}`, `{"value":[`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rows, err := answered(strings.NewReader(string(text)))
		if err != nil {
			return
		}
		var value []json.RawMessage
		for dec := json.NewDecoder(strings.NewReader(strings.TrimPrefix(string(text), "\xef\xbb\xbf"))); ; {
			var page map[string]json.RawMessage
			if err := dec.Decode(&page); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("it is no JSON: %v", err)
			}
			var of []json.RawMessage
			if err := json.Unmarshal(page["value"], &of); err != nil {
				t.Fatal(err)
			}
			value = append(value, of...)
		}
		if len(value) != len(rows) {
			t.Fatalf("%d rows of %d", len(rows), len(value))
		}
		for i, row := range rows {
			if row != string(value[i]) {
				t.Fatalf("row %d is %q, must be %q", i, row, value[i])
			}
		}
	})
}
