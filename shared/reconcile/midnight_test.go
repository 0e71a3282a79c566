package reconcile_test

import (
	"fmt"
	"github.com/google/go-cmp/cmp"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"stackusage/internal/ledgertest"
	"stackusage/shared/hourlog"
	"stackusage/shared/reconcile"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// reconcile runs shared/reconcile over what the app has stored.
func (w *works) reconcile(t *testing.T, from, to string, change func(*reconcile.Options)) reconcile.Report {
	t.Helper()
	o := reconcile.Options{CloudID: ledgertest.CloudID, From: ledgertest.Day(t, from), To: ledgertest.Day(t, to)}
	if change != nil {
		change(&o)
	}
	report, err := reconcile.Sources{Tables: w.Tables, Files: w.files(), Meters: w.sweeper.Closer.Meters}.Run(t.Context(), o)
	ledgertest.OK(t, err)
	return report
}

// details is the usage details file of now.
func (w *works) details(t *testing.T) string {
	t.Helper()
	resp, err := http.Get(w.billing + "/v1/usage-details.csv")
	ledgertest.OK(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	ledgertest.OK(t, err)
	return string(text)
}

// told is a report in short: of each day the stack's number, the causes and the
// bill's.
func told(r reconcile.Report) map[string][]string {
	days := map[string][]string{}
	for _, l := range r.Lines {
		line := []string{"stack " + l.Stack.String()}
		for _, c := range l.Causes {
			text := string(c.Kind)
			if c.Delay != nil {
				text += fmt.Sprint(" ", *c.Delay)
			}
			line = append(line, text+" "+c.Quantity.String())
		}
		if l.Unexplained.Sign() != 0 {
			line = append(line, "unexplained "+l.Unexplained.String())
		}
		name := l.Day
		if l.Admin {
			name += " admin"
		}
		days[name] = append(line, "bill "+l.Bill.String())
	}
	return days
}

func mustTell(t *testing.T, r reconcile.Report, want map[string][]string) {
	t.Helper()
	if diff := cmp.Diff(want, told(r)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestReconcileMidnight: rows of one day reported on the next, rejected rows,
// corrections, and a record that commerce refused once.
func TestReconcileMidnight(t *testing.T) {
	t.Parallel()
	w := corrected(t)
	want := map[string][]string{
		// 1.5 + 16.461425899527967 + 1e-25 - 1; after midnight came 7, 3.5 and 0.25.
		"2019-12-10": {"stack 16.9614258995279670000000001", "quarantined 1", "reportedLater 1 7", "reportedLater 2 3.5", "reportedLater 3 0.25",
			"bill 28.7114258995279670000000001"},
		"2019-12-11": {"stack 12.75", "usedEarlier 1 -7", "usedEarlier 2 -3.5", "usedEarlier 3 -0.25", "bill 2"},
		"total":      {"stack 29.7114258995279670000000001", "quarantined 1", "bill 30.7114258995279670000000001"},
	}
	t.Run("each day by delay, and over both only what is in neither", func(t *testing.T) {
		r := w.reconcile(t, "20191210", "20191211", nil)
		mustTell(t, r, want)
		if r.Unexplained != 0 || r.Lines[0].Name != "TableCapacity" || r.Lines[0].Unit != "GB*hours" || r.Lines[0].Rate != "" {
			t.Errorf("%+v", r)
		}
		notes := []string{"2019-12-10T00:00Z to 2019-12-10T21:00Z no file is accepted: nothing landed", "2019-12-11T03:00Z to 2019-12-11T23:00Z no file is accepted: nothing landed"}
		var got []string
		for _, h := range r.Hours {
			got = append(got, reconcile.HourSpan{First: h.First, Last: h.Last}.String()+" "+h.What)
		}
		if diff := cmp.Diff(notes, got); diff != "" || len(r.Notes) != 1 || !strings.Contains(r.Notes[0], "2019-12-10T22:00Z: 1 rejected rows") {
			t.Errorf("%v\n%s", r.Notes, diff)
		}
	})
	t.Run("one day alone has what came later all the same", func(t *testing.T) {
		mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": want["2019-12-10"]})
	})
	t.Run("with the file everything has an amount by its rate", func(t *testing.T) {
		r := w.reconcile(t, "20191210", "20191211", withBill(w.details(t)))
		mustTell(t, r, want)
		day := r.Lines[0]
		// 28.711... at 0.000025, and 7 GB-hours that came an hour after.
		if day.Rate != "0.000025" || day.Currency != "USD" || day.Amounts.Bill.String() != "0.0007177856474881991750000000025" || day.Causes[1].Amount.String() != "0.000175" {
			t.Errorf("%+v", day)
		}
	})
	t.Run("a file of before the corrections lacks them by name", func(t *testing.T) {
		r := w.reconcile(t, "20191210", "20191211", withBill(withoutCorrections(w.details(t))))
		if got := told(r)["2019-12-10"]; !slices.Contains(got, "notInFile -3.75") || r.Unexplained != 0 {
			t.Errorf("%q", got)
		}
	})
	t.Run("only what is asked for", func(t *testing.T) {
		for name, change := range map[string]func(*reconcile.Options){
			"another meter":        func(o *reconcile.Options) { o.MeterID = strings.Repeat("1", 32) },
			"another subscription": func(o *reconcile.Options) { o.Subscription = strings.Repeat("1", 32) },
			"another stack":        func(o *reconcile.Options) { o.CloudID = ledgertest.Cloud(1) },
		} {
			if r := w.reconcile(t, "20191210", "20191211", change); len(r.Lines) > 0 {
				t.Errorf("%s: %q", name, told(r))
			}
		}
		mustTell(t, w.reconcile(t, "20191210", "20191211", func(o *reconcile.Options) {
			o.MeterID, o.Subscription = usage.NormalGUID(tableMeter), usage.NormalGUID(tenant)
		}), want)
	})
	t.Run("a quantity changed in DailyUsage is unexplained", func(t *testing.T) {
		_, undo := w.damageRow(table.DailyUsage, "", func(p table.Props) table.Props { p["quantity"] = "1000"; return p })(t)
		defer undo()
		if r := w.reconcile(t, "20191210", "20191211", nil); r.Unexplained != 1 || !strings.Contains(strings.Join(told(r)["2019-12-10"], " "), "unexplained") && !strings.Contains(strings.Join(told(r)["2019-12-11"], " "), "unexplained") {
			t.Errorf("%q", told(r))
		}
	})
}

// withoutCorrections is the usage details file as it was before: the rows of
// revisions after the first are left out, of the statement too.
func withoutCorrections(text string) string {
	var kept []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\r\n") {
		if strings.Contains(line, "30.7114258995279670000000001") {
			line = strings.ReplaceAll(line, "30.7114258995279670000000001", "26.9614258995279670000000001")
		}
		if !strings.Contains(line, "correction/") && !strings.Contains(line, "usage/3") && !strings.Contains(line, "usage/2") {
			kept = append(kept, line+"\r\n")
		}
	}
	return strings.Join(kept, "")
}

// TestReconcileOnTheWay: what is not in the bill yet, and why.
func TestReconcileOnTheWay(t *testing.T) {
	t.Parallel()
	w := startWorks(t)
	h22, h23, h00 := ledgertest.Hour(t, "2019121022"), ledgertest.Hour(t, "2019121023"), ledgertest.Hour(t, "2019121100")
	w.ingest(t, h22, usageRow(1, h22-1, "1"), usageRow(1, h22, "2"))
	w.ingest(t, h23, usageRow(1, h22, "4"))
	w.ingest(t, h00, usageRow(1, h23, "8"))
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 7", "reportedLater 1 8", "notClosed -15", "bill 0"}})

	w.now = w.now.Add(60 * time.Hour)
	w.close(t, ledgertest.Day(t, "20191210"))
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 7", "reportedLater 1 8", "noOutcome -15", "bill 0"}})
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 7", "reportedLater 1 8", "bill 15"}})

	w.ingest(t, h00+5, usageRow(1, h23, "16"), usageRow(2, h00-30, "32"))
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{
		"2019-12-10": {"stack 7", "reportedLater 1 8", "reportedLater 6 16", "notCorrected -16", "bill 15"}})
	mustTell(t, w.reconcile(t, "20191209", "20191209", nil), map[string][]string{"2019-12-09": {"stack 0", "reportedLater 35 32", "notClosed -32", "bill 0"}})
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191209", "20191211", nil), map[string][]string{
		"2019-12-09": {"stack 0", "reportedLater 35 32", "bill 32"},
		"2019-12-10": {"stack 7", "reportedLater 1 8", "reportedLater 6 16", "bill 31"},
		"2019-12-11": {"stack 56", "usedEarlier 1 -8", "usedEarlier 6 -16", "usedEarlier 35 -32", "bill 0"},
		"total":      {"stack 63", "bill 63"},
	})

	second := w.ingest(t, h00, usageRow(1, h23, "9"))
	if r := w.reconcile(t, "20191211", "20191211", nil); !strings.Contains(fmt.Sprint(r.Hours), "file "+second.SHA16+" is in conflict") {
		t.Errorf("%+v", r.Hours)
	}
	id := hourlog.ID{CloudID: ledgertest.CloudID, Hour: h00, SHA16: second.SHA16}
	_, err := hourlog.AskTakeOver(t.Context(), w.Tables, id, ledgertest.Because("the stack mended its rows"))
	ledgertest.OK(t, err)
	ledgertest.OK(t, w.sweeper.Ingester.IngestHour(t.Context(), second))
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{
		"2019-12-10": {"stack 7", "reportedLater 1 9", "reportedLater 6 16", "notCorrected -9", "notReversed 8", "bill 31"}})
	w.settle(t)
	mustTell(t, w.reconcile(t, "20191210", "20191210", nil), map[string][]string{"2019-12-10": {"stack 7", "reportedLater 1 9", "reportedLater 6 16", "bill 32"}})
	t.Run("a file of before and the stack's saved answers differ by name", func(t *testing.T) {
		r := w.reconcile(t, "20191211", "20191211", func(o *reconcile.Options) {
			o.Stack = answers(t, "20191211", map[usage.Hour]string{
				h00:     usageRow(1, h23, "8"),                                    // as it was before
				h00 + 1: usageRow(7, h00, "64"),                                   // never landed
				h00 + 5: usageRow(1, h23, "16") + "," + usageRow(2, h00-30, "32"), // as it landed
			})
		})
		mustTell(t, r, map[string][]string{"2019-12-11": {
			"stack 120", "hourNotAccepted -64", "hourDiffers 1", "usedEarlier 1 -9", "usedEarlier 6 -16", "usedEarlier 35 -32", "bill 0"}})
	})
}

// answers is a folder of saved answers of the usage API for all hours of a day.
func answers(t *testing.T, of string, rows map[usage.Hour]string) fstest.MapFS {
	t.Helper()
	folder := fstest.MapFS{}
	for h := ledgertest.Day(t, of).First(); h < ledgertest.Day(t, of).Next().First(); h++ {
		folder[h.Start().Format("2006-01-02T15")+".json"] = &fstest.MapFile{Data: []byte(`{"value":[` + rows[h] + `]}`)}
	}
	return folder
}
