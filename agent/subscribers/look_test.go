package subscribers_test

import (
	"bytes"
	"testing"

	"stackusage/agent/subscribers"
)

func TestTextAfter(t *testing.T) {
	for row, want := range map[string]string{
		`{"a":"x","b":"y"}`:          "x",
		`{"a" : "x"}`:                "x",
		`{"a":""}`:                   "",
		`{"a":1}`:                    "",
		`{"a":"x`:                    "",
		`{"a"`:                       "",
		`{"i":"{\"a\":\"z\"}"}`:      "",
		`{"i":"\"a\"","a":"x"}`:      "x",
		`{}`:                         "",
		"{\"a\"\t:\t\"x\"}":          "x",
		`{"b":{"a":"deep"},"a":"x"}`: "deep",
	} {
		if got := subscribers.TextAfter([]byte(row), `"a"`); string(got) != want {
			t.Errorf("%s: %q, want %q", row, got, want)
		}
	}
}

// FuzzTextAfter: what is found is a part of the row, without a quote in it.
func FuzzTextAfter(f *testing.F) {
	f.Add([]byte(`{"subscriptionId":"x"}`))
	f.Add([]byte(`{"subscriptionId" :  `))
	f.Fuzz(func(t *testing.T, row []byte) {
		if got := subscribers.TextAfter(row, `"subscriptionId"`); !bytes.Contains(row, got) || bytes.IndexByte(got, '"') >= 0 {
			t.Errorf("%q has %q", row, got)
		}
	})
}
