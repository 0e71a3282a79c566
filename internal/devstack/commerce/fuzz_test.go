package commerce_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cockroachdb/apd/v3"

	"stackusage/internal/devstack/commerce"
)

// fuzzServer answers without a socket, which a fuzzer would run out of.
func fuzzServer(f *testing.F) *commerce.Server {
	s, err := commerce.New(commerce.Options{MaxRecords: 20})
	if err != nil {
		f.Fatal(err)
	}
	return s
}

func FuzzBatch(f *testing.F) {
	good := usage(nth(1), baseVM, "1.5")
	f.Add(batch(good))
	f.Add(batch(good, good.with("quantity", "2"), good.without("tags"), raw("null"), raw(" 1e999999 ")))
	f.Add(`{"records":[{"recordId":"\ud800","recordId":1}]}`)
	f.Add(`{"records":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`)
	f.Add("{\"records\":[\xff]}")
	s := fuzzServer(f)
	f.Fuzz(func(t *testing.T, body string) {
		req := httptest.NewRequest(http.MethodPost, "/v1/records", strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		s.ServeHTTP(w, req)
		switch w.Code {
		case 400, 413:
		case 200:
			var sent struct{ Records []json.RawMessage }
			if err := json.Unmarshal([]byte(body), &sent); err != nil {
				t.Fatalf("200 for what is not JSON: %v", err)
			}
			if got := results(t, w.Body.String()); len(got) != len(sent.Records) {
				t.Errorf("%d results for %d records", len(got), len(sent.Records))
			}
		default:
			t.Errorf("answered %d %s", w.Code, w.Body)
		}
	})
}

func FuzzRecord(f *testing.F) {
	f.Add(usage(nth(1), baseVM, "1.5").String())
	f.Add(usage(nth(1), baseVM, "-1.5").with("kind", "correction").with("revision", 2).with("corrects", nth(2)).String())
	f.Add(usage(nth(1), baseVM, "1").with("hours", []int{}).String())
	f.Add(`{"hours":[1e400,-1,99999999999999999999],"flags":[{}],"additionalInfo":{"a":1,"a":2}}`)
	f.Fuzz(func(t *testing.T, text string) {
		if !json.Valid([]byte(text)) {
			t.Skip()
		}
		if commerce.Refusal([]byte(text)) != "" {
			return
		}
		var r struct{ RecordID, Quantity, Region, Location string }
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		if r.RecordID == "" || r.Region != "Azure Stack" || r.Location != "azurestack" || !commerce.IsCanonical(r.Quantity) {
			t.Errorf("accepted %s", text)
		}
	})
}

func FuzzQuantity(f *testing.F) {
	for _, text := range []string{"0", "-0", "1.50", "00", "1e5", "16.461425899527967", "-0.1", ".", "1\n", "٣"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 || strings.ContainsAny(text, "eE") {
			if commerce.IsCanonical(text) && strings.ContainsAny(text, "eE") {
				t.Errorf("%q is canonical", text)
			}
			return
		}
		d, _, err := apd.NewFromString(text)
		want := false
		if err == nil && d.Form == apd.Finite {
			d.Reduce(d)
			if d.IsZero() {
				d.SetInt64(0)
			}
			want = d.Text('f') == text
		}
		if got := commerce.IsCanonical(text); got != want {
			t.Errorf("%q: canonical %v, want %v", text, got, want)
		}
	})
}

func FuzzFault(f *testing.F) {
	f.Add([]byte(`{"next":3,"status":503,"retryAfter":2}`))
	f.Add([]byte(`{"next":1,"cut":"after"}{}`))
	f.Add([]byte(`{"rejectMeter":1e99}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if commerce.CheckFault(body) == nil && !json.Valid(body) {
			t.Errorf("an order that is not JSON was taken: %q", body)
		}
	})
}

func FuzzReadBack(f *testing.F) {
	f.Add([]byte(`{"cloudId":"` + cloud + `","usageDate":"2019-12-10","recordIds":["` + nth(1) + `"]}`))
	f.Add([]byte(`{"cloudId":"` + cloud + `","usageDate":"2019-12-10","recordIds":null}`))
	f.Add([]byte(`{}{}`))
	s := fuzzServer(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		w := httptest.NewRecorder()
		s.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v1/records/query", bytes.NewReader(body)))
		if w.Code != 200 && w.Code != 400 && w.Code != 413 {
			t.Errorf("%q answered %d %s", body, w.Code, w.Body)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("cloudId=" + cloud + "&usageDate=2019-12-10&after=" + nth(1))
	f.Add("cloudId=%00&usageDate=;&subscription='")
	s := fuzzServer(f)
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/v1/records.ndjson", "/v1/bill", "/v1/usage-details.csv"} {
			req := httptest.NewRequest(http.MethodGet, path, nil)
			req.URL = &url.URL{Path: path, RawQuery: query}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, req)
			if w.Code != 200 && w.Code != 400 {
				t.Errorf("%s?%q answered %d %s", path, query, w.Code, w.Body)
			}
		}
	})
}
