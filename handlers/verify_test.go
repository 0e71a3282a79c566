package handlers_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"stackusage/shared/calendar"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/verify"
)

// audit is what the auditor finds, by the settings of the app.
func (r *rig) audit(t testing.TB) verify.Report {
	t.Helper()
	return r.auditWith(t, r.store.Blobs, verify.Options{})
}

func (r *rig) auditWith(t testing.TB, blobs verify.Blobs, o verify.Options) verify.Report {
	t.Helper()
	o.SettlingHours, o.CloseDelay, o.SweepGrace, o.Now, o.TempDir = r.Settings.SettlingHours, r.Settings.CloseDelay, r.Settings.SweepGrace, r.Now(), r.Settings.TempDir
	report, err := verify.Run(t.Context(), verify.Stores{Tables: r.store.Tables, Landing: blobs, App: blobs, NoBlob: r.store.noBlob}, o)
	ok(t, err)
	return report
}

// names reports whether a difference is about a row or a file, or speaks of it.
func names(report verify.Report, where string) bool {
	return slices.ContainsFunc(report.Differences, func(f verify.Finding) bool {
		return strings.HasPrefix(f.Where, where) || strings.Contains(f.What, where)
	})
}

// blobs are the blobs as they are, but for one: the first of a container whose name
// ends so. Nil in place of its content: it is gone.
type altered struct {
	blobStore
	container, suffix string
	change            func([]byte) []byte
	named             string
	none              error
}

func (a *altered) Open(ctx context.Context, container, name string) (io.ReadCloser, time.Time, error) {
	body, at, err := a.blobStore.Open(ctx, container, name)
	if err != nil || container != a.container || !strings.HasSuffix(name, a.suffix) || a.named != "" && a.named != name {
		return body, at, err
	}
	a.named = name
	defer body.Close()
	content, err := io.ReadAll(body)
	if content = a.change(content); content == nil {
		return nil, at, fmt.Errorf("%s: %w", name, a.none)
	}
	return io.NopCloser(bytes.NewReader(content)), at, err
}

// corrected is an app that has closed a day three times, with rows in quarantine, a
// record that commerce declined, and late rows.
func corrected(t *testing.T) *rig {
	t.Helper()
	r := registered(t)
	bill, rnd := newBilling(t, r), rand.New(rand.NewPCG(1, 1))
	r.ingest(t, hour22, row(1, hour22-1, "1.5"), row(2, hour22-1, "0.0000000000000000000000001"), `{"no":"usage"}`)
	r.ingest(t, hour23, row(1, hour23-1, "16.461425899527967"), row(3, hour23-1, "-1"))
	r.ingest(t, hour00, row(2, hour00-1, "7"), row(2, hour00, "2"))
	r.settle(t, rnd)
	bill.fault(t, `{"rejectMeter":"`+tableMeter+`"}`)
	r.advance(48 * time.Hour)
	r.ingest(t, hour00+1, row(1, hour23, "3"), row(4, hour23, "0.5"))
	r.settle(t, rnd)
	bill.calm(t)
	r.advance(48 * time.Hour)
	r.ingest(t, hour00+2, row(4, hour23, "0.25"))
	r.settle(t, rnd)
	if report := r.audit(t); len(report.Open) != 1 || report.Agrees() {
		t.Errorf("before the list of infrastructure subscriptions is confirmed: %q", report.Open)
	}
	_, err := r.registrar().ConfirmInfrastructure(t.Context(), registration.DefaultName(cloudID), "20191210", "", registration.Note{By: "o", Reason: "looked"})
	ok(t, err)
	return r
}

