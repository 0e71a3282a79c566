package days_test

import (
	"fmt"
	"io"
	"net/url"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/html"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	pages "stackusage/cmd/stackusage/console/days"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/days"
	"stackusage/internal/closeddays"
	"stackusage/shared/explain"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// TestPages: each page has what the command prints.
func TestPages(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	t.Run("days, the newest first", func(t *testing.T) {
		doc := s.get(pages.Show, "/days?registration=hamburg&from=2024-03-01&to=2024-03-04")
		shown := rows(id(doc, "days"))
		slices.Reverse(shown)
		answer := s.answer("day", "list", "--registration", "hamburg", "--from", "2024-03-01", "--to", "2024-03-04")
		n := 0
		for ; answer.More(); n++ {
			var row days.Row
			ok(t, answer.Decode(&row))
			want := []string{row.Day, fmt.Sprint(row.Revision), usage.Point(row.Closed), "complete", fmt.Sprint(row.Rows), fmt.Sprint(row.Records)}
			switch {
			case row.Revision == 0:
				want = []string{row.Day, "", "never", "", "", ""}
			case !row.Complete:
				want[3] = row.Missing[0].String()
			}
			if n >= len(shown) || !slices.Equal(shown[n][:6], want) {
				t.Errorf("row %d: %v, want %v", n, shown, want)
			}
		}
		if n != len(shown) || n != 5 {
			t.Errorf("%d rows of %d: %v", len(shown), n, shown)
		}
	})
	t.Run("days without a range end with the last one", func(t *testing.T) {
		text := textOf(id(s.get(pages.Show, "/days?registration=hamburg"), "days"))
		if !strings.Contains(text, "stackusage day list --registration hamburg --from 2024-01-02 --to 2024-03-01") && !strings.Contains(text, "--to 2024-03-02") {
			t.Error(text)
		}
	})
	t.Run("a day's steps", func(t *testing.T) {
		doc := s.get(pages.ShowDay, "/day?registration=hamburg&day=2024-03-01")
		steps := find(id(doc, "revisions"), tag("h3"))
		if len(steps) != 2 || !strings.HasPrefix(textOf(steps[1]), "Revision 2 closed 2024-03-02T06:00Z") {
			t.Errorf("%d steps", len(steps))
		}
		if text := textOf(id(doc, "revisions")); !strings.Contains(text, "1 hour missing 2024-03-01T05:00Z") || !strings.Contains(text, "4 in 1 batch ") || !strings.Contains(text, "1 in 1 batch ") {
			t.Error(text)
		}
		if links := hrefs(id(doc, "revisions"), "/hour?"); !slices.Equal(links, []string{"/hour?hour=2024-03-01T05%3A00Z&registration=" + cloudID}) {
			t.Error(links)
		}
	})
	t.Run("a record is never a flag", func(t *testing.T) {
		text := textOf(s.get(pages.ShowExplain, "/explain?record=--bill%3D/etc/passwd"))
		if strings.Contains(text, "stackusage explain --bill") || !strings.Contains(text, "RECORDID") {
			t.Error(text)
		}
	})
	t.Run("a day that was never closed", func(t *testing.T) {
		text := textOf(s.get(pages.ShowDay, "/day?registration=hamburg&day=2024-03-03"))
		if !strings.Contains(text, "The day was never closed Nothing has landed for it yet.") || !strings.Contains(text, "There are no such lines on this day") {
			t.Error(text)
		}
	})
	t.Run("a day's lines", func(t *testing.T) {
		var want [][]string
		for answer := s.answer("usage", "--day", "2024-03-02", "--registration", "hamburg", "--by", "subscription,resource,meter", "--prices", s.prices); answer.More(); {
			var row usagereport.Row
			ok(t, answer.Decode(&row))
			amount := ""
			if row.Amount != nil {
				amount = row.Amount.String()
			}
			want = append(want, []string{row.Resource, row.Meter, row.Quantity.String(), row.Unit, amount, string(row.State), row.Subscription})
		}
		var got [][]string
		address, pagesRead := "/day?registration=hamburg&day=2024-03-02", 0
		for address != "" {
			doc := s.get(pages.ShowDay, address)
			got, address = append(got, rows(id(doc, "lines"))...), ""
			for _, a := range find(id(doc, "lines"), func(n *html.Node) bool { return attr(n, "rel") == "next" }) {
				address = attr(a, "href")
			}
			if pagesRead++; pagesRead > 3 {
				break
			}
		}
		if len(want) != 304 || pagesRead != 2 || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%d rows on %d pages, want %d", len(got), pagesRead, len(want))
		}
	})
	t.Run("filters", func(t *testing.T) {
		for query, want := range map[string]int{"resource=web01": 1, "search=vm0": 100, "search=DECLINED": 1, "search=" + url.QueryEscape(arabic): 1, "meter=" + meter.BaseVM: 0, "subscription=" + subscription + "&search=alert(1)": 1} {
			if got := rows(id(s.get(pages.ShowDay, "/day?registration=hamburg&day=2024-03-02&"+query), "lines")); len(got) != want {
				t.Errorf("%s: %d rows, want %d", query, len(got), want)
			}
		}
		if text := s.text(pages.ShowDay, "/day?registration=hamburg&day=2024-03-02&search=vm00&csv=lines"); strings.Count(text, "\n") != 11 || !strings.Contains(text, "/virtualMachines/vm007,") {
			t.Error(text)
		}
	})
	t.Run("every line leads to its explanation", func(t *testing.T) {
		links := hrefs(id(s.get(pages.ShowDay, "/day?registration=hamburg&day=2024-03-01"), "lines"), "/explain?")
		if len(links) != 4 {
			t.Error(links)
		}
		for _, link := range links {
			s.explained(t, link)
		}
	})
	t.Run("a record", func(t *testing.T) {
		var report explain.Report
		ok(t, s.answer("explain", "--registration", "hamburg", "--day", "2024-03-01", "--resource", "web01").Decode(&report))
		s.explained(t, "/explain?record="+report.Lines[0].Revisions[1].RecordID)
	})
	t.Run("no such line leads to where there are lines", func(t *testing.T) {
		doc := s.get(pages.ShowExplain, "/explain?registration=hamburg&day=2024-03-01&resource=vm001")
		if text := textOf(doc); !strings.Contains(text, "no such line: the day has 4 lines") {
			t.Error(text)
		}
		if links := hrefs(id(doc, "line"), "/explain?"); !slices.Equal(links, []string{"/explain?day=2024-03-02&registration=hamburg&resource=vm001"}) {
			t.Error(links)
		}
	})
	t.Run("what is missing or wrong is a page", func(t *testing.T) {
		for address, want := range map[string]string{
			"/day": "choose a registration and a usage day",
			"/day?registration=hamburg&day=2024-03-32": `parse day "2024-03-32"`,
			"/day?registration=bremen&day=2024-03-01":  "bremen",
			"/explain":          "Choose a usage day with a resource and a meter, or a record",
			"/explain?record=1": `RECORDID "1": not a GUID`,
			"/explain?line=3":   "--bill is missing",
			"/explain?registration=hamburg&day=2024-03-03":             "the day was never closed; closed days: 2024-03-01, 2024-03-02",
			"/explain?registration=hamburg&day=2024-03-02":             "304 lines. Each resource leads to its explanation.",
			"/days?registration=hamburg&from=2024-03-09&to=x":          "2024-03-09",
			"/days?registration=hamburg&from=2023-01-01&to=2023-02-01": "No such usage day was closed",
		} {
			show := map[string]func(*page.Request) (*page.Page, error){"/day": pages.ShowDay, "/days": pages.Show, "/explain": pages.ShowExplain}[strings.SplitN(address, "?", 2)[0]]
			if text := textOf(s.get(show, address)); !strings.Contains(text, want) {
				t.Errorf("%s: want %q in %s", address, want, text)
			}
		}
	})
}

