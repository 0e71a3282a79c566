package commerce_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"stackusage/shared/commerce"
)

func FuzzDecodeResults(f *testing.F) {
	f.Add([]byte(`{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"b","status":"Conflict","quantity":"1","code":"c","message":"m"}]}`))
	f.Add([]byte(`{"results":[]}`))
	f.Add([]byte(`{"results":null}`))
	f.Add([]byte(`{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"a","status":"Accepted"}]}`))
	f.Add([]byte(`{"results":[{"recordId":"","status":"Expired"}]}`))
	for _, answer := range badAnswers() {
		if len(answer) < 4<<10 {
			f.Add([]byte(answer))
		}
	}
	f.Fuzz(func(t *testing.T, answer []byte) {
		results, err := commerce.DecodeResults(answer)
		if err != nil {
			if results != nil || len(err.Error()) > 1000 || !utf8.ValidString(err.Error()) {
				t.Fatalf("results, or an error that cannot be kept: %v %.300q", results, err)
			}
			return
		}
		if results == nil {
			t.Fatal("neither results nor an error")
		}
		var count struct{ Results []json.RawMessage }
		if err := json.Unmarshal(answer, &count); err != nil || len(count.Results) != len(results) {
			t.Fatalf("%d results of %d, %v", len(results), len(count.Results), err)
		}
		for id, r := range results {
			if !utf8.ValidString(id + r.Code + r.Message + r.Quantity) {
				t.Fatalf("%q: no text: %+v", id, r)
			}
			if id == "" || id != r.RecordID || !strings.Contains("Accepted Duplicate Conflict Rejected Expired", r.Status) || r.Status == "" {
				t.Fatalf("%q: %+v", id, r)
			}
		}
	})
}

func TestLongWordsOfAResultAreCut(t *testing.T) {
	long := strings.Repeat("x", 100_000)
	results, err := commerce.DecodeResults([]byte(`{"results":[{"recordId":"a","status":"Rejected","code":"` + long + `","message":"` + long + `"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	if r := results["a"]; len(r.Code) > 1000 || len(r.Message) > 8000 || r.Code == "" || r.Message == "" {
		t.Errorf("a code of %d bytes, a message of %d: they are stored in tables", len(r.Code), len(r.Message))
	}
}