// TestVerifyNamesWhatIsUnfinished: missing hours and undecided rows are no differences, and
// a list of their own.
func TestVerifyNamesWhatIsUnfinished(t *testing.T) {
	t.Parallel()
	r := well(t, 2, 7, 9, 10)
	now := usage.HourOf(r.Now())
	name := r.ingest(t, now-2, row(1, now-2, "1"), "{", "{", row(1, now-2, "-1"))
	report := r.audit(t)
	var got []string
	for _, f := range report.Unfinished {
		got = append(got, f.String())
	}
	want := []string{"UsageHours " + cloudID + ": 2 reported hours are missing: " + (now - 10).String() + " to " + (now - 9).String(),
		"UsageHours " + cloudID + ": reported hour " + (now - 7).String() + " is missing",
		"Quarantine " + cloudID + "_" + now.Day().Compact() + "/" + (now - 2).Start().Format("15") + "_" + name.SHA16 + ": rejected rows wait for a decision: 3 (QuantityNegative 1, UnreadableJson 2)"}
	if diff := cmp.Diff(want, got); diff != "" || !report.Agrees() || report.Finished() || len(report.Accepted) > 0 {
		t.Errorf("unfinished (-want +got):\n%s\n%+v", diff, report)
	}
	if earlier := r.auditWith(t, r.store.Blobs, verify.Options{To: (now - 24).Day().Compact()}); !earlier.Finished() {
		t.Errorf("%+v", earlier)
	}
	history, err := r.registry().History(t.Context(), cloudID)
	ok(t, err)
	why := reasoned.Decision{By: "olga", Reason: "rebuilt", At: r.Now()}
	_, err = calendar.Accept(t.Context(), r.store.Tables, history, calendar.Range{First: now - 10, Last: now - 7}, why)
	ok(t, err)
	id := hourlog.ID{CloudID: cloudID, Hour: now - 2, SHA16: name.SHA16}
	var rows []hourlog.RejectedRow
	for q, err := range hourlog.RejectedRows(t.Context(), r.Tables, id) {
		ok(t, err)
		rows = append(rows, q)
	}
	ok(t, hourlog.Dismiss(t.Context(), r.Tables, id, rows, why))
	if report := r.audit(t); !report.Finished() || len(report.Accepted) != 2 {
		t.Errorf("accepted and dismissed: %+v", report)
	}
}

// TestVerifyNamesDamage damages one thing after the other.
func TestVerifyNamesDamage(t *testing.T) {
	t.Parallel()
	r := corrected(t)
	days := 0
	report := r.auditWith(t, r.store.Blobs, verify.Options{Each: func(verify.Day) { days++ }})
	if !report.Agrees() || days != 2 || report.Hours != 5 || report.Rows != 10 || report.Refused != 2 || report.Records != report.Answers || report.Unsettled != 0 {
		t.Fatalf("%d days, %+v", days, report)
	}
	t.Run("options choose registration and days", func(t *testing.T) {
		for _, c := range []struct {
			o           verify.Options
			hours, days int64
		}{{verify.Options{CloudID: strings.Replace(cloudID, "b", "c", 1)}, 0, 0}, {verify.Options{To: "20191210"}, 2, 1}, {verify.Options{From: "20191211"}, 3, 1}} {
			if got := r.auditWith(t, r.store.Blobs, c.o); got.Hours != c.hours || got.Days != c.days {
				t.Errorf("%+v: %+v", c.o, got)
			}
		}
	})
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	lost := func([]byte) []byte { return nil }
	extra := func(b []byte) []byte { return append(b, ' ') }
	hours := landing.Container(cloudID)
	for name, a := range map[string]altered{
		"a flipped byte in a daily file":         {container: "daily", suffix: ".gz", change: flip},
		"a flipped byte in a manifest":           {container: "daily", suffix: ".manifest.json", change: flip},
		"a flipped byte in a settlement":         {container: "daily", suffix: "Z.json", change: flip},
		"a flipped byte in a catalogue":          {container: "daily", suffix: ".csv", change: flip},
		"a flipped byte in an outbox batch":      {container: "outbox", change: flip},
		"a flipped byte in a receipt":            {container: "receipts", change: flip},
		"a flipped byte in a landing blob":       {container: hours, change: flip},
		"a flipped byte in a quarantine file":    {container: "quarantine", change: flip},
		"a byte after the end of a daily file":   {container: "daily", suffix: ".gz", change: extra},
		"a byte after the end of a landing blob": {container: hours, change: extra},
		"a lost daily file":                      {container: "daily", suffix: ".gz", change: lost},
		"a lost receipt":                         {container: "receipts", change: lost},
		"a lost landing blob":                    {container: hours, change: lost},
		"a lost catalogue":                       {container: "daily", suffix: ".csv", change: lost},
	} {
		t.Run(name, func(t *testing.T) {
			a.blobStore, a.none, a.suffix = r.store.Blobs, r.store.noBlob, strings.Replace(a.suffix, "Z.json", ".json", 1)
			if strings.Contains(name, "settlement") {
				a.named = strings.TrimPrefix(r.rows(t, table.UsageDays)[cloudID+"/20191210_0001"]["settlement"].(string), "daily/")
			}
			if report := r.auditWith(t, &a, verify.Options{}); !names(report, a.container+"/"+a.named) {
				t.Errorf("damage to %s: %q", a.named, report.Differences)
			}
		})
	}
	r.damageRows(t)
}

