package reconcile_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	standin "stackusage/internal/devstack/commerce"
	"stackusage/internal/ledgertest"
	"stackusage/shared/daily"
	"stackusage/shared/daybook"
	"stackusage/shared/reasoned"
	"stackusage/shared/table"
)

const lateness = 72 * time.Hour

// lateNow is the clock of a commerce that does not take the 10th any more, and
// takes the 12th.
func lateNow() time.Time { return time.Date(2019, 12, 14, 8, 0, 0, 0, time.UTC) }

func (w *works) carry(t *testing.T, from, to, reason string) {
	t.Helper()
	_, err := daybook.AskCarry(t.Context(), w.Tables, ledgertest.CloudID, ledgertest.Day(t, from), ledgertest.Day(t, to), lateness, reasoned.Decision{By: "olga", Reason: reason, At: lateNow()})
	ledgertest.OK(t, err)
}

// carried is an app that has carried a day forward to one with usage of its own.
func carried(t *testing.T) *works {
	t.Helper()
	w := startWorksWith(t, standin.Options{LatenessLimit: lateness, Now: lateNow})
	h22, h23, h00 := ledgertest.Hour(t, "2019121022"), ledgertest.Hour(t, "2019121023"), ledgertest.Hour(t, "2019121100")
	w.ingest(t, h22, usageRow(1, h22-1, "1.5"), usageRow(2, h22-1, "0.0000000000000000000000001"))
	w.ingest(t, h23, usageRow(1, h23-1, "16.461425899527967"))
	w.ingest(t, h00)
	w.ingest(t, ledgertest.Hour(t, "2019121205"), usageRow(1, ledgertest.Hour(t, "2019121204"), "2"))
	w.settle(t)
	w.carry(t, "20191210", "20191212", "commerce was away")
	w.settle(t)
	return w
}

// named fails the test unless a difference names where.
func (w *works) named(t *testing.T, where, what string) {
	t.Helper()
	report := w.verify(t)
	for _, f := range report.Differences {
		if strings.HasPrefix(f.Where, where) && strings.Contains(f.What, what) {
			return
		}
	}
	t.Errorf("no difference at %s with %q: %q", where, what, report.Differences)
}

