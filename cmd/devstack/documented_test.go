package main

import (
	"encoding/csv"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/cmd/devstack/results"
	"stackusage/cmd/devstack/view"
	"stackusage/shared/meter"
)

// TestTheDocumentedTest follows docs/test-usage-reporting.md: make resources,
// leave them some hours, sign in and look. An integrated system is charged for what
// users made, and for nothing of its own.
func TestTheDocumentedTest(t *testing.T) {
	t.Parallel()
	const windows, block = "fb8c0713-ea20-40bf-901f-5560fd3f6330", "8a913f38-33b4-4772-9488-e89522fc09e5" // commerce's own
	type line struct{ quantity, amount string }
	s := documented(t, asIntegrated)
	want := map[string]line{
		windows + " full":                {"8", "0.37"},  // 2 cores, 4 hours
		meter.BaseVM + " full":           {"32", "0.26"}, // Basic 2, Standard 2, own licence 4 cores
		meter.VMHours + " informational": {"16", "0.00"}, // 4 machines
		meter.WindowsVM + " admin":       {"624", "0.00"},
		meter.VMHours + " admin":         {"168", "0.00"},
	}
	got, storage := map[string]line{}, false
	for _, l := range statement(t, s, billingSubscription).Lines {
		key := l.MeterID + " " + l.MeterClass
		if _, wanted := want[key]; wanted {
			got[key] = line{l.Quantity, l.Amount}
		}
		storage = storage || l.MeterID == block && l.MeterClass == "full"
		if l.MeterClass == "admin" && l.Amount != "0.00" {
			t.Errorf("the stack's own usage costs something: %+v", l)
		}
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(line{})); diff != "" || !storage {
		t.Errorf("storage %t, lines (-want +got):\n%s", storage, diff)
	}
	if page := signedInPage(t, s); !strings.Contains(page, `id="total">$0.63<`) {
		t.Errorf("the page does not show $0.63:\n%s", page)
	}
	t.Run("the usage details file has each machine under its meter, and the region Azure Stack", func(t *testing.T) { checkDetails(t, s) })
	records := readFile(t, filepath.Join(s.o.out, "commerce-records.ndjson"))
	s.stop()
	t.Run("repeats and kills change no byte of it", func(t *testing.T) { repeats(t, records) })
}

// TestUnderCSPEachTenantPaysForItself: what the customer made is on the bill of
// the customer's subscription, the stack's own usage on the registration's.
func TestUnderCSPEachTenantPaysForItself(t *testing.T) {
	t.Parallel()
	s := documented(t, asCSP)
	tenants := s.customers()
	if len(tenants) != 1 {
		t.Fatalf("tenants %v", tenants)
	}
	classes := func(subscription string) (total string, classes []string) {
		st := statement(t, s, subscription)
		for _, l := range st.Lines {
			classes = append(classes, l.MeterClass)
		}
		slices.Sort(classes)
		return st.Total, slices.Compact(classes)
	}
	total, of := classes(customerSubscription(tenants[0]))
	if diff := cmp.Diff([]string{"full", "informational"}, of); diff != "" || total != "0.63" {
		t.Errorf("the customer is charged %s for (-want +got):\n%s", total, diff)
	}
	total, of = classes(billingSubscription)
	if diff := cmp.Diff([]string{"admin"}, of); diff != "" || total != "0.00" {
		t.Errorf("the registration's subscription is charged %s for (-want +got):\n%s", total, diff)
	}
}

// documented plays the documented test to the bill.
func documented(t *testing.T, registeredAs string) *site {
	t.Helper()
	s := testSite(t, options{scenario: "documented-test", registration: registeredAs})
	if err := s.runAgent(t.Context()); err != nil {
		t.Fatal(err)
	}
	billed(t, s)
	return s
}

// statement is the one of a charged subscription.
func statement(t *testing.T, s *site, subscription string) results.Statement {
	t.Helper()
	statements := theBill(t, s).Statements
	i := slices.IndexFunc(statements, func(st results.Statement) bool { return st.BillingSubscriptionID == subscription })
	if i < 0 {
		t.Fatalf("none of the %d statements is of %s", len(statements), subscription)
	}
	return statements[i]
}

func theBill(t *testing.T, s *site) results.Bill {
	t.Helper()
	b, err := results.ReadBill(t.Context(), s.commerce)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// signedInPage is what the charged subscription's page shows after a sign-in.
func signedInPage(t *testing.T, s *site) string {
	t.Helper()
	a, err := s.startAccountPage()
	if err != nil {
		t.Fatal(err)
	}
	return look(t, a)
}

func look(t *testing.T, a view.Account) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	resp, err := browser.PostForm(a.URL+"/signin", url.Values{"name": {a.Name}, "password": {a.Password}})
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp, err = browser.Get(a.URL + "/subscriptions/" + billingSubscription); err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(page)
}

// checkDetails reads the usage details file: every line in the region "Azure
// Stack", and each machine under the meters of its kind.
func checkDetails(t *testing.T, s *site) {
	t.Helper()
	in := csv.NewReader(strings.NewReader(string(readFile(t, filepath.Join(s.o.out, "usage-details.csv")))))
	in.FieldsPerRecord = -1
	rows, err := in.ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	meters := map[string]string{}
	section, names, region := "", map[string]int{}, 0
	for _, row := range rows {
		switch {
		case len(row) == 2:
			section, names = row[0], nil
		case names == nil:
			names = map[string]int{}
			for i, name := range row {
				names[name] = i
			}
		default:
			region++
			if row[names["Meter Region"]] != "Azure Stack" {
				t.Errorf("region %q in %v", row[names["Meter Region"]], row)
			}
			if section == "Daily Usage" {
				id := row[names["Instance ID"]]
				if name := id[strings.LastIndexByte(id, '/')+1:]; strings.Contains(strings.ToLower(id), "/usagetest/providers/microsoft.compute/virtualmachines/") {
					if m := row[names["Meter ID"]]; m != meter.VMHours {
						meters[name] += m
					}
				}
			}
		}
	}
	want := map[string]string{"winserver": "fb8c0713-ea20-40bf-901f-5560fd3f6330", "linuxbasic": meter.BaseVM, "linuxstandard": meter.BaseVM, "winbyol": meter.BaseVM}
	if diff := cmp.Diff(want, meters); diff != "" || region < 20 {
		t.Errorf("%d rows; the meter of each machine (-want +got):\n%s", region, diff)
	}
}