// damageRows changes a row of a table: the last one whose key holds a text, or is
// one of two letters.
func (r *rig) damageRows(t *testing.T) {
	t.Helper()
	gone := func(table.Props) table.Props { return nil }
	set := func(column string, v any) func(table.Props) table.Props {
		return func(p table.Props) table.Props { p[column] = v; return p }
	}
	for name, c := range map[string]struct {
		table, key string
		change     func(table.Props) table.Props
	}{
		"a missing row of DailyUsage":            {table.DailyUsage, "", gone},
		"a changed quantity in DailyUsage":       {table.DailyUsage, "", set("quantity", "8.000000000000000000000001")},
		"a changed outcome in DailyUsage":        {table.DailyUsage, "", set("outcome", "Expired")},
		"a missing row of DayInputs":             {table.DayInputs, "", gone},
		"a changed hash in DayInputs":            {table.DayInputs, "2019121100", set("sha256", strings.Repeat("0", 64))},
		"a wrong number of lines in DayInputs":   {table.DayInputs, "", set("lines", int64(77))},
		"another content in DayInputs":           {table.DayInputs, "", set("content", strings.Repeat("0", 64))},
		"a repeat that was none":                 {table.UsageDays, "20191210", set("attempt", int64(7))},
		"a wrong count in UsageHours":            {table.UsageHours, "_", set("accepted", int64(77))},
		"another hash in UsageHours":             {table.UsageHours, "_", set("rowSetHash", strings.Repeat("0", 64))},
		"a pointer to another blob":              {table.UsageHours, "02", set("acceptedFile", "0123456789abcdef")},
		"a missing row of Quarantine":            {table.Quarantine, "", gone},
		"a changed code in Quarantine":           {table.Quarantine, "", set("code", "Other")},
		"a wrong count in UsageDays":             {table.UsageDays, "20191210", set("rows", int64(1))},
		"another billing subscription":           {table.UsageDays, "20191210", set("billingSubscriptionId", subscription)},
		"another change of the registration":     {table.UsageDays, "20191210", set("change", int64(7))},
		"hours called missing in UsageDays":      {table.UsageDays, "20191210", set("missingHours", "2019121023")},
		"a day that is said to be incomplete":    {table.UsageDays, "20191210", set("complete", false)},
		"a missing row of UsageBatches":          {table.UsageBatches, "", gone},
		"a wrong count in UsageBatches":          {table.UsageBatches, "", set("accepted", int64(7))},
		"declined records hidden":                {table.UsageBatches, "0002", set("declined", int64(0))},
		"an answered batch that waits":           {table.UsageBatches, "", set("state", "waiting")},
		"an hour that counts, called voided":     {table.UsageHours, "_", set("verdict", "voided")},
		"an hour that counts, called a conflict": {table.UsageHours, "_", set("verdict", "conflict")},
	} {
		t.Run(name, func(t *testing.T) {
			var row table.Row
			for have, err := range r.store.Tables.List(t.Context(), c.table, "", "", "") {
				ok(t, err)
				if strings.Contains(have.Key, c.key) && (len(c.key) != 2 || have.Key == c.key) {
					row = have
				}
			}
			props := c.change(maps.Clone(row.Props))
			op := table.Op{Verb: table.Put, Row: table.Row{Partition: row.Partition, Key: row.Key, Props: props}}
			if props == nil {
				op = table.Op{Verb: table.Delete, Row: row}
			}
			ok(t, r.store.Tables.Apply(t.Context(), c.table, row.Partition, op))
			report := r.audit(t)
			ok(t, r.store.Tables.Apply(t.Context(), c.table, row.Partition, table.Op{Verb: table.Put, Row: row}))
			if where := c.table + " " + row.Partition + "/" + row.Key; !names(report, where) && !names(report, row.Key) {
				t.Errorf("damage to %s: %q", where, report.Differences)
			}
		})
	}
	t.Run("rows that nothing stands behind", func(t *testing.T) {
		for _, name := range []string{table.DailyUsage, table.Quarantine, table.UsageBatches} {
			for row, err := range r.store.Tables.List(t.Context(), name, "", "", "") {
				ok(t, err)
				key := row.Key[:len(row.Key)-1] + "9"
				if name == table.UsageBatches {
					key = "0009_00001"
				}
				ok(t, r.store.Tables.Apply(t.Context(), name, row.Partition, table.Op{Verb: table.Insert, Row: table.Row{Partition: row.Partition, Key: key, Props: row.Props}}))
				if report := r.audit(t); !names(report, name+" "+row.Partition+"/"+key) {
					t.Errorf("%s %s: %q", name, key, report.Differences)
				}
				added, err := r.store.Tables.Get(t.Context(), name, row.Partition, key)
				ok(t, err)
				ok(t, r.store.Tables.Apply(t.Context(), name, row.Partition, table.Op{Verb: table.Delete, Row: added}))
				break
			}
		}
		if report := r.audit(t); !report.Agrees() {
			t.Errorf("and afterwards: %q", report.Differences)
		}
	})
}

