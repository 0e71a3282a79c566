package days_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/html"

	"stackusage/cmd/stackusage/batches"
	"stackusage/cmd/stackusage/checks"
	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	pages "stackusage/cmd/stackusage/console/days"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/days"
	"stackusage/cmd/stackusage/explanation"
	"stackusage/cmd/stackusage/registrations"
	"stackusage/cmd/stackusage/usages"
	"stackusage/internal/closeddays"
	"stackusage/shared/daily"
	"stackusage/shared/explain"
	"stackusage/shared/meter"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

const (
	cloudID      = "b31316d4-de02-43a4-903d-eb74f8258b01"
	subscription = "11111111-1111-4111-8111-111111111111"
	script       = "<script>alert(1)<\\script>"
	arabic       = "خادم الويب"
)

var long = strings.Repeat("x", 4000)

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// scene is a stack of which 2024-03-01 is closed twice, 2024-03-02 with a record that
// commerce declined, and 2024-03-03 never.
type scene struct {
	*testing.T
	env    *cli.Env
	prices string
}

func newScene(t *testing.T) *scene {
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.Containers()...))
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20240301", Start: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), Region: "local"}))
	meters, err := meter.BuiltIn()
	ok(t, err)
	s := closeddays.Stack{CloudID: cloudID, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(), Billing: cloudID,
		Model: registration.PayAsYouUse, Tenants: map[string]string{subscription: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"}}
	first := day(t, "2024-03-01")
	use := func(on usage.Day, resource, quantity string) {
		q, err := usage.ParseQuantity(quantity)
		ok(t, err)
		s.Use(usage.Record{Hour: on.First(), Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: meter.WindowsVM,
			ResourceURI: "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + resource}})
	}
	for _, resource := range []string{script, long, arabic, "web01"} {
		use(first, resource, "2.00000000000000000001")
		use(first+1, resource, "3")
	}
	for i := range 300 {
		use(first+1, fmt.Sprintf("vm%03d", i), "1.5")
	}
	ok(t, s.Close(t.Context(), first, closeddays.Revision{Missing: []usage.Hour{first.First() + 5}}))
	use(first, "web01", "1")
	ok(t, s.Close(t.Context(), first, closeddays.Revision{}))
	ok(t, s.Close(t.Context(), first+1, closeddays.Revision{Outcome: func(_ int, r daily.Record) outcome.Result {
		if strings.HasSuffix(r.ResourceURI, "/web01") {
			return outcome.Result{Status: outcome.Rejected}
		}
		return outcome.Result{Status: outcome.Accepted}
	}}))
	list := filepath.Join(t.TempDir(), "prices.csv")
	ok(t, os.WriteFile(list, []byte("effective,meter_id,meter_name,unit,usd_rate,source_note\n2017-01-01,"+meter.WindowsVM+",,,0.046,\n"), 0o600))
	return &scene{t, cli.New(getenv, io.Discard, io.Discard), list}
}

func day(t testing.TB, text string) usage.Day {
	d, err := usage.ParseDay(text)
	ok(t, err)
	return d
}

func root(e *cli.Env) *cobra.Command {
	r := cli.Group("stackusage", "", "", days.Command(e), explanation.Command(e), usages.Command(e), batches.Command(e), registrations.Command(e), checks.Status(e))
	e.OutputFlag(r)
	r.SilenceErrors, r.SilenceUsage = true, true
	return r
}

// get is a page of an address.
func (s *scene) get(show func(*page.Request) (*page.Page, error), address string) *html.Node {
	s.Helper()
	text := s.text(show, address)
	doc, err := html.Parse(strings.NewReader(text))
	ok(s.T, err)
	if strings.Contains(text, "<script") {
		s.Errorf("%s has a script", address)
	}
	return doc
}

func (s *scene) text(show func(*page.Request) (*page.Page, error), address string) string {
	s.Helper()
	u, err := url.Parse(address)
	ok(s.T, err)
	w := httptest.NewRecorder()
	r := &page.Request{Context: s.Context(), Path: u.Path, Query: u.Query(), Now: time.Date(2024, 3, 10, 0, 0, 0, 0, time.UTC), Env: s.env, Root: root, Prices: []string{"--prices", s.prices, "--names", s.prices}}
	if !strings.HasPrefix(address, "/explain") {
		r.Prices = r.Prices[:2]
	}
	r.Begin(w)
	p, err := show(r)
	ok(s.T, err)
	page.Write(w, r, 200, p)
	return w.Body.String()
}

// answer is what a command prints as JSON.
func (s *scene) answer(args ...string) *json.Decoder {
	s.Helper()
	var out bytes.Buffer
	r := root(cli.New(s.env.Getenv, &out, io.Discard))
	r.SetArgs(append(args, "--output", "json"))
	if err := r.ExecuteContext(s.Context()); err != nil && err != cli.ErrDifferences {
		s.Fatal(args, err)
	}
	return json.NewDecoder(&out)
}

// find are the nodes for which take is true, in order.
func find(n *html.Node, take func(*html.Node) bool) (all []*html.Node) {
	for d := range n.Descendants() {
		if take(d) {
			all = append(all, d)
		}
	}
	return all
}

func tag(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Type == html.ElementNode && n.Data == name }
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func textOf(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data + " ")
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

func id(doc *html.Node, id string) *html.Node {
	for _, n := range find(doc, func(n *html.Node) bool { return attr(n, "id") == id }) {
		return n
	}
	return &html.Node{}
}

// exact is the whole text of a cell: its title, if it shows less.
func exact(td *html.Node) string {
	for _, n := range find(td, func(n *html.Node) bool { return attr(n, "title") != "" }) {
		return attr(n, "title")
	}
	return textOf(td)
}

// rows are the cells of the body of a table, whole.
func rows(n *html.Node) (all [][]string) {
	for _, body := range find(n, tag("tbody")) {
		for _, tr := range find(body, tag("tr")) {
			var cells []string
			for _, td := range find(tr, tag("td")) {
				cells = append(cells, exact(td))
			}
			all = append(all, cells)
		}
	}
	return all
}

func hrefs(n *html.Node, path string) (all []string) {
	for _, a := range find(n, tag("a")) {
		if strings.HasPrefix(attr(a, "href"), path) {
			all = append(all, attr(a, "href"))
		}
	}
	return all
}

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
			"/days?registration=hamburg&from=2023-01-01&to=2023-02-01": "no such usage day was closed",
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
