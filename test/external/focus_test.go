package external

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/clitest"
	"stackusage/internal/closeddays"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// criteria are those of docs/formats/focus.md.
const criteria = "SUB_ACCOUNT_SUPPORTED,TAGGING_SUPPORTED,REGION_SUPPORTED,USAGE_MEASUREMENT_SUPPORTED,UNIT_PRICING_SUPPORTED," +
	"RESOURCE_TYPE_ASSIGNMENT_SUPPORTED,ACCOUNT_NAMING_SUPPORTED,PUBLIC_PRICE_LIST_SUPPORTED,BILLING_BASED_ON_PROVISIONED_RESOURCES_SUPPORTED"

const (
	hamburg = "b31316d4-de02-43a4-903d-eb74f8258b01"
	ship    = "b31316d4-de02-43a4-903d-eb74f8258b02" // in the capacity model, with reporting off
	contoso = "11111111-1111-4111-8111-111111111111"
	own     = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// exported is the name of the files of a month that the built stackusage has exported.
func exported(t *testing.T) string {
	t.Helper()
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.Containers()...))
	meters, err := meter.BuiltIn()
	ok(t, err)
	for cloudID, r := range map[string]registration.Registration{hamburg: {Name: "hamburg", BillingModel: registration.PayAsYouUse}, ship: {Name: "ship", BillingModel: registration.Capacity, ReportingOff: true}} {
		r.CloudID, r.SubscriptionID, r.EffectiveDay, r.Start, r.Region = cloudID, cloudID, "20240201", time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), "northwest"
		ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), r))
		closeMonth(t, r.ReportingOff, &closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(), Billing: cloudID,
			Model: r.BillingModel, Infrastructure: []string{own}, Tenants: map[string]string{contoso: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"}})
	}

	published, err := os.ReadFile("../../internal/devstack/commerce/rating/prices.csv")
	ok(t, err)
	dir := t.TempDir()
	list, name := filepath.Join(dir, "prices.csv"), filepath.Join(dir, "march")
	// Nearly every meter has a price; that of page blobs is not known.
	text := strings.ReplaceAll(strings.ReplaceAll(string(published), ",,", ",1.5,"), "PageBlobCapacity,GB*hours,1.5", "PageBlobCapacity,GB*hours,")
	ok(t, os.WriteFile(list, []byte(text), 0o600))
	cmd := exec.CommandContext(t.Context(), "../../dist/bin/stackusage", "export", "focus", "--month", "2024-03", "--prices", list, "--out", name)
	cmd.Env = append(os.Environ(), "UsageStorage="+getenv("UsageStorage"), "LandingStorage="+getenv("LandingStorage"))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "without a known price left out") {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%s", out)
	rows, err := os.ReadFile(name + ".csv")
	ok(t, err)
	for _, kind := range []string{",billed,", ",pending,", ",unreported,", ",Correction,"} {
		if !strings.Contains(string(rows), kind) {
			t.Fatalf("the files have no row with %s", kind)
		}
	}
	return name
}

// closeMonth closes days with usage of every meter, of tenants and of the stack itself;
// with quantities of up to 24 places; with usage that is carried to the next month or
// taken back, and with a day that commerce has no outcome for.
func closeMonth(t *testing.T, reportingOff bool, s *closeddays.Stack) {
	t.Helper()
	rows, err := csv.NewReader(strings.NewReader(string(s.Meters.Bytes()))).ReadAll()
	ok(t, err)
	day := func(text string) usage.Day {
		d, err := usage.ParseDay(text)
		ok(t, err)
		return d
	}
	use := func(text string) {
		for i, row := range rows[1:] {
			for _, subscription := range []string{contoso, own} {
				q, err := usage.ParseQuantity([]string{"24", "0.123456789012345678901234", "16.461425899527967", "1500.5"}[i%4])
				ok(t, err)
				s.Use(usage.Record{Hour: day(text).First() + usage.Hour(i%24), Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: row[0], Location: "northwest",
					Tags: []string{"", `{"department":"ops","floor":3}`, "no JSON"}[i%3], ResourceURI: "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm" + row[0][:4]}})
			}
		}
	}
	for _, text := range []string{"2024-02-29", "2024-03-01", "2024-03-02", "2024-03-03"} {
		use(text)
	}
	for _, text := range []string{"2024-03-01", "2024-03-02"} {
		ok(t, s.Close(t.Context(), day(text), closeddays.Revision{ReportingOff: reportingOff}))
	}
	if reportingOff {
		return
	}
	ok(t, s.Close(t.Context(), day("2024-02-29"), closeddays.Revision{}))
	s.TakeBack(day("2024-02-29"), func(r usage.Record) bool { return r.Hour.OfDay()%2 == 0 })
	ok(t, s.Close(t.Context(), day("2024-02-29"), closeddays.Revision{CarryTo: day("2024-03-03")}))
	ok(t, s.Close(t.Context(), day("2024-03-03"), closeddays.Revision{Outcome: func(n int, _ daily.Record) outcome.Result {
		if n%5 == 0 {
			return outcome.Result{}
		}
		return outcome.Result{Status: outcome.Accepted}
	}}))
}

// TestFocus has the official validator and two readers of Parquet judge a file of the
// built stackusage.
func TestFocus(t *testing.T) {
	if os.Getenv("STACKUSAGE_EXTERNAL") == "" {
		t.Skip("make check-external runs this, with Python 3.12 or later")
	}
	name := exported(t)
	t.Run("DuckDB and pyarrow read what the CSV file has", func(t *testing.T) {
		dir, err := environment(t.Context(), "readers")
		ok(t, err)
		out, err := exec.CommandContext(t.Context(), filepath.Join(dir, "bin", "python"), "readers/read.py", name).CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
	})
	for _, format := range []string{".parquet", ".csv"} {
		t.Run("the validator finds only what no file can keep in "+format, func(t *testing.T) { validate(t, name+format) })
	}
}

// validate fails if the validator finds more than the one rule that another excludes.
func validate(t *testing.T, file string) {
	dir, err := environment(t.Context(), "validator")
	ok(t, err)
	packages, err := filepath.Glob(filepath.Join(dir, "lib", "python3.*", "site-packages"))
	if err != nil || len(packages) != 1 {
		t.Fatalf("%v, %v", packages, err)
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "bin", "focus-validator"), "--data-file", file, "--block-download", "--validate-version", "1.2.0.1", "--applicability-criteria", criteria)
	cmd.Dir = packages[0] // it opens its list of currencies by a relative path
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	// It ends with exit code 0 whatever it finds.
	total := regexp.MustCompile(`(?m)^Total: .*$`).FindString(string(out))
	_, failures, _ := strings.Cut(string(out), "--- Failures ---\n")
	var failed []string
	for _, m := range regexp.MustCompile(`(?m)^- ([\w-]+):`).FindAllStringSubmatch(failures, -1) {
		failed = append(failed, m[1])
	}
	if total != "Total: 578 | Pass: 254 | Fail: 1 | Skipped: 323" || !slices.Equal(failed, []string{"InvoiceId-C-005-C"}) {
		t.Errorf("%s\n%s", total, failures)
	}
	t.Log(total)
}
