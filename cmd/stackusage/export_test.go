package main

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
)

func TestExportFocus(t *testing.T) {
	t.Parallel()
	getenv := marchAndFebruary(t)
	dir := t.TempDir()
	list, names, march := filepath.Join(dir, "prices.csv"), filepath.Join(dir, "names.csv"), filepath.Join(dir, "march")
	ok(t, os.WriteFile(list, []byte(usagePrices), 0o600))
	ok(t, os.WriteFile(names, []byte("id,name\nAAAAAAAAAAAA4AAA8AAAAAAAAAAAAAAA,contoso.example\n22222222-2222-4222-8222-222222222222,fabrikam shop\n"), 0o600))
	var out, errOut bytes.Buffer
	err := run(t.Context(), []string{"export", "focus", "--month", "2024-03", "--prices", list, "--names", names, "--out", march}, getenv, &out, &errOut)
	if cli.ExitCode(err) != 2 || out.String() != "3 lines: "+march+".parquet, "+march+".csv\n" ||
		!strings.Contains(errOut.String(), "export: 1 line without a known price left out; "+march+".unpriced.csv lists them\n") ||
		!strings.Contains(errOut.String(), "export: hamburg, 2024-03: not closed yet: 2024-03-03 to 2024-03-31\n") {
		t.Errorf("%v\n%s%s", err, &out, &errOut)
	}
	f, err := os.Open(march + ".csv")
	ok(t, err)
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	ok(t, err)
	column := map[string]int{}
	for i, name := range rows[0] {
		column[name] = i
	}
	for n, want := range []map[string]string{
		{"BilledCost": "1200.0000000008", "ConsumedQuantity": "150000.0000001", "BillingAccountId": "/subscriptions/" + cloudID, "BillingAccountName": "hamburg",
			"SubAccountName": "11111111-1111-4111-8111-111111111111", "x_TenantName": "contoso.example", "x_State": "billed", "ServiceName": "Azure Stack Hub Virtual Machines"},
		{"BilledCost": "0", "x_TenantName": "", "ConsumedUnit": "vCPU-Hours", "x_PriceNote": "admin meter: reported, price zero"},
		{"BilledCost": "23", "SubAccountName": "fabrikam shop", "ResourceName": "vm"},
	} {
		for name, value := range want {
			if got := rows[n+1][column[name]]; got != value {
				t.Errorf("row %d, %s: %q, want %q", n+1, name, got, value)
			}
		}
	}
	for want, args := range map[string]string{
		"--month is missing":  "",
		"there are no prices": "--month 2024-03",
		"no usage is billed in the closed usage days of 2023-03; ": "--month 2023-03 --prices " + list,
		"the billing account's type is missing":                    "--month 2024-03 --billing-account-type= --prices " + list,
	} {
		args := append(strings.Fields("export focus --out "+filepath.Join(dir, "none")), strings.Fields(args)...)
		if err := run(t.Context(), args, getenv, &out, &errOut); cli.ExitCode(err) != 1 || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %s", args, err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "none*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