// explained compares the page of an explanation with what the command prints.
func (s *scene) explained(t *testing.T, address string) {
	t.Helper()
	u, err := url.Parse(address)
	ok(t, err)
	args := []string{"explain"}
	if record := u.Query().Get("record"); record != "" {
		args = append(args, record)
	}
	for _, flag := range []string{"registration", "day", "resource", "meter"} {
		if value := u.Query().Get(flag); value != "" {
			args = append(args, "--"+flag, value)
		}
	}
	var report explain.Report
	ok(t, s.answer(args...).Decode(&report))
	doc := s.get(pages.ShowExplain, address)
	if len(report.Lines) != 1 || len(report.Contradictions) == 0 {
		t.Fatalf("%s: %d lines, %v", address, len(report.Lines), report.Contradictions)
	}
	l := report.Lines[0]
	rate, err := usage.ParseQuantity("0.046")
	ok(t, err)
	var billed []string
	for _, n := range find(doc, func(n *html.Node) bool { return attr(n, "class") == "big" }) {
		for _, span := range find(n, func(n *html.Node) bool { return attr(n, "title") != "" }) {
			billed = append(billed, attr(span, "title"))
		}
		if len(billed) == 0 {
			billed = []string{textOf(n)}
		}
	}
	want := []string{l.Billed.String(), l.Billed.Mul(rate).String()}
	if len(want[0]) > 16 && !slices.Equal(billed, want) {
		t.Errorf("%s: billed %v, want %v", address, billed, want)
	}
	text := textOf(doc)
	for _, want := range append(report.Contradictions, l.ResourceURI, l.MeterID, "Not everything agrees", "Revision 1", "Revision 2", "not everything agrees") {
		if !strings.Contains(text, strings.Join(strings.Fields(want), " ")) {
			t.Errorf("%s: no %.100s", address, want)
		}
	}
	for _, rev := range l.Revisions {
		if rev.RecordID != "" && !strings.Contains(text, "record "+rev.RecordID+" , "+rev.Outcome) {
			t.Errorf("%s: no record %s", address, rev.RecordID)
		}
	}
}

// BenchmarkDay is the page of a day of 33,000 lines after the first reading: it is to be
// there in under a second.
func BenchmarkDay(b *testing.B) {
	getenv, account := clitest.Storage(b)
	ok(b, account.Blobs.Create(b.Context(), table.Containers()...))
	meters, err := meter.BuiltIn()
	ok(b, err)
	s := closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: b.TempDir(), Billing: cloudID, Model: registration.PayAsYouUse}
	register(b, account)
	first := day(b, "2024-03-01")
	for i := range 11_000 {
		for _, id := range []string{meter.WindowsVM, meter.BaseVM, meter.VMHours} {
			q, err := usage.ParseQuantity(fmt.Sprintf("%d.5", i))
			ok(b, err)
			s.Use(usage.Record{Hour: first.First(), Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: id,
				ResourceURI: fmt.Sprintf("/subscriptions/%s/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/vm%05d", subscription, i)}})
		}
	}
	ok(b, s.Close(b.Context(), first, closeddays.Revision{}))
	view := &scene{b, cli.New(getenv, io.Discard, io.Discard), ""}
	for _, query := range []string{"", "&search=vm00999", "&meter=" + meter.BaseVM} {
		b.Run("page"+query, func(b *testing.B) {
			for b.Loop() {
				view.get(pages.ShowDay, "/day?registration="+cloudID+"&day=2024-03-01"+query)
			}
		})
	}
}
