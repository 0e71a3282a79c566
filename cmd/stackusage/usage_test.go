package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/internal/closeddays"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagesums"
)

const usagePrices = `effective,meter_id,meter_name,unit,usd_rate,source_note
2017-01-01,fab6eb84-500b-4a09-a8ca-7358f8bbaea5,,,0.008,
2017-01-01,9cd92d4c-bafd-4492-b278-bedc2de8232a,,,0.046,
`

// marchAndFebruary are two tenants and the stack's own usage, closed on some days.
func marchAndFebruary(t *testing.T) func(string) string {
	t.Helper()
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.Containers()...))
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20240201", Start: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), Region: "local"}))
	meters, err := meter.BuiltIn()
	ok(t, err)
	const contoso, fabrikam, own = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222", "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	s := closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(),
		Billing: cloudID, Model: registration.PayAsYouUse, Infrastructure: []string{own},
		Tenants: map[string]string{contoso: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", fabrikam: "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"}}
	for _, r := range []struct{ day, subscription, meterID, quantity string }{
		{"2024-02-10", contoso, meter.BaseVM, "100000"},
		{"2024-03-01", contoso, meter.BaseVM, "150000.0000001"},
		{"2024-02-10", fabrikam, meter.WindowsVM, "1000"},
		{"2024-03-02", fabrikam, meter.WindowsVM, "500"},
		{"2024-03-02", fabrikam, "b5c15376-6c94-4fdd-b655-1a69d138aca3", "8"}, // without a price
		{"2024-03-02", own, meter.WindowsVM, "9"},
	} {
		day, err := usage.ParseDay(r.day)
		ok(t, err)
		q, err := usage.ParseQuantity(r.quantity)
		ok(t, err)
		s.Use(usage.Record{Hour: day.First(), Quantity: q, Shown: usage.Shown{SubscriptionID: r.subscription, MeterID: r.meterID, Tags: "{\"dept\":\"a\\u001b[31m\"}",
			ResourceURI: "/subscriptions/" + r.subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"}})
	}
	for _, text := range []string{"2024-02-10", "2024-03-01", "2024-03-02"} {
		day, err := usage.ParseDay(text)
		ok(t, err)
		ok(t, s.Close(t.Context(), day, closeddays.Revision{}))
	}
	return getenv
}

func TestUsage(t *testing.T) {
	t.Parallel()
	getenv := marchAndFebruary(t)
	dir := t.TempDir()
	list, names := filepath.Join(dir, "prices.csv"), filepath.Join(dir, "names.csv")
	ok(t, os.WriteFile(list, []byte(usagePrices), 0o600))
	ok(t, os.WriteFile(names, []byte("id,name\nAAAAAAAAAAAA4AAA8AAAAAAAAAAAAAAA,contoso.example\n"), 0o600))
	t.Run("a table with names, changes, movers, open days and unknown prices", func(t *testing.T) {
		text := tool(t, getenv, "usage", "--month", "2024-03", "--by", "tenant", "--compare", "2024-02", "--prices", list, "--names", names)
		want := `hamburg, 2024-03-01 to 2024-03-31 (2 of 31 days closed) against 2024-02 (1 of 29 days closed), USD

TENANT            2024-03  2024-02   CHANGE      %  MOST
contoso.example  1,200.00   800.00  +400.00  +50.0  Base VM Size Hours +400.00
bbbbbbbb            23.00    46.00   -23.00  -50.0  Windows VM Size Hours -23.00
(infrastructure)     0.00     0.00     0.00
total            1,223.00   846.00  +377.00  +44.6
hamburg, 2024-03: not closed yet: 2024-03-03 to 2024-03-31
hamburg, 2024-02: not closed yet: 2024-02-01 to 2024-02-09, 2024-02-11 to 2024-02-29
no price known for 1 meter: the lines of it have no amount; --by meter lists them
numbers are rounded here; --output json has every digit
`
		if got := squeeze(text); got != squeeze(want) {
			t.Errorf("got\n%s\nwant\n%s", text, want)
		}
	})
	t.Run("without prices, quantities of each meter", func(t *testing.T) {
		text := tool(t, getenv, "usage", "--month", "2024-03", "--by", "subscription", "--top", "1")
		for _, want := range []string{"closed), quantities only", "there are no prices, so there are no amounts: --prices, --bill and STACKUSAGE_PRICES name them", "11111111 Base VM Size Hours 150,000 vCPU hours", "(3 others)"} {
			if !strings.Contains(squeeze(text), want) {
				t.Errorf("want %q in\n%s", want, text)
			}
		}
	})
	t.Run("JSON and CSV have every digit, and what is open goes to standard error", func(t *testing.T) {
		var out, errOut bytes.Buffer
		args := []string{"usage", "--month", "2024-03", "--prices", list, "--output"}
		ok(t, run(t.Context(), append(args, "json"), getenv, &out, &errOut))
		var row struct{ MeterName, Quantity, Amount, State string }
		ok(t, json.NewDecoder(&out).Decode(&row))
		if row.MeterName != "Base VM Size Hours" || row.Quantity != "150000.0000001" || row.Amount != "1200.0000000008" || row.State != "billed" {
			t.Errorf("%+v", row)
		}
		if !strings.Contains(errOut.String(), "usage: hamburg, 2024-03: not closed yet: 2024-03-03 to 2024-03-31") {
			t.Errorf("standard error: %s", &errOut)
		}
		out.Reset()
		ok(t, run(t.Context(), append(args, "csv"), getenv, &out, &errOut))
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != 5 || len(rows[0]) != len(rows[1]) {
			t.Errorf("%v, %v", rows, err)
		}
	})
	t.Run("a tag is no command to the terminal", func(t *testing.T) {
		if text := tool(t, getenv, "usage", "--month", "2024-03", "--by", "tag:dept"); strings.Contains(text, "\x1b") || !strings.Contains(text, "a?[31m") {
			t.Errorf("%q", text)
		}
	})
	t.Run("one day, of one meter", func(t *testing.T) {
		text := squeeze(tool(t, getenv, "usage", "--day", "2024-03-02", "--by", "subscription,resource,meter", "--meter", "Windows VM Size Hours", "--prices", list))
		if !strings.HasPrefix(text, "hamburg, 2024-03-02 (1 of 1 day closed), USD") || !strings.Contains(text, "Windows VM Size Hours 500 vCPU hours 23.00") || strings.Contains(text, "Base VM") {
			t.Error(text)
		}
		var out bytes.Buffer
		if err := run(t.Context(), []string{"usage", "--day", "2024-03-02", "--month", "2024-03"}, getenv, &out, &out); err == nil || !strings.Contains(err.Error(), "leave --month and --compare out") {
			t.Errorf("a day and a month: %v", err)
		}
	})
	t.Run("filters by what stands in the table", func(t *testing.T) {
		for args, want := range map[string]string{
			"--subscription 11111111111141118111111111111111":             "Base VM Size Hours 150,000 vCPU hours 1,200.00",
			"--tenant (infrastructure)":                                   "Windows VM Size Hours (admin) 9 vCPU hours 0.00",
			"--resource VM --tenant bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb": "Windows VM Size Hours 500 vCPU hours 23.00",
			"--meter fab6eb84-500b-4a09-a8ca-7358f8bbaea5":                "Base VM Size Hours 150,000 vCPU hours 1,200.00",
		} {
			text := tool(t, getenv, append([]string{"usage", "--month", "2024-03", "--prices", list}, strings.Fields(args)...)...)
			if !strings.Contains(squeeze(text), want) {
				t.Errorf("%s: want %q in\n%s", args, want, text)
			}
		}
	})
	t.Run("a cache that cannot be written is told once, and nothing else changes", func(t *testing.T) {
		none := func(name string) string {
			if name == usagesums.Env {
				return list + "/none"
			}
			return getenv(name)
		}
		var out, errOut bytes.Buffer
		ok(t, run(t.Context(), []string{"usage", "--month", "2024-03", "--prices", list}, none, &out, &errOut))
		if strings.Count(errOut.String(), "STACKUSAGE_CACHE names another folder") != 1 || out.String() != tool(t, getenv, "usage", "--month", "2024-03", "--prices", list) {
			t.Errorf("output %s, standard error %s", &out, &errOut)
		}
	})
	t.Run("nothing found is an error that says what there is", func(t *testing.T) {
		var out bytes.Buffer
		err := run(t.Context(), []string{"usage", "--month", "2023-03"}, getenv, &out, &out)
		if cli.ExitCode(err) != 1 || !strings.Contains(err.Error(), "no usage of 2023-03 in the closed usage days of hamburg (0 of 0 days closed)") {
			t.Errorf("error %v", err)
		}
	})
}

// squeeze is a text with one space where there are several.
func squeeze(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.Join(strings.Fields(line), " ")
	}
	return strings.Join(lines, "\n")
}

func TestUsageIsRefusedBeforeStorageIsAsked(t *testing.T) {
	dir := t.TempDir()
	twice := filepath.Join(dir, "twice.csv")
	ok(t, os.WriteFile(twice, []byte("id,name\n"+cloudID+",a\n"+strings.ToUpper(cloudID)+",b\n"), 0o600))
	for want, args := range map[string]string{
		"--month is missing":               "",
		"the same month as --month":        "--month 2024-03 --compare 2024-03",
		"parse month \"03/2024\"":          "--month 03/2024",
		"--by: dimension \"tenants\"":      "--month 2024-03 --by tenants",
		"--top -1":                         "--month 2024-03 --top -1",
		"two names":                        "--month 2024-03 --names " + twice,
		"--names: open":                    "--month 2024-03 --names " + dir + "/none",
		"open nowhere.csv":                 "--month 2024-03 --prices nowhere.csv",
		"--prices and --bill: want one of": "--month 2024-03 --prices a --bill b",
		"set UsageStorage":                 "--month 2024-03",
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"usage"}, strings.Fields(args)...), unset, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}