func TestVerifyCarries(t *testing.T) {
	t.Parallel()
	w := carried(t)
	clean := w.verify(t)
	if len(clean.Differences) > 0 || clean.Revisions != 5 || clean.Records != 5 || clean.Refused != 2 {
		t.Fatalf("%+v", clean)
	}
	set := func(column string, v any) func(table.Props) table.Props {
		return func(p table.Props) table.Props { p[column] = v; return p }
	}
	for name, damage := range map[string]func(t *testing.T) (string, func()){
		"a missing carry":                           w.damageRow(table.DayInputs, "carry_", func(table.Props) table.Props { return nil }),
		"another hash in a carry":                   w.damageRow(table.DayInputs, "carry_", set("sha256", strings.Repeat("0", 64))),
		"another file in a carry":                   w.damageRow(table.DayInputs, "carry_", set("file", "daily/x")),
		"another count in a carry":                  w.damageRow(table.DayInputs, "carry_", set("lines", int64(1))),
		"another reason in a carry":                 w.damageRow(table.DayInputs, "carry_", set("reason", "none")),
		"a revision that is carried to another day": w.damageRow(table.UsageDays, "20191210_0002", set("carriedTo", "20191213")),
		"a revision that carries nothing":           w.damageRow(table.UsageDays, "20191210_0002", set("carriedTo", "")),
		"a revision that carries fewer lines":       w.damageRow(table.UsageDays, "20191210_0002", set("carried", int64(1))),
		"another reason for carrying":               w.damageRow(table.UsageDays, "20191210_0002", set("reason", "none")),
		"inputs without the carry":                  w.damageRow(table.UsageDays, "20191212_0002", set("inputs", "2019121205_x")),
		"another day of usage in DailyUsage":        w.damageRow(table.DailyUsage, "", set("carriedFrom", "2019-12-09")),
		"another reason in DailyUsage":              w.damageRow(table.DailyUsage, "", set("reason", "none")),
	} {
		t.Run(name, func(t *testing.T) {
			where, undo := damage(t)
			defer undo()
			if strings.Contains(name, "reason for carrying") { // the file and the carry have the one that was given
				where = "daily/"
			}
			w.named(t, where, "")
		})
	}
	row := w.carryRow(t)
	t.Run("a carry into a day that it was not meant for", func(t *testing.T) {
		partition := ledgertest.CloudID + "_20191213"
		defer w.insert(t, table.DayInputs, table.Row{Partition: partition, Key: row.Key, Props: row.Props})()
		w.named(t, "DayInputs "+partition+"/"+row.Key, "it is in no revision of the day")
	})
	t.Run("a carry of a revision that is not there, in a day that is not open", func(t *testing.T) {
		key := strings.Replace(row.Key, "_0002_", "_0007_", 1)
		defer w.insert(t, table.DayInputs, table.Row{Partition: row.Partition, Key: key, Props: row.Props})()
		w.named(t, "DayInputs "+row.Partition+"/"+key, "it is in no revision of the day")
	})
	t.Run("a carry that no closer writes", func(t *testing.T) {
		defer w.insert(t, table.DayInputs, table.Row{Partition: row.Partition, Key: "carry_x", Props: row.Props})()
		w.named(t, "DayInputs "+row.Partition+"/carry_x", "it is in no revision of the day")
	})
	t.Run("a quantity altered on its way, with every hash made to fit", func(t *testing.T) {
		undo := w.forge(t, "20191210", "0002", `"carried":"17.961425899527967"`, `"carried":"7.961425899527967"`)
		w.named(t, "daily/"+ledgertest.CloudID+"/2019/12/10/0002-", "carried is ")
		undo()
		if r := w.verify(t); len(r.Differences) > 0 {
			t.Errorf("%q", r.Differences)
		}
	})
	t.Run("a quantity stated by the open day that no revision carries", func(t *testing.T) {
		undo := w.forge(t, "20191212", "0002", `"total":"17.961425899527967"`, `"total":"27.961425899527967"`)
		w.named(t, "daily/"+ledgertest.CloudID+"/2019/12/12/0002-", "total is ")
		undo()
	})
	t.Run("a line that was carried and is not there", func(t *testing.T) {
		undo := w.forge(t, "20191212", "0002", `"carriedFrom":"2019-12-10"`, `"carriedFrom":"2019-12-09"`)
		w.named(t, "daily/"+ledgertest.CloudID+"/2019/12/12/0002-", "there must be no line")
		undo()
	})
	t.Run("a carry that no revision has, and its day is not open", func(t *testing.T) {
		h := ledgertest.Hour(t, "2019121102")
		w.ingest(t, h, usageRow(1, ledgertest.Hour(t, "2019121023"), "1"))
		w.settle(t)
		w.carry(t, "20191210", "20191212", "an hour came late")
		w.close(t, ledgertest.Day(t, "20191210"))
		if r := w.verify(t); len(r.Differences) > 0 {
			t.Errorf("while the day is open: %q", r.Differences)
		}
		mark, err := w.account.Tables.Get(t.Context(), table.OpenDays, ledgertest.CloudID, "20191212")
		ledgertest.OK(t, err)
		ledgertest.OK(t, w.account.Tables.Apply(t.Context(), table.OpenDays, ledgertest.CloudID, table.Op{Verb: table.Delete, Row: mark}))
		w.named(t, "DayInputs "+ledgertest.CloudID+"_20191212/carry_20191210_0004_", "in no revision of the day")
	})
}

// carryRow is the only carry.
func (w *works) carryRow(t *testing.T) (found table.Row) {
	t.Helper()
	for row, err := range w.Tables.List(t.Context(), table.DayInputs, ledgertest.CloudID+"_20191212", "carry_", "carry`") {
		ledgertest.OK(t, err)
		found = row
	}
	return found
}

