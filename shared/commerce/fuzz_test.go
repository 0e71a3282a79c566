package commerce_test

import (
	"strings"
	"testing"

	"stackusage/shared/commerce"
)

func FuzzDecodeResults(f *testing.F) {
	f.Add([]byte(`{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"b","status":"Conflict","quantity":"1","code":"c","message":"m"}]}`))
	f.Add([]byte(`{"results":[]}`))
	f.Add([]byte(`{"results":null}`))
	f.Add([]byte(`{"results":[{"recordId":"a","status":"Accepted"},{"recordId":"a","status":"Accepted"}]}`))
	f.Add([]byte(`{"results":[{"recordId":"","status":"Expired"}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		results, err := commerce.DecodeResults(answer)
		if err != nil {
			if results != nil {
				t.Fatal("results and an error")
			}
			return
		}
		if results == nil {
			t.Fatal("neither results nor an error")
		}
		for id, r := range results {
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
