package ledger_test

import (
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/table"
)

// corrected is an app that has stated a day three times, with rows in
// quarantine, a record that commerce refused, and late rows.
func corrected(t *testing.T) *works {
	t.Helper()
	w := startWorks(t)
	h22, h23, h00 := hour(t, "2019121022"), hour(t, "2019121023"), hour(t, "2019121100")
	w.ingest(t, h22, usageRow(1, h22-1, "1.5"), usageRow(2, h22-1, "0.0000000000000000000000001"), `{"no":"usage"}`)
	w.ingest(t, h23, usageRow(1, h23-1, "16.461425899527967"), usageRow(3, h23-1, "-1"))
	w.ingest(t, h00, usageRow(2, h00-1, "7"), usageRow(2, h00, "2"))
	w.settle(t)
	w.fault(t, "POST", `{"rejectMeter":"`+tableMeter+`"}`)
	w.ingest(t, h00+1, usageRow(1, h23, "3"), usageRow(4, h23, "0.5"))
	w.settle(t)
	w.fault(t, "DELETE", "")
	w.ingest(t, h00+2, usageRow(4, h23, "0.25"))
	w.settle(t)
	return w
}

func TestVerify(t *testing.T) {
	t.Parallel()
	w := corrected(t)
	t.Run("nothing differs after a run with corrections", func(t *testing.T) {
		calls := 0
		report := w.verify(t, ledger.VerifyOptions{Progress: func(ledger.VerifyReport) { calls++ }})
		if len(report.Findings) > 0 || calls < 6 {
			t.Fatalf("%d calls of progress; %v", calls, report.Findings)
		}
		report.Findings = nil
		want := ledger.VerifyReport{Hours: 5, Rows: 10, Days: 2, Revisions: 6, Records: 7, Answers: 7, Refused: 2}
		if fmt.Sprint(report) != fmt.Sprint(want) {
			t.Errorf("got %+v, want %+v", report, want)
		}
	})
	t.Run("options choose registration and days", func(t *testing.T) {
		if r := w.verify(t, ledger.VerifyOptions{CloudID: cloud(1)}); r.Hours+r.Days != 0 {
			t.Errorf("another registration: %+v", r)
		}
		if r := w.verify(t, ledger.VerifyOptions{To: day(t, "20191210")}); r.Hours != 2 || r.Days != 1 {
			t.Errorf("until the first day: %+v", r)
		}
		if r := w.verify(t, ledger.VerifyOptions{From: day(t, "20191211")}); r.Hours != 3 || r.Days != 1 {
			t.Errorf("from the second day on: %+v", r)
		}
	})
	t.Run("the limit cuts the list", func(t *testing.T) {
		undo := w.flipAll(t, "partials")
		defer undo()
		if r := w.verify(t, ledger.VerifyOptions{Limit: 2}); len(r.Findings) != 2 || !r.Cut {
			t.Errorf("%d differences, cut %t", len(r.Findings), r.Cut)
		}
	})
}

// TestVerifyBesideTheApp: a step under way is no difference.
func TestVerifyBesideTheApp(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	w.beside(t, func(n int) {
		report, err := w.Ledger.Verify(t.Context(), w.files(), ledger.VerifyOptions{})
		if err != nil || len(report.Findings) > 0 {
			t.Errorf("look %d: %v, %q", n, err, report.Findings)
		}
	})
	if r := w.verify(t, ledger.VerifyOptions{}); len(r.Findings) > 0 || r.Hours != 8 {
		t.Errorf("at the end: %+v", r)
	}
}

// flip changes one byte in the middle of a blob.
func flip(b []byte) []byte {
	b[len(b)/2] ^= 1
	return b
}

func (w *works) flipAll(t *testing.T, container string) (undo func()) {
	t.Helper()
	var names []string
	ok(t, w.account.Blobs.List(t.Context(), container, func(name string, _ time.Time) error {
		names = append(names, name)
		return nil
	}))
	was := map[string][]byte{}
	for _, name := range names {
		was[name] = w.overwrite(t, container, name, flip)
	}
	return func() {
		for name, b := range was {
			_, err := w.raw.UploadBuffer(t.Context(), container, name, b, nil)
			ok(t, err)
		}
	}
}