// TestVerifyColumns: each column of DailyUsage is held against the record.
func TestVerifyColumns(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	r.complete(t)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	for row, err := range r.store.Tables.List(t.Context(), table.DailyUsage, "", "", "") {
		ok(t, err)
		edited := maps.Clone(row.Props)
		var columns []string
		for name, value := range row.Props {
			if _, is := value.(string); is {
				edited[name] = "x"
				columns = append(columns, name)
			}
		}
		for _, name := range []string{"commerceMeterId", "flags", "outcomeCode", "outcomeMessage", "storedQuantity", "corrects", "carriedFrom", "reason", "tags", "additionalInfo"} {
			edited[name] = "x"
			columns = append(columns, name)
		}
		edited["batch"], edited["revision"] = int64(1), int64(1)
		ok(t, r.store.Tables.Apply(t.Context(), table.DailyUsage, row.Partition, table.Op{Verb: table.Put, Row: table.Row{Partition: row.Partition, Key: row.Key, Props: edited}}))
		report := r.audit(t)
		for _, name := range columns {
			if !slices.ContainsFunc(report.Differences, func(f verify.Finding) bool { return strings.HasPrefix(f.What, name+" is x") }) {
				t.Errorf("nothing is said of column %s", name)
			}
		}
		return
	}
}

// TestVerifyVerdicts: a file that is called what it is not.
func TestVerifyVerdicts(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	r.complete(t)
	r.settle(t, rand.New(rand.NewPCG(1, 1)))
	for i, verdict := range []hourlog.Verdict{hourlog.Duplicate, hourlog.Rejected, hourlog.Unregistered, hourlog.KeptOut, hourlog.Excluded, hourlog.Voided, hourlog.Conflict} {
		n := r.land(t, hour00+1, row(i, hour00, "1000000"))
		_, err := hourlog.Record(t.Context(), r.Tables, hourID(n), hourlog.Hour{Blob: n.String(), Verdict: verdict, LandedAt: r.Now().Add(-48 * time.Hour)})
		ok(t, err)
		if report := r.audit(t); !names(report, "UsageHours "+cloudID+"_20191211/01_"+n.SHA16) {
			t.Errorf("%s: %q", verdict, report.Differences)
		}
	}
}

// TestVerifyWhatNobodyDid: a file that nobody ingested, and a day that nobody closed.
func TestVerifyWhatNobodyDid(t *testing.T) {
	t.Parallel()
	r := registered(t)
	newBilling(t, r)
	r.complete(t)
	if report := r.audit(t); !report.Agrees() {
		t.Errorf("a day on time: %v", report)
	}
	n := r.land(t, hour22-1, row(1, hour22-2, "1000000"))
	if report := r.audit(t); !report.Agrees() {
		t.Errorf("a file that has just landed: %q", report.Differences)
	}
	r.advance(400 * 24 * time.Hour)
	report := r.audit(t)
	if !names(report, "UsageHours "+cloudID+"_20191210/21_"+n.SHA16) || !names(report, "OpenDays "+cloudID+"/20191210") {
		t.Errorf("%q", report.Differences)
	}
}
