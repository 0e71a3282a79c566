package commerce_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"stackusage/internal/devstack/commerce"
)

const (
	cloud    = "b31316d4-de02-43a4-903d-eb74f8258b01"
	payer    = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	baseVM   = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
	winVM    = "9cd92d4c-bafd-4492-b278-bedc2de8232a"
	vmHours  = "6dab500f-a4fd-49c4-956d-229bb9c8c793"
	block    = "09f8879e-87e9-4305-a572-4b7be209f857"
	table    = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
	blobTx   = "43daf82b-4618-444a-b994-40c23f7cd438"
	m30      = "8b251e8f-ce5e-4a58-a6e5-2b8f0d176e3a"
	strange  = "0d6a3a35-5b4c-4f0e-8a55-6a2f7d9b1c01"
	resource = "/subscriptions/09065051-cfe9-4fcf-b90c-87f2af292fc9/resourcegroups/rg1/providers/Microsoft.Compute/virtualMachines/vm1"
)

// fields is a daily record that can still be changed.
type fields map[string]any

// usage is a record that every rule accepts.
func usage(id, meter, quantity string) fields {
	return fields{
		"recordId": id, "cloudId": cloud, "kind": "usage", "revision": 1, "billingModel": "PayAsYouUse",
		"billingSubscriptionId": payer, "subscriptionId": "09065051-cfe9-4fcf-b90c-87f2af292fc9",
		"meterId": meter, "meterName": "name", "unit": "unit", "meterClass": "full", "quantity": quantity,
		"usageDate": "2019-12-10", "usageStart": "2019-12-10T00:00:00Z", "usageEnd": "2019-12-11T00:00:00Z",
		"hours": []int{17, 18}, "region": "Azure Stack", "location": "azurestack", "resourceUri": resource, "tags": "",
		"additionalInfo": fields{
			"azureStack.MeterId":        strings.ToUpper(strings.ReplaceAll(meter, "-", "")),
			"azureStack.SubscriptionId": "09065051-CFE9-4FCF-B90C-87F2AF292FC9",
			"azureStack.Location":       "northwest", "azureStack.EventDateTime": "12/10/2019 17:00:00",
		},
	}
}

func (f fields) with(name string, value any) fields {
	out := maps.Clone(f)
	out[name] = value
	return out
}

func (f fields) without(name string) fields {
	out := maps.Clone(f)
	delete(out, name)
	return out
}

// info changes one field of additionalInfo.
func (f fields) info(name string, value any) fields {
	return f.with("additionalInfo", f["additionalInfo"].(fields).with(name, value))
}

// on moves the record to another usage day.
func (f fields) on(day string) fields {
	d, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return f.with("usageDate", day).with("usageStart", d.Format(time.RFC3339)).
		with("usageEnd", d.AddDate(0, 0, 1).Format(time.RFC3339)).
		info("azureStack.EventDateTime", d.Format("01/02/2006")+" 17:00:00")
}

func (f fields) String() string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(f); err != nil {
		panic(err)
	}
	return strings.TrimSpace(out.String())
}

// nth is a GUID that is the same in every run.
func nth(n int) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "record %d", n)).String()
}

func batch(records ...fmt.Stringer) string {
	var texts []string
	for _, r := range records {
		texts = append(texts, r.String())
	}
	return `{"records":[` + strings.Join(texts, ",") + `]}`
}

type raw string

func (r raw) String() string { return string(r) }

type result struct {
	RecordID, Status, Quantity, Code, Message string
}

// service is a commerce behind a real HTTP server.
type service struct {
	tb     testing.TB
	server *commerce.Server
	http   *httptest.Server
}

func start(tb testing.TB, opts commerce.Options) *service {
	tb.Helper()
	server, err := commerce.New(opts)
	if err != nil {
		tb.Fatal(err)
	}
	s := &service{tb: tb, server: server, http: httptest.NewServer(server)}
	tb.Cleanup(s.http.Close)
	return s
}

// do returns the answer and its body; err is that of a request without a whole
// answer.
func (s *service) do(method, path, body string, header ...string) (*http.Response, string, error) {
	s.tb.Helper()
	url := path
	if strings.HasPrefix(path, "/") {
		url = s.http.URL + path
	}
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		s.tb.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := s.http.Client().Do(req)
	if err != nil {
		return nil, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, string(text), err
}

// get returns the body of a 200.
func (s *service) get(path string) string {
	s.tb.Helper()
	resp, text, err := s.do(http.MethodGet, path, "")
	if err != nil {
		s.tb.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.tb.Fatalf("GET %s: %s %s", path, resp.Status, text)
	}
	return text
}

// query reads some records of the usage day back.
func (s *service) query(ids ...string) string {
	s.tb.Helper()
	body, err := json.Marshal(map[string]any{"cloudId": cloud, "usageDate": "2019-12-10", "recordIds": ids})
	if err != nil {
		s.tb.Fatal(err)
	}
	resp, text, err := s.do(http.MethodPost, "/v1/records/query", string(body))
	if err != nil || resp.StatusCode != http.StatusOK {
		s.tb.Fatalf("query: %v %v %s", err, resp, text)
	}
	return text
}

// send posts a batch that must be answered 200.
func (s *service) send(records ...fmt.Stringer) []result {
	s.tb.Helper()
	resp, text, err := s.do(http.MethodPost, "/v1/records", batch(records...))
	if err != nil {
		s.tb.Fatal(err)
	}
	if resp.StatusCode != http.StatusOK {
		s.tb.Fatalf("POST /v1/records: %s %s", resp.Status, text)
	}
	return results(s.tb, text)
}

func results(tb testing.TB, text string) []result {
	tb.Helper()
	var answer struct{ Results []result }
	if err := json.Unmarshal([]byte(text), &answer); err != nil {
		tb.Fatalf("read answer %q: %v", text, err)
	}
	return answer.Results
}

// statuses are the statuses of the results, in their order.
func statuses(rs []result) string {
	var out []string
	for _, r := range rs {
		out = append(out, r.Status)
	}
	return strings.Join(out, " ")
}

func (s *service) fault(order string) {
	s.tb.Helper()
	resp, text, err := s.do(http.MethodPost, "/_devstack/faults", order)
	if err != nil || resp.StatusCode != http.StatusNoContent {
		s.tb.Fatalf("order fault %s: %v %v %s", order, err, resp, text)
	}
}
