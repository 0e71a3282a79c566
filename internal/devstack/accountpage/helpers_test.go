package accountpage_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"stackusage/internal/devstack/accountpage"
	"stackusage/internal/devstack/commerce"
)

const (
	account  = "account@devstack.example"
	password = "only for this test"
	payer    = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11"
	kitPayer = "7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b12"
	tenant   = "09065051-cfe9-4fcf-b90c-87f2af292fc9"

	baseVM   = "fab6eb84-500b-4a09-a8ca-7358f8bbaea5"
	winVM    = "9cd92d4c-bafd-4492-b278-bedc2de8232a"
	vmHours  = "6dab500f-a4fd-49c4-956d-229bb9c8c793"
	block    = "09f8879e-87e9-4305-a572-4b7be209f857"
	tables   = "b4438d5d-453b-4ee1-b42a-dc72e377f1e4"
	staticIP = "f271a8a3-88c4-4d93-956a-063e1d2fa80b"
)

// used is one daily record to be.
type used struct {
	payer, day, meter, quantity, class, model, resource string
	corrects                                            int // number of the record that it corrects
}

// month is usage over two weeks of one month and a day of the next: every kind
// of meter, a correction, and a development kit.
func month() []used {
	var all []used
	for d := 2; d <= 15; d++ {
		day := fmt.Sprintf("2019-12-%02d", d)
		for _, u := range []used{
			{meter: winVM, quantity: fmt.Sprint(96 + 8*(d%4))}, {meter: baseVM, quantity: fmt.Sprint(240 + 24*(d%5))},
			{meter: block, quantity: "120000.123456789"}, {meter: tables, quantity: "30000.5"}, {meter: vmHours, quantity: "168", class: "informational"},
			{meter: staticIP, quantity: "48"}, {meter: baseVM, quantity: "96", class: "admin"},
		} {
			u.payer, u.day = payer, day
			all = append(all, u)
		}
	}
	return append(all, used{payer: payer, day: "2019-12-02", meter: winVM, quantity: "-40", corrects: 1},
		used{payer: payer, day: "2020-01-01", meter: baseVM, quantity: "10"},
		used{payer: kitPayer, day: "2019-12-10", meter: winVM, quantity: "1000", model: "Development"})
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func recordID(n int) string {
	return uuid.NewSHA1(uuid.NameSpaceOID, fmt.Appendf(nil, "record %d", n)).String()
}

func (u used) record(t testing.TB, n int) json.RawMessage {
	t.Helper()
	day, err := time.Parse(time.DateOnly, u.day)
	if err != nil {
		t.Fatal(err)
	}
	r := map[string]any{
		"recordId": recordID(n), "cloudId": "b31316d4-de02-43a4-903d-eb74f8258b01", "kind": "usage", "revision": 1,
		"billingModel": or(u.model, "PayAsYouUse"), "billingSubscriptionId": u.payer, "subscriptionId": tenant, "meterId": u.meter,
		"meterName": "name of the record", "unit": "unit", "meterClass": or(u.class, "full"), "quantity": u.quantity, "usageDate": u.day,
		"usageStart": day.Format(time.RFC3339), "usageEnd": day.AddDate(0, 0, 1).Format(time.RFC3339), "hours": []int{0},
		"region": "Azure Stack", "location": "azurestack", "resourceUri": or(u.resource, "/subscriptions/"+tenant+"/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"), "tags": "",
		"additionalInfo": map[string]string{"azureStack.MeterId": u.meter, "azureStack.SubscriptionId": tenant, "azureStack.Location": "local",
			"azureStack.EventDateTime": day.Format("01/02/2006") + " 00:00:00"},
	}
	if u.corrects > 0 {
		r["kind"], r["revision"], r["corrects"] = "correction", 2, recordID(u.corrects)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// rig is a commerce with usage in it, a page before it, and a browser without
// a screen.
type rig struct {
	t              *testing.T
	commerce, page *httptest.Server
	client         *http.Client
	now            time.Time
}

func start(t *testing.T, usage ...used) *rig {
	t.Helper()
	server, err := commerce.New(commerce.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, commerce: httptest.NewServer(server), now: time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)}
	t.Cleanup(r.commerce.Close)
	if len(usage) > 0 {
		r.send(usage)
	}
	page, err := accountpage.New(accountpage.Options{Commerce: r.commerce.URL, Account: account, Password: password, Now: func() time.Time { return r.now }})
	if err != nil {
		t.Fatal(err)
	}
	r.page = httptest.NewServer(page)
	t.Cleanup(r.page.Close)
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.client = &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	return r
}

func (r *rig) send(usage []used) {
	r.t.Helper()
	var batch struct {
		Records []json.RawMessage `json:"records"`
	}
	for n, u := range usage {
		batch.Records = append(batch.Records, u.record(r.t, n))
	}
	body, err := json.Marshal(batch)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := http.Post(r.commerce.URL+"/v1/records", "application/json", bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if text, _ := io.ReadAll(resp.Body); strings.Count(string(text), `"Accepted"`) != len(usage) {
		r.t.Fatalf("commerce: %s %s", resp.Status, text)
	}
}

// answer of a request, read whole.
type answer struct {
	*http.Response
	text string
}

func (r *rig) do(req *http.Request) answer {
	r.t.Helper()
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer{resp, string(text)}
}

func (r *rig) get(path string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, r.page.URL+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	return r.do(req)
}

func (r *rig) post(path string, form url.Values, header ...string) answer {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, r.page.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(req)
}

func (r *rig) signIn() {
	r.t.Helper()
	if got := r.post("/signin", url.Values{"name": {account}, "password": {password}}); got.StatusCode != http.StatusSeeOther {
		r.t.Fatalf("sign in: %s %s", got.Status, got.text)
	}
}

// api reads what commerce itself answers.
func (r *rig) api(path string, into any) {
	r.t.Helper()
	resp, err := http.Get(r.commerce.URL + path)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		r.t.Fatal(err)
	}
}
