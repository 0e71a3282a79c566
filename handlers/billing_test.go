package handlers_test

import (
	"bufio"
	gocmp "cmp"
	"encoding/json"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/shared/commerce"
	"stackusage/shared/usage"
)

// billing is the stand-in for commerce, which keeps what it accepted and can
// be told to misbehave.
type billing struct{ url string }

func newBilling(t *testing.T, r *rig) billing {
	t.Helper()
	return newBillingWith(t, r, standin.Options{})
}

func newBillingWith(t *testing.T, r *rig, options standin.Options) billing {
	t.Helper()
	server, err := standin.New(options)
	ok(t, err)
	web := httptest.NewServer(server)
	t.Cleanup(web.Close)
	r.Commerce = &commerce.Client{Endpoint: web.URL, HTTP: &http.Client{Timeout: 5 * time.Second}}
	r.Settings.ForwardRetry = time.Millisecond
	r.reroute(t)
	return billing{web.URL}
}

func (b billing) fault(t *testing.T, text string) {
	t.Helper()
	resp, err := http.Post(b.url+"/_devstack/faults", "application/json", strings.NewReader(text))
	ok(t, err)
	resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("fault %s: %s", text, resp.Status)
	}
}

func (b billing) calm(t *testing.T) {
	t.Helper()
	req, err := http.NewRequest(http.MethodDelete, b.url+"/_devstack/faults", nil)
	ok(t, err)
	resp, err := http.DefaultClient.Do(req)
	ok(t, err)
	resp.Body.Close()
}

type billedRecord struct {
	RecordID, Kind, Corrects, ResourceURI, UsageDate, Quantity string
	CarriedFrom, Reason                                        string
	Revision                                                   int
}

func (b billing) records(t *testing.T) (records []billedRecord) {
	t.Helper()
	resp, err := http.Get(b.url + "/v1/records.ndjson")
	ok(t, err)
	defer resp.Body.Close()
	scan := bufio.NewScanner(resp.Body)
	scan.Buffer(nil, 1<<20)
	for scan.Scan() {
		var r billedRecord
		ok(t, json.Unmarshal(scan.Bytes(), &r))
		records = append(records, r)
	}
	return records
}

// sums is the exact sum of the records per resource and day of usage.
func (b billing) sums(t *testing.T) map[string]string {
	t.Helper()
	sums := model{}
	for _, r := range b.records(t) {
		sums.add(r.ResourceURI, gocmp.Or(r.CarriedFrom, r.UsageDate), r.Quantity)
	}
	return sums.text()
}

// model is what the bill must say.
type model map[string]*big.Rat

func (m model) add(uri, day, quantity string) {
	q, good := new(big.Rat).SetString(quantity)
	if !good {
		panic(quantity)
	}
	key := day + " " + uri
	if m[key] == nil {
		m[key] = new(big.Rat)
	}
	m[key].Add(m[key], q)
}

func (m model) text() map[string]string {
	out := map[string]string{}
	for key, sum := range m {
		out[key] = sum.RatString()
	}
	return out
}

func addRow(t *testing.T, m model, text string) {
	t.Helper()
	rec, rejection := usage.ParseRecord([]byte(text), hour22+100)
	if rejection != nil {
		t.Fatal(rejection)
	}
	m.add(rec.ResourceURI, rec.Hour.Day().String(), rec.Quantity.String())
}

// checkChains: every correction names the record of its resource and day that
// was accepted before it.
func checkChains(t *testing.T, records []billedRecord) {
	t.Helper()
	byID := map[string]billedRecord{}
	for _, r := range records {
		byID[r.RecordID] = r
	}
	for _, r := range records {
		before, known := byID[r.Corrects]
		if (r.Kind == "correction") != known || known && (before.ResourceURI != r.ResourceURI || before.UsageDate != r.UsageDate || before.CarriedFrom != r.CarriedFrom || before.Revision >= r.Revision) {
			t.Errorf("%+v corrects %+v", r, before)
		}
	}
}

func rawRecords(t *testing.T, b billing) (records []map[string]any) {
	t.Helper()
	resp, err := http.Get(b.url + "/v1/records.ndjson")
	ok(t, err)
	defer resp.Body.Close()
	dec := json.NewDecoder(resp.Body)
	for dec.More() {
		var r map[string]any
		ok(t, dec.Decode(&r))
		records = append(records, r)
	}
	return records
}
