package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/outbox"
	"stackusage/shared/usage"
)

const statementOnly = "Statement," + cloudID + "\r\n" +
	"Billing Period,Meter Category,Meter Sub-Category,Meter Name,Meter Region,SKU,Unit,Consumed Quantity," +
	"Included Quantity,Overage Quantity,Within Commitment,Currency,Overage,Commitment Rate,Rate,Value\r\n" +
	"2024-03-01/2024-03-31,Azure Stack Hub,,Windows VM,Azure Stack,9cd92d4c-bafd-4492-b278-bedc2de8232a,1 Hour,500.5,0,500.5,0,USD,23.02,0,0.046,23.02\r\n"

const dailyOnly = "Daily Usage," + cloudID + "\r\n" +
	"Usage Date,Meter Category,Meter ID,Meter Sub-Category,Meter Name,Meter Region,Unit,Consumed Quantity," +
	"Resource Location,Consumed Service,Resource Group,Instance ID,Tags,Additional Info,Service Info 1,Service Info 2\r\n" +
	`2024-03-02,Azure Stack Hub,9cd92d4c-bafd-4492-b278-bedc2de8232a,,Windows VM,Azure Stack,1 Hour,500.5,azurestack,Microsoft.Compute,rg,` +
	`/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm,,` +
	`"{""azureStack.MeterId"":""9cd92d4c-bafd-4492-b278-bedc2de8232a"",""azureStack.SubscriptionId"":""22222222-2222-4222-8222-222222222222""}",usage/1,RECORD` + "\r\n"

func TestExplain(t *testing.T) {
	const nobody = "d41316d4-de02-43a4-903d-eb74f8258b0f"
	t.Parallel()
	getenv := marchAndFebruary(t)
	storage, err := cli.New(getenv, nil, nil).Storage()
	ok(t, err)
	var record string
	day, err := usage.ParseDay("2024-03-02")
	ok(t, err)
	for line, err := range outbox.BilledLines(t.Context(), storage.Tables, cloudID, day) {
		ok(t, err)
		if line.Quantity.String() == "500" {
			record = line.RecordID
		}
	}
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		ok(t, os.WriteFile(path, []byte(strings.ReplaceAll(text, "RECORD", record)), 0o600))
		return path
	}
	bill := file("bill.csv", statementOnly+dailyOnly)
	rounded := file("rounded.csv", strings.ReplaceAll(statementOnly, "23.02", "23.03")+dailyOnly)
	vm := "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/RG/providers/Microsoft.Compute/virtualMachines/VM/"
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"nothing is named":               {nil, 1, "which line? Name a record id"},
		"no day":                         {[]string{"--resource", "vm"}, 1, "--day is missing"},
		"no id":                          {[]string{"vm"}, 1, `RECORDID "vm": not a GUID`},
		"an empty id":                    {[]string{""}, 1, "RECORDID is empty"},
		"a name without quotation marks": {[]string{record, "VM"}, 1, `unexpected argument "VM"`},
		"named twice":                    {[]string{record, "--resource", "vm"}, 1, "leave --resource and --meter out"},
		"a line of no bill":              {[]string{"--line", "3"}, 1, "--bill is missing"},
		"a line and a day":               {[]string{"--line", "3", "--bill", bill, "--day", "2024-03-02"}, 1, "leave RECORDID and --day out"},
		"a heading":                      {[]string{"--line", "2", "--bill", bill}, 1, "line 2 is no row of usage in region Azure Stack; those rows are on lines 3 to 6"},
		"no line":                        {[]string{"--line", "0", "--bill", bill}, 1, "line 0 is no row"},
		"a statement":                    {[]string{"--line", "3", "--bill", bill}, 0, "together 500.5 at 0.046 are 23.023, rounded once, half to even: 23.02 USD"},
		"a statement that is rounded up": {[]string{"--line", "3", "--bill", rounded}, 2, "DIFFERS 500.5 at 0.046 are 23.023, rounded 23.02, and the row has value 23.03"},
		"a daily row of another number":  {[]string{"--line", "6", "--bill", bill}, 2, "has quantity 500.5, the record 500"},
		"a daily row in CSV":             {[]string{"--line", "6", "--bill", bill, "--output", "csv"}, 2, "has quantity 500.5, the record 500"},
		"a record of any stack and day":  {[]string{strings.ToUpper(strings.ReplaceAll(record, "-", ""))}, 2, "record " + record + ", Accepted"},
		"a record that is not there":     {[]string{nobody}, 1, "DailyUsage has no record " + nobody + " on 3 closed days of 1 registrations"},
		"a day that is not closed":       {[]string{"--day", "2024-03-05"}, 1, "explain 2024-03-05 of hamburg: no such line: the day was never closed; closed days: 2024-02-10, 2024-03-01, 2024-03-02"},
		"a resource in other case":       {[]string{"--day", "2024-03-02", "--resource", vm, "--meter", "windows vm size hours"}, 2, "Windows VM Size Hours   vm (rg)   2024-03-02"},
		"a meter of another day":         {[]string{"--day", "2024-03-02", "--meter", "Base VM Size Hours"}, 1, "the day has 3 lines; on other days: 2024-02-10, 2024-03-01"},
		"no meter":                       {[]string{"--day", "2024-03-02", "--meter", "Basis"}, 1, "no meter has this id or name"},
	} {
		t.Run(name, func(t *testing.T) {
			var out, errs bytes.Buffer
			err := run(t.Context(), append([]string{"explain"}, c.args...), getenv, &out, &errs)
			text := out.String() + errs.String()
			if err != nil && !errors.Is(err, cli.ErrDifferences) {
				text += err.Error()
			}
			if cli.ExitCode(err) != c.code || !strings.Contains(text, c.want) {
				t.Errorf("exit code %d, %s\nwant %s", cli.ExitCode(err), text, c.want)
			}
		})
	}
}