// damageBlob changes the first blob of a container whose name ends so.
func (w *works) damageBlob(container, suffix string, change func([]byte) []byte) func(t *testing.T) (named string, undo func()) {
	return func(t *testing.T) (string, func()) {
		var name string
		ok(t, w.account.Blobs.List(t.Context(), container, func(n string, _ time.Time) error {
			if name == "" && strings.HasSuffix(n, suffix) {
				name = n
			}
			return nil
		}))
		was := w.overwrite(t, container, name, change)
		return container + "/" + name, func() {
			_, err := w.raw.UploadBuffer(t.Context(), container, name, was, nil)
			ok(t, err)
		}
	}
}

// damageRow changes the last row of a table whose key holds a text, or is one
// of two letters. Nil deletes it.
func (w *works) damageRow(name, key string, change func(table.Props) table.Props) func(t *testing.T) (named string, undo func()) {
	return func(t *testing.T) (string, func()) {
		var row table.Row
		for r, err := range w.account.Tables.List(t.Context(), name, "", "", "") {
			ok(t, err)
			if strings.Contains(r.Key, key) && (len(key) != 2 || r.Key == key) {
				row = r
			}
		}
		op := table.Op{Verb: table.Delete, Row: row}
		if props := change(maps.Clone(row.Props)); props != nil {
			op = table.Op{Verb: table.Put, Row: table.Row{Partition: row.Partition, Key: row.Key, Props: props}}
		}
		ok(t, w.account.Tables.Apply(t.Context(), name, row.Partition, op))
		return name + " " + row.Partition + "/" + row.Key, func() {
			ok(t, w.account.Tables.Apply(t.Context(), name, row.Partition, table.Op{Verb: table.Put, Row: row}))
		}
	}
}

