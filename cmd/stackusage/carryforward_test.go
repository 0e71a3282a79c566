package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"stackusage/cmd/stackusage/days"
	"stackusage/shared/azurestore"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/outbox"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/usage"
)

// expired is storage with a usage day of which commerce let three records of
// two meters expire and took one.
func expired(t *testing.T) (func(string) string, *azurestore.Account) {
	t.Helper()
	getenv, account := conflict(t)
	tables := account.Tables
	id := outbox.ID{CloudID: cloudID, Day: hour19.Day(), Revision: 1, Number: 1}
	ok(t, outbox.Open(t.Context(), tables, daily.Manifest{CloudID: cloudID, UsageDay: id.Day, Revision: 1, Batches: []daily.Batch{{Number: 1, Records: 4}}}, time.Now()))
	var records []daily.Record
	answers := map[string]outbox.Answer{}
	for i, quantity := range []string{"0.1", "16.461425899527967", "2", "7"} {
		q, err := usage.ParseQuantity(quantity)
		ok(t, err)
		r := daily.Record{RecordID: fmt.Sprint("r", i), Kind: daily.Usage, Revision: 1, MeterID: "m2", MeterName: "TableCapacity", Unit: "GB*hours", MeterClass: "full", Quantity: q, BillingSubscriptionID: "p1",
			UsageStart: id.Day.Start(), UsageEnd: id.Day.End()}
		if i == 2 {
			r.MeterID, r.MeterName, r.Unit = "m1", "BaseVM", "hours"
		}
		records, answers[r.RecordID] = append(records, r), outbox.Answer{Status: "Expired", Code: "TooLate"}
	}
	answers["r3"] = outbox.Answer{Status: "Accepted"}
	ok(t, outbox.PutOutcomes(t.Context(), tables, id, records, answers))
	b, err := outbox.Read(t.Context(), tables, id)
	ok(t, err)
	b.State, b.Accepted, b.Expired, b.Declined = outbox.BatchDone, 1, 3, 3
	ok(t, outbox.Update(t.Context(), tables, id, b))
	return getenv, account
}

func TestCarryForward(t *testing.T) {
	t.Parallel()
	getenv, account := expired(t)
	ask := func(more ...string) []string {
		return append([]string{"day", "carry-forward", "--registration", cloudID, "--day", "2019-12-10", "--by", "olga", "--reason", "commerce was away"}, more...)
	}
	fails := func(t *testing.T, want string, args []string) {
		t.Helper()
		var out bytes.Buffer
		late := func(name string) string {
			if name == "COMMERCE_LATENESS_LIMIT" {
				return "72h"
			}
			return getenv(name)
		}
		if err := run(t.Context(), args, late, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
	today := usage.HourOf(time.Now()).Day()
	t.Run("a list shows what expired, by meter, in columns", func(t *testing.T) {
		lines := strings.Split(strings.TrimSpace(tool(t, getenv, "day", "list-declined")), "\n")
		if len(lines) != 3 || strings.Index(lines[0], "STATE") != strings.Index(lines[1], "declined") ||
			!strings.Contains(lines[1], "2019-12-10    1        1  p1            BaseVM         full    2                  hours     declined") ||
			!strings.Contains(lines[2], "2019-12-10    1        2  p1            TableCapacity  full   16.561425899527967  GB*hours  declined") {
			t.Errorf("output:\n%s", strings.Join(lines, "\n"))
		}
	})
	t.Run("a day that is too late, or not stated, is refused", func(t *testing.T) {
		fails(t, "commerce takes 2019-12-12 no more either", ask("--to", "2019-12-12"))
		fails(t, "has not begun", ask("--to", (today+1).String()))
		fails(t, "must come after it", ask("--to", "2019-12-10"))
		fails(t, "never closed", ask("--day", "2019-12-11"))
	})
	t.Run("a day without usage reporting would bill nothing of it", func(t *testing.T) {
		ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, EffectiveDay: (today - 1).Compact(), SubscriptionID: cloudID, Start: hour19.Start(), BillingModel: registration.Capacity, Region: "northwest", ReportingOff: true}))
		fails(t, "usage reporting is off on that day", ask())
		ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, EffectiveDay: today.Compact(), SubscriptionID: cloudID, Start: hour19.Start(), BillingModel: registration.PayAsYouUse, Region: "northwest"}))
	})
	t.Run("a request is queued and shown, as often as the command runs", func(t *testing.T) {
		for range 2 {
			out := tool(t, getenv, ask()...)
			if !strings.Contains(out, "carried forward to "+today.String()+": commerce was away (olga, ") {
				t.Errorf("output:\n%s", out)
			}
			if got := queued(t, account, queue.Days); len(got) != 1 || got[0] != queue.DayMessage(cloudID, hour19.Day()) {
				t.Errorf("queued %v", got)
			}
		}
		if out := tool(t, getenv, "day", "list-declined", "--registration", cloudID); !strings.Contains(out, "asked to "+today.String()+"  olga: commerce was away") {
			t.Errorf("output:\n%s", out)
		}
		if out := tool(t, getenv, "day", "list"); !strings.Contains(out, "carry") {
			t.Errorf("output:\n%s", out)
		}
	})
	t.Run("another request is refused while the first is open", func(t *testing.T) {
		fails(t, `olga requested a revision ("commerce was away")`, ask("--reason", "no, this is why"))
	})
	t.Run("JSON says the same, and when it is done", func(t *testing.T) {
		tables := account.Tables
		c, err := daybook.Begin(t.Context(), tables, cloudID, hour19.Day())
		ok(t, err)
		ok(t, daybook.Commit(t.Context(), tables, c, c.Answer(daybook.Revision{Number: 2, Inputs: daybook.InputList(c.Counted), InputCount: 1, Rows: 3,
			Carried: 3, File: "daily/x", SHA256: strings.Repeat("0", 64)})))
		var line days.DeclinedDay
		ok(t, json.Unmarshal([]byte(tool(t, getenv, "day", "list-declined", "--output", "json")), &line))
		if line.State != "carried" || line.To != today.String() || line.By != "olga" || line.Records != 3 || len(line.Meters) != 2 || line.Meters[1].Quantity.String() != "16.561425899527967" {
			t.Errorf("line %+v", line)
		}
		fails(t, "revision 2 has carried it to usage day "+today.Compact(), ask())
		if out := tool(t, getenv, "day", "list", "--from", "2019-12-10", "--to", "2019-12-10"); !strings.Contains(out, "carried to "+today.String()+"; olga: commerce was away") {
			t.Errorf("output:\n%s", out)
		}
	})
	t.Run("a registration of which nothing is stored is an error", func(t *testing.T) {
		const other = "00000000-de02-43a4-903d-eb74f8258b01"
		fails(t, "nothing of registration "+other+" is stored", []string{"day", "list-declined", "--registration", other})
	})
}

func TestACarryIsRefusedBeforeStorageIsAsked(t *testing.T) {
	t.Parallel()
	for want, args := range map[string]string{
		"set UsageStorage":    "--day 2019-12-10 --reason x",
		"--day is missing":    "--registration " + cloudID + " --reason x",
		"--reason is missing": "--registration " + cloudID + " --day 2019-12-10",
		"2019-12-1":           "--registration " + cloudID + " --day 2019-12-1 --reason x",
	} {
		var out bytes.Buffer
		if err := run(t.Context(), append([]string{"day", "carry-forward"}, strings.Fields(args)...), unset, &out, &out); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want %q", args, err, want)
		}
	}
}