// insert puts a row that should not be there; undo takes it away.
func (w *works) insert(t *testing.T, name string, row table.Row) (undo func()) {
	t.Helper()
	ledgertest.OK(t, w.Tables.Apply(t.Context(), name, row.Partition, table.Op{Verb: table.Insert, Row: row}))
	return func() {
		have, err := w.Tables.Get(t.Context(), name, row.Partition, row.Key)
		ledgertest.OK(t, err)
		ledgertest.OK(t, w.Tables.Apply(t.Context(), name, row.Partition, table.Op{Verb: table.Delete, Row: have}))
	}
}

// forge alters a daily file and makes everything that names it fit: manifest,
// UsageDays and, if it carries, DayInputs.
func (w *works) forge(t *testing.T, usageDay, revision, was, now string) (undo func()) {
	t.Helper()
	d := ledgertest.Day(t, usageDay)
	prefix := ledgertest.CloudID + d.Start().Format("/2006/01/02/") + revision
	row, err := w.Tables.Get(t.Context(), table.UsageDays, ledgertest.CloudID, d.Compact()+"_"+revision)
	ledgertest.OK(t, err)
	file := w.read(t, row.Props["file"].(string))
	gz, err := gzip.NewReader(bytes.NewReader(file))
	ledgertest.OK(t, err)
	text, err := io.ReadAll(gz)
	ledgertest.OK(t, err)
	if !strings.Contains(string(text), was) {
		t.Fatalf("%s is not in %s", was, text)
	}
	var forged bytes.Buffer
	out := gzip.NewWriter(&forged)
	_, err = io.WriteString(out, strings.Replace(string(text), was, now, 1))
	ledgertest.OK(t, err)
	ledgertest.OK(t, out.Close())
	var m daily.Manifest
	ledgertest.OK(t, json.Unmarshal(w.read(t, row.Props["manifest"].(string)), &m))
	m.File, m.SHA256 = w.write(t, prefix, ".ndjson.gz", forged.Bytes())
	manifest, err := daily.EncodeManifest(m)
	ledgertest.OK(t, err)
	props := table.Props{}
	for name, v := range row.Props {
		props[name] = v
	}
	props["file"], props["sha256"] = m.File, m.SHA256
	props["manifest"], _ = w.write(t, prefix, ".manifest.json", manifest)
	put := func(row table.Row) {
		ledgertest.OK(t, w.Tables.Apply(t.Context(), table.UsageDays, ledgertest.CloudID, table.Op{Verb: table.Put, Row: row}))
	}
	put(table.Row{Partition: ledgertest.CloudID, Key: row.Key, Props: props})
	away := func() {}
	if props["carried"] != nil {
		carry := w.carryRow(t)
		carry.Key = carry.Key[:strings.LastIndex(carry.Key, "_")+1] + m.SHA256[:16]
		carry.Props["file"], carry.Props["sha256"] = m.File, m.SHA256
		away = w.insert(t, table.DayInputs, carry)
	}
	return func() {
		away()
		put(row)
	}
}

func (w *works) read(t *testing.T, path string) []byte {
	t.Helper()
	container, name, _ := strings.Cut(path, "/")
	body, _, err := w.account.Blobs.Open(t.Context(), container, name)
	ledgertest.OK(t, err)
	defer body.Close()
	b, err := io.ReadAll(body)
	ledgertest.OK(t, err)
	return b
}

// write stores a file of the container daily under a name made from its bytes.
func (w *works) write(t *testing.T, prefix, suffix string, b []byte) (path, sum string) {
	t.Helper()
	hash := sha256.Sum256(b)
	sum = hex.EncodeToString(hash[:])
	name := prefix + "-" + sum[:16] + suffix
	w.put(t, "daily", name, b)
	return "daily/" + name, sum
}