// TestVerifyNamesDamage damages one thing after the other and heals it again.
func TestVerifyNamesDamage(t *testing.T) {
	t.Parallel()
	w := corrected(t)
	gone := func(table.Props) table.Props { return nil }
	set := func(column string, v any) func(table.Props) table.Props {
		return func(p table.Props) table.Props { p[column] = v; return p }
	}
	lost := func([]byte) []byte { return nil }
	extra := func(b []byte) []byte { return append(b, ' ') }
	hours := landing.Container(cloudID)
	for name, damage := range map[string]func(t *testing.T) (string, func()){
		"a flipped byte in a partial":            w.damageBlob("partials", "", flip),
		"a flipped byte in a daily file":         w.damageBlob("daily", ".gz", flip),
		"a flipped byte in a manifest":           w.damageBlob("daily", ".manifest.json", flip),
		"a flipped byte in an outbox batch":      w.damageBlob("outbox", "", flip),
		"a flipped byte in a receipt":            w.damageBlob("receipts", "", flip),
		"a flipped byte in a landing blob":       w.damageBlob(hours, "", flip),
		"a flipped byte in a quarantine file":    w.damageBlob("quarantine", "", flip),
		"a byte after the end of a daily file":   w.damageBlob("daily", ".gz", extra),
		"a byte after the end of a landing blob": w.damageBlob(hours, "", extra),
		"a lost partial":                         w.damageBlob("partials", "", lost),
		"a lost receipt":                         w.damageBlob("receipts", "", lost),
		"a lost landing blob":                    w.damageBlob(hours, "", lost),
		"a missing row of DailyUsage":            w.damageRow(table.DailyUsage, "", gone),
		"a changed quantity in DailyUsage":       w.damageRow(table.DailyUsage, "", set("quantity", "8.000000000000000000000001")),
		"a changed answer in DailyUsage":         w.damageRow(table.DailyUsage, "", set("answer", "Expired")),
		"a missing row of DayInputs":             w.damageRow(table.DayInputs, "", gone),
		"a changed hash in DayInputs":            w.damageRow(table.DayInputs, "", set("sha256", strings.Repeat("0", 64))),
		"a wrong count in UsageHours":            w.damageRow(table.UsageHours, "_", set("accepted", int64(77))),
		"a pointer to another blob":              w.damageRow(table.UsageHours, "02", set("counts", "0123456789abcdef")),
		"a missing row of Quarantine":            w.damageRow(table.Quarantine, "", gone),
		"a changed code in Quarantine":           w.damageRow(table.Quarantine, "", set("code", "Other")),
		"a wrong count in UsageDays":             w.damageRow(table.UsageDays, "20191210", set("rows", int64(1))),
		"reporting said to be off in UsageDays":  w.damageRow(table.UsageDays, "20191210", set("reporting", "off")),
		"a missing revision":                     w.damageRow(table.UsageDays, "20191210_0003", gone),
		"a missing row of UsageBatches":          w.damageRow(table.UsageBatches, "", gone),
		"a wrong count in UsageBatches":          w.damageRow(table.UsageBatches, "", set("accepted", int64(7))),
		"an answered batch that waits":           w.damageRow(table.UsageBatches, "", set("state", "waiting")),
	} {
		t.Run(name, func(t *testing.T) {
			where, undo := damage(t)
			defer undo()
			if name == "a missing revision" { // its answers and batches are left without it
				where = "UsageBatches " + strings.TrimPrefix(strings.Replace(where, "/", "_", 1), "UsageDays ")
				where = where[:strings.LastIndex(where, "_")] + "/0003"
			}
			report := w.verify(t, ledger.VerifyOptions{})
			for _, f := range report.Findings {
				if strings.HasPrefix(f.Where, where) || strings.Contains(f.What, where) {
					return
				}
			}
			t.Errorf("damage to %s: %q", where, report.Findings)
		})
	}
	t.Run("a row of DailyUsage that no batch has", func(t *testing.T) {
		for row, err := range w.account.Tables.List(t.Context(), table.DailyUsage, "", "", "") {
			ok(t, err)
			row.Key = "zz" + row.Key
			ok(t, w.account.Tables.Apply(t.Context(), table.DailyUsage, row.Partition, table.Op{Verb: table.Insert, Row: row}))
			r := w.verify(t, ledger.VerifyOptions{})
			if len(r.Findings) != 1 || r.Findings[0].Where != "DailyUsage "+row.Partition+"/"+row.Key {
				t.Errorf("%q", r.Findings)
			}
			ok(t, w.account.Tables.Apply(t.Context(), table.DailyUsage, row.Partition, table.Op{Verb: table.Put, Row: row}))
			got, err := w.account.Tables.Get(t.Context(), table.DailyUsage, row.Partition, row.Key)
			ok(t, err)
			ok(t, w.account.Tables.Apply(t.Context(), table.DailyUsage, row.Partition, table.Op{Verb: table.Delete, Row: got}))
			break
		}
	})
	t.Run("a row of Quarantine that no hour has", func(t *testing.T) {
		for row, err := range w.account.Tables.List(t.Context(), table.Quarantine, "", "", "") {
			ok(t, err)
			key := row.Key[:len(row.Key)-1] + "9"
			ok(t, w.account.Tables.Apply(t.Context(), table.Quarantine, row.Partition, table.Op{Verb: table.Insert, Row: table.Row{Partition: row.Partition, Key: key, Props: row.Props}}))
			r := w.verify(t, ledger.VerifyOptions{})
			if len(r.Findings) != 1 || r.Findings[0].Where != "Quarantine "+row.Partition+"/"+key {
				t.Errorf("%q", r.Findings)
			}
			got, err := w.account.Tables.Get(t.Context(), table.Quarantine, row.Partition, key)
			ok(t, err)
			ok(t, w.account.Tables.Apply(t.Context(), table.Quarantine, row.Partition, table.Op{Verb: table.Delete, Row: got}))
			break
		}
	})
	t.Run("all is well again", func(t *testing.T) {
		if r := w.verify(t, ledger.VerifyOptions{}); len(r.Findings) > 0 {
			t.Errorf("%q", r.Findings)
		}
	})
	t.Run("an hour that counts, in no revision, and its day is not open", func(t *testing.T) {
		h := hour(t, "2019121105")
		name := w.ingest(t, h, usageRow(1, h-8, "1"))
		if r := w.verify(t, ledger.VerifyOptions{}); len(r.Findings) > 0 {
			t.Errorf("while the day is open: %q", r.Findings)
		}
		mark, err := w.account.Tables.Get(t.Context(), table.OpenDays, cloudID, "20191210")
		ok(t, err)
		ok(t, w.account.Tables.Apply(t.Context(), table.OpenDays, cloudID, table.Op{Verb: table.Delete, Row: mark}))
		r := w.verify(t, ledger.VerifyOptions{})
		if len(r.Findings) != 1 || !strings.Contains(r.Findings[0].Where, "2019121105_"+name.SHA16) {
			t.Errorf("%q", r.Findings)
		}
	})
}
