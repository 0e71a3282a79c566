package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"stackusage/cmd/stackusage/clitest"
	"stackusage/cmd/stackusage/meters"
	"stackusage/shared/azurestore"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/outbox"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/usage"
)

func TestMetersOfTheCatalogue(t *testing.T) {
	for args, want := range map[string]string{
		"list":                  "6dab500f-a4fd-49c4-956d-229bb9c8c793  Compute        VM size hours",
		"list --search windows": "9cd92d4c-bafd-4492-b278-bedc2de8232a",
		"list --class informational --search App":               "External Egress Bandwidth",
		"list --deprecated":                                     "f114cb19-ea64-40b5-bcd7-aee474b62853",
		"list --search nothing-like-it":                         "no such meter is in the catalogue",
		"show --meter 6DAB500FA4FD49C4956D229BB9C8C793":         "counts the machine twice",
		"show --meter windows":                                  "fb8c0713-ea20-40bf-901f-5560fd3f6330",
		"show --meter 8767aeb3":                                 "commerce's admin meter  8767aeb3-6909-4db2-9927-3f51e9a9085e",
		"show --meter f114cb19":                                 "deprecated",
		"show --output json --meter 9cd92d4cbafd4492b278bedc2d": `"class":"full"`,
	} {
		if out := tool(t, unset, append([]string{"meter"}, strings.Fields(args)...)...); !strings.Contains(out, want) {
			t.Errorf("%s: want %q in\n%s", args, want, out)
		}
	}
	if n := strings.Count(tool(t, unset, "meter", "list", "--output", "json"), "\n"); n != 85 {
		t.Errorf("%d meters", n)
	}
}

// billedDays is storage with two usage days in which five lines were billed.
func billedDays(t *testing.T) (func(string) string, *azurestore.Account) {
	t.Helper()
	getenv, account := clitest.Storage(t)
	catalogue, err := meter.BuiltIn()
	ok(t, err)
	day := hour19.Day()
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: day.Compact(), Start: day.Start(), Region: "local"}))
	tables := account.Tables
	for i, line := range []struct {
		subscription, meter, info, quantity string
		day                                 usage.Day
		answer, stored                      string
	}{
		{"09065051-cfe9-4fcf-b90c-87f2af292fc9", meter.WindowsVM, `{"ServiceType":"Standard_A1","ImageType":"Windows_Server"}`, "0.1", day, "Accepted", ""},
		{"09065051-cfe9-4fcf-b90c-87f2af292fc9", meter.WindowsVM, "", "0.2", day.Next(), "Accepted", ""},
		{"09065051-cfe9-4fcf-b90c-87f2af292fc9", meter.WindowsVM, "", "9", day.Next(), "Rejected", ""},
		{"c59c6f67-75cf-5dcc-a489-b120304cc008", "11111111-2222-3333-4444-555555555555", "", "5", day, "Duplicate", ""},
		{"d59c6f67-75cf-5dcc-a489-b120304cc008", meter.BaseVM, "", "5", day.Next(), "Conflict", "7"},
	} {
		q, err := usage.ParseQuantity(line.quantity)
		ok(t, err)
		rules := daily.Rules{CloudID: cloudID, Day: line.day, Revision: i + 1, Meters: catalogue,
			Terms: daily.Terms{BillingModel: registration.PayAsYouUse, BillingSubscriptionID: cloudID}}
		r := rules.Record(daily.Sum{Quantity: q, Shown: usage.Shown{SubscriptionID: line.subscription, MeterID: line.meter, AdditionalInfo: line.info,
			ResourceURI: "/subscriptions/" + line.subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm"}})
		id := outbox.ID{CloudID: cloudID, Day: line.day, Revision: i + 1, Number: 1}
		ok(t, outbox.PutOutcomes(t.Context(), tables, id, []daily.Record{r}, map[string]outbox.Answer{r.RecordID: {Status: line.answer, Quantity: line.stored}}))
	}
	return getenv, account
}

func TestMetersSeen(t *testing.T) {
	t.Parallel()
	getenv, _ := billedDays(t)
	seen := func(args string) []meters.Seen {
		t.Helper()
		var lines []meters.Seen
		dec := json.NewDecoder(strings.NewReader(tool(t, getenv, strings.Fields("meter seen --output json --from 2019-12-01 --to 2019-12-31 "+args)...)))
		for dec.More() {
			var l meters.Seen
			ok(t, dec.Decode(&l))
			lines = append(lines, l)
		}
		return lines
	}
	t.Run("every stack, subscription and meter of the days, with exact sums and flags", func(t *testing.T) {
		got := seen("")
		if len(got) != 3 {
			t.Fatalf("%+v", got)
		}
		unknown, conflict, windows := got[0], got[1], got[2]
		if conflict.Quantity.String() != "7" || conflict.Lines != 1 {
			t.Errorf("of a record in conflict, sent 5 and stored 7: %+v", conflict)
		}
		if unknown.Class != "unknown" || unknown.Quantity.String() != "5" || unknown.Flags[0] != "unknownMeter" {
			t.Errorf("%+v", unknown)
		}
		if windows.Quantity.String() != "0.3" || windows.Days != 2 || windows.Lines != 3 || windows.First != "2019-12-10" ||
			windows.Last != "2019-12-11" || strings.Join(windows.Flags, ",") != "licenseMismatch" || windows.CloudID != cloudID {
			t.Errorf("%+v", windows)
		}
	})
	t.Run("only what is asked for", func(t *testing.T) {
		for args, want := range map[string]int{
			"--meter 9CD92D4CBAFD4492B278BEDC2DE8232A": 1, "--subscription c59c6f67-75cf-5dcc-a489-b120304cc008": 1, "--registration " + cloudID: 3,
			"--from 2019-12-11": 2, "--to 2019-12-09": 0,
			"--meter " + meter.BaseVM: 1,
		} {
			if got := seen(args); len(got) != want {
				t.Errorf("%s: %+v", args, got)
			}
		}
	})
	t.Run("columns line up, and an unknown meter is named by its id", func(t *testing.T) {
		lines := strings.Split(tool(t, getenv, strings.Fields("meter seen --from 2019-12-10 --to 2019-12-10")...), "\n")
		if strings.Index(lines[0], "CLASS") != strings.Index(lines[1], "unknown") || !strings.Contains(lines[1], "11111111-2222-3333-4444-555555555555") {
			t.Errorf("%s", strings.Join(lines, "\n"))
		}
	})
}

func TestMetersAreRefusedBeforeStorageIsAsked(t *testing.T) {
	for want, args := range map[string]string{
		"stackusage meter needs a subcommand: list, seen, show": "meter",
		`unknown command "drop"; stackusage meter has`:          "meter drop",
		"--from and --to are missing":                           "meter seen --from 2019-12-10",
		"is before --from":                                      "meter seen --from 2019-12-10 --to 2019-12-09",
		"at most 100 days":                                      "meter seen --from 2019-01-01 --to 2019-12-31",
		"no meter has this id or name":                          "meter seen --from 2019-12-10 --to 2019-12-10 --meter x",
		"--meter is missing":                                    "meter show",
		"not in the catalogue":                                  "meter show --meter 11111111-2222-3333-4444-555555555555",
		"4 meters have that":                                    "meter show --meter S1",
		"want one of full, informational":                       "meter list --class admin",
	} {
		var out bytes.Buffer
		if err := run(t.Context(), strings.Fields(args), unset, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", args, err, want)
		}
	}
}
