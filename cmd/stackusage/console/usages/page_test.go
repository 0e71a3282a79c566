package usages

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/spf13/cobra"
	"golang.org/x/net/html"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/days"
	"stackusage/cmd/stackusage/registrations"
	command "stackusage/cmd/stackusage/usages"
	"stackusage/internal/closeddays"
	"stackusage/internal/devstack/azurite/azuritetest"
	"stackusage/shared/azurestore"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/openday"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
	"stackusage/shared/usagesums"
)

func TestMain(m *testing.M) { azuritetest.Main(m) }

const (
	hamburg  = "b31316d4-de02-43a4-903d-eb74f8258b01"
	contoso  = "11111111-1111-4111-8111-111111111111"
	fabrikam = "22222222-2222-4222-8222-222222222222"
	own      = "09065051-cfe9-4fcf-b90c-87f2af292fc9"
	static   = "b5c15376-6c94-4fdd-b655-1a69d138aca3" // has no price
	script   = "<script>alert(1)</script>"
)

const priceList = `effective,meter_id,meter_name,unit,usd_rate,source_note
2017-01-01,fab6eb84-500b-4a09-a8ca-7358f8bbaea5,,,0.008,
2017-01-01,9cd92d4c-bafd-4492-b278-bedc2de8232a,,,0.046,
`

func ok(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// console is a stack with closed days, and who looks at them.
type console struct {
	getenv  func(string) string
	prices  []string
	jobs    *page.Jobs
	account *azurestore.Account
	stack   *closeddays.Stack
}

func newConsole(t *testing.T) *console {
	t.Helper()
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.Containers()...))
	dir := t.TempDir()
	list := filepath.Join(dir, "prices.csv")
	ok(t, os.WriteFile(list, []byte(priceList), 0o600))
	meters, err := meter.BuiltIn()
	ok(t, err)
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: hamburg, Name: "hamburg", SubscriptionID: hamburg,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20240201", Start: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), Region: "local"}))
	return &console{
		getenv: func(name string) string {
			if name == usagesums.Env {
				return filepath.Join(dir, "cache")
			}
			return getenv(name)
		},
		prices: []string{"--prices", list}, jobs: page.NewJobs(t.Context()), account: account,
		stack: &closeddays.Stack{CloudID: hamburg, Tables: account.Tables, Blobs: account.Blobs, Meters: meters, TempDir: t.TempDir(),
			Billing: hamburg, Model: registration.PayAsYouUse, Infrastructure: []string{own},
			Tenants: map[string]string{contoso: "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa", fabrikam: "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"}},
	}
}

func (c *console) use(t *testing.T, day, subscription, name, meterID, quantity string) {
	t.Helper()
	d, err := usage.ParseDay(day)
	ok(t, err)
	q, err := usage.ParseQuantity(quantity)
	ok(t, err)
	c.stack.Use(usage.Record{Hour: d.First(), Quantity: q, Shown: usage.Shown{SubscriptionID: subscription, MeterID: meterID,
		ResourceURI: "/subscriptions/" + subscription + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + name}})
}

func (c *console) close(t *testing.T, day string, how closeddays.Revision) {
	t.Helper()
	d, err := usage.ParseDay(day)
	ok(t, err)
	ok(t, c.stack.Close(t.Context(), d, how))
}

// march is two months with everything that a page has to tell apart.
func march(t *testing.T) *console {
	t.Helper()
	c := newConsole(t)
	c.use(t, "2024-02-10", contoso, "web", meter.BaseVM, "100000")
	c.use(t, "2024-02-10", fabrikam, "db", meter.WindowsVM, "1000.25")
	for i := range 12 {
		c.use(t, "2024-03-01", contoso, fmt.Sprintf("vm%02d", i), meter.BaseVM, fmt.Sprintf("%d.0000001", 1000+i*37))
		c.use(t, "2024-03-02", contoso, fmt.Sprintf("vm%02d", i), meter.WindowsVM, fmt.Sprintf("%d", 10+i))
	}
	c.use(t, "2024-03-02", fabrikam, script, meter.WindowsVM, "500")
	c.use(t, "2024-03-02", fabrikam, "ip", static, "8")
	c.use(t, "2024-03-02", own, "controller", meter.WindowsVM, "9")
	c.use(t, "2024-03-03", fabrikam, "declined", meter.WindowsVM, "7")
	c.use(t, "2024-03-04", fabrikam, "db", meter.WindowsVM, "3")
	c.close(t, "2024-02-10", closeddays.Revision{})
	c.close(t, "2024-03-01", closeddays.Revision{})
	c.close(t, "2024-03-02", closeddays.Revision{})
	c.close(t, "2024-03-03", closeddays.Revision{Outcome: func(int, daily.Record) outcome.Result { return outcome.Result{Status: outcome.Rejected} }})
	c.close(t, "2024-03-04", closeddays.Revision{})
	c.stack.TakeBack(usage.HourOf(time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)).Day(), func(r usage.Record) bool { return strings.HasSuffix(r.ResourceURI, "vm03") })
	fourth, err := usage.ParseDay("2024-03-05")
	ok(t, err)
	c.use(t, "2024-03-05", fabrikam, "db", meter.WindowsVM, "1")
	c.close(t, "2024-03-01", closeddays.Revision{CarryTo: fourth}) // the next day has a negative part
	c.close(t, "2024-03-05", closeddays.Revision{})
	return c
}

func root(e *cli.Env) *cobra.Command {
	root := cli.Group("stackusage", "", "", command.Command(e), days.Command(e), registrations.Command(e))
	e.OutputFlag(root)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	return root
}

func (c *console) get(t *testing.T, query string) (*html.Node, *httptest.ResponseRecorder) {
	t.Helper()
	values, err := url.ParseQuery(query)
	ok(t, err)
	w := httptest.NewRecorder()
	r := &page.Request{Context: t.Context(), Path: "/usage", Query: values, Now: time.Date(2024, 3, 20, 0, 0, 0, 0, time.UTC),
		Env: cli.New(c.getenv, io.Discard, io.Discard), Root: root, Prices: c.prices, Jobs: c.jobs}
	r.Begin(w)
	p, err := Show(r)
	ok(t, err)
	page.Write(w, r, 200, p)
	doc, err := html.Parse(bytes.NewReader(w.Body.Bytes()))
	ok(t, err)
	return doc, w
}

// whole is the page once everything is read.
func (c *console) whole(t *testing.T, query string) *html.Node {
	t.Helper()
	doc, w := c.get(t, query)
	if w.Header().Get("Refresh") != "" {
		c.jobs.Wait()
		doc, _ = c.get(t, query)
	}
	return doc
}

func find(n *html.Node, is func(*html.Node) bool) (all []*html.Node) {
	for d := range n.Descendants() {
		if d.Type == html.ElementNode && is(d) {
			all = append(all, d)
		}
	}
	return all
}

func named(tag string) func(*html.Node) bool {
	return func(n *html.Node) bool { return n.Data == tag }
}

func class(name string) func(*html.Node) bool {
	return func(n *html.Node) bool { return slices.Contains(strings.Fields(attr(n, "class")), name) }
}

func attr(n *html.Node, name string) string {
	for _, a := range n.Attr {
		if a.Key == name {
			return a.Val
		}
	}
	return ""
}

func text(n *html.Node) string {
	var b strings.Builder
	for d := range n.Descendants() {
		if d.Type == html.TextNode {
			b.WriteString(d.Data)
		}
	}
	return strings.TrimSpace(b.String())
}

// exact is what a cell stands for: its title, or its text without thousands.
func exact(n *html.Node) string {
	for _, d := range find(n, func(n *html.Node) bool { return attr(n, "title") != "" }) {
		return attr(d, "title")
	}
	shown, _, _ := strings.Cut(text(n), " ") // a share may follow
	if n.Data == "td" {
		shown = text(n)
	}
	return strings.TrimPrefix(strings.ReplaceAll(shown, ",", ""), "+")
}

func part(t *testing.T, doc *html.Node, id string) *html.Node {
	t.Helper()
	all := find(doc, func(n *html.Node) bool { return n.Data == "section" && attr(n, "id") == id })
	if len(all) != 1 {
		t.Fatalf("%d parts %s", len(all), id)
	}
	return all[0]
}

// cells are those of a table by column; the last row is that of the total.
func cells(t *testing.T, section *html.Node, of string) (rows []map[string]string) {
	t.Helper()
	heads := find(section, named("th"))
	for _, body := range find(section, named(of)) {
		for _, tr := range find(body, named("tr")) {
			row := map[string]string{}
			for i, td := range find(tr, named("td")) {
				row[text(heads[i])] = exact(td)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// answer runs the command that the page names, and returns its rows in JSON.
func (c *console) answer(t *testing.T, section *html.Node) (rows []usagereport.Row) {
	t.Helper()
	commands := find(section, class("command"))
	args := words(strings.TrimPrefix(text(find(commands[len(commands)-1], named("code"))[0]), "stackusage "))
	var out bytes.Buffer
	cmd := root(cli.New(c.getenv, &out, io.Discard))
	cmd.SetArgs(append(args, "--output", "json"))
	ok(t, cmd.ExecuteContext(t.Context()))
	for dec := json.NewDecoder(&out); dec.More(); {
		var row usagereport.Row
		ok(t, dec.Decode(&row))
		rows = append(rows, row)
	}
	return rows
}

// words splits a command as a shell does.
func words(line string) (all []string) {
	for line != "" {
		word := ""
		if quoted, is := strings.CutPrefix(line, "'"); is {
			word, line, _ = strings.Cut(quoted, "'")
			line = strings.TrimPrefix(line, " ")
		} else {
			word, line, _ = strings.Cut(line, " ")
		}
		all = append(all, word)
	}
	return all
}

// TestSameAsCommand: each number of the table, of the legend and of the picture is one of
// the command that the page names.
func TestSameAsCommand(t *testing.T) {
	t.Parallel()
	c := march(t)
	for _, query := range []string{"month=2024-03", "by=subscription", "by=resource", "by=tenant", "by=resource&compare=none", "by=meter&subscription=" + fabrikam,
		"by=resource&meter=" + url.QueryEscape(meter.WindowsVM), "by=tenant&meter=" + meter.WindowsVM + "&measure=quantity", "by=resource&sort=change"} {
		t.Run(query, func(t *testing.T) {
			doc := c.whole(t, query)
			section := part(t, doc, "usage")
			rows := c.answer(t, section)
			shown := cells(t, section, "tbody")
			total := new(big.Rat)
			n := 0
			for _, row := range rows {
				if !row.State.InBill() {
					continue
				}
				if n >= len(shown) {
					t.Fatalf("the table has %d rows, and the command has more", n)
				}
				same(t, row, shown[n])
				n++
				if row.Amount != nil {
					total.Add(total, rat(*row.Amount))
				}
			}
			if n != len(shown) {
				t.Errorf("the table has %d rows, the command has %d", len(shown), n)
			}
			if foot := cells(t, section, "tfoot")[0]; number(t, foot["Amount"]).Cmp(total) != 0 {
				t.Errorf("total %s, want %s", foot["Amount"], total.FloatString(10))
			}
			if strings.Contains(query, "measure=quantity") {
				total = new(big.Rat)
				for _, row := range rows {
					if row.State.InBill() {
						total.Add(total, rat(*row.Quantity))
					}
				}
			}
			picture := part(t, doc, "picture")
			legend := new(big.Rat)
			for _, li := range find(find(picture, class("legend"))[0], named("li")) {
				legend.Add(legend, number(t, exact(find(li, class("number"))[0])))
			}
			if legend.Cmp(total) != 0 {
				t.Errorf("the legend sums to %s, want %s", legend.FloatString(10), total.FloatString(10))
			}
			sum := new(big.Rat)
			for _, segment := range find(picture, class("segment")) {
				title := text(find(segment, named("title"))[0])
				at := strings.LastIndex(title, ": ")
				value, _, _ := strings.Cut(title[at+2:], " ")
				sum.Add(sum, number(t, value))
			}
			if sum.Cmp(total) != 0 {
				t.Errorf("the segments sum to %s, want %s", sum.FloatString(10), total.FloatString(10))
			}
			if found := find(doc, named("script")); len(found) > 0 {
				t.Error("a script of a resource's name")
			}
		})
	}
}

// same compares a row of the table with one of the command.
func same(t *testing.T, row usagereport.Row, shown map[string]string) {
	t.Helper()
	for column, want := range map[string]*usage.Quantity{"Amount": row.Amount, "Quantity": row.Quantity, "2024-02": row.AmountBefore, "Change": row.Change} {
		got, is := shown[column]
		if !is || want == nil || row.Amount == nil && column == "Change" {
			continue
		}
		if number(t, got).Cmp(rat(*want)) != 0 {
			t.Errorf("%v: %s is %s, want %s", shown, column, got, want)
		}
	}
	if got, is := shown["Change %"]; is && row.Amount != nil && got != strings.TrimPrefix(row.Percent, "+") {
		t.Errorf("%v: change in per cent, want %s", shown, row.Percent)
	}
	for column, want := range map[string]string{"Resource": row.Resource, "Subscription": row.Subscription, "Tenant": row.Tenant, "Unit": row.Unit, "Meter": row.MeterID} {
		if got, is := shown[column]; is && got != want {
			t.Errorf("%v: %s is %q, want %q", shown, column, got, want)
		}
	}
	if row.Amount == nil && shown["Amount"] != "no price" && row.Lines > 0 {
		t.Errorf("%v has no price, and does not say so", shown)
	}
}

// TestFirstReading: the page is there with what is read so far, says how much is left, and
// loads itself again; then it is whole.
func TestFirstReading(t *testing.T) {
	t.Parallel()
	c := march(t)
	doc, w := c.get(t, "")
	if notice := find(doc, class("notice")); w.Header().Get("Refresh") != "2" || len(notice) != 1 || !strings.Contains(text(notice[0]), "0 of 6 closed days are in these numbers. The rest is being read.") {
		t.Errorf("first page: %s", text(part(t, doc, "picture")))
	}
	if _, w = c.get(t, "reload=off"); w.Header().Get("Refresh") != "" {
		t.Error("the page reloads, though it should not")
	}
	c.jobs.Wait()
	doc, w = c.get(t, "")
	if title := text(find(doc, named("h1"))[0]); w.Header().Get("Refresh") != "" || len(find(doc, class("notice"))) != 0 || title != "Usage of March 2024" {
		t.Errorf("%s: %s", title, text(part(t, doc, "picture")))
	}
}

// TestReadingFails: a file that cannot be read is an error on the page, beside the days
// that were read.
func TestReadingFails(t *testing.T) {
	t.Parallel()
	c := march(t)
	client, err := azblob.NewClientFromConnectionString(c.getenv("UsageStorage"), nil)
	ok(t, err)
	var names []string
	ok(t, c.account.Blobs.List(t.Context(), table.ContainerDaily, func(name string, _ time.Time) error {
		names = append(names, name)
		return nil
	}))
	for _, name := range names {
		if strings.Contains(name, "/2024/03/02/") {
			_, err := client.DeleteBlob(t.Context(), table.ContainerDaily, name, nil)
			ok(t, err)
		}
	}
	_, _ = c.get(t, "month=2024-03")
	c.jobs.Wait()
	doc, w := c.get(t, "month=2024-03")
	problem := find(doc, class("problem"))
	if len(problem) != 1 || !strings.Contains(text(problem[0]), "The rest cannot be read:") || w.Header().Get("Refresh") != "" {
		t.Errorf("page: %s", text(part(t, doc, "picture")))
	}
}

// TestQuantitiesOnly: without prices a picture is of one meter, and another one can be
// chosen; by another dimension one must be.
func TestQuantitiesOnly(t *testing.T) {
	t.Parallel()
	c := march(t)
	c.prices = nil
	doc := c.whole(t, "month=2024-03")
	if bars := find(part(t, doc, "picture"), class("segment")); len(bars) == 0 || !strings.Contains(text(find(doc, named("figcaption"))[0]), "Quantity of Windows VM Size Hours by day of 2024-03 in vCPU hours") {
		t.Errorf("picture: %s", text(part(t, doc, "picture")))
	}
	doc = c.whole(t, "month=2024-03&by=resource")
	if figures := find(doc, named("figure")); len(figures) != 0 || !strings.Contains(text(part(t, doc, "picture")), "Choose a meter") {
		t.Errorf("picture: %s", text(part(t, doc, "picture")))
	}
}

// TestDaysThatMayChange: days that are not closed, not over or open are hatched and named.
func TestDaysThatMayChange(t *testing.T) {
	t.Parallel()
	c := march(t)
	third, err := usage.ParseDay("2024-03-03")
	ok(t, err)
	ok(t, openday.Touch(t.Context(), c.account.Tables, hamburg, third, openday.Mark{}))
	doc := c.whole(t, "month=2024-03")
	keys := find(doc, class("wide"))
	if len(keys) != 1 {
		t.Fatal("no keys of the hatching")
	}
	got := text(keys[0])
	for _, want := range []string{"not closed: 2024-03-06 to 2024-03-31", "open, may still change: 2024-03-03"} {
		if !strings.Contains(got, want) {
			t.Errorf("keys: %s, want %s", got, want)
		}
	}
	if rects := find(doc, func(n *html.Node) bool { return attr(n, "fill") == "url(#hatch-none)" }); len(rects) != 26+1 {
		t.Errorf("%d places are hatched", len(rects))
	}
}

// TestResource: a resource has its days, and each leads to its explanation.
func TestResource(t *testing.T) {
	t.Parallel()
	c := march(t)
	uri := "/subscriptions/" + fabrikam + "/resourceGroups/rg/providers/Microsoft.Compute/virtualMachines/" + script
	doc := c.whole(t, "month=2024-03&resource="+url.QueryEscape(uri))
	rows := cells(t, part(t, doc, "days"), "tbody")
	if len(rows) != 1 || rows[0]["Usage day"] != "2024-03-02" || rows[0]["Amount"] != "23" {
		t.Fatalf("days: %v", rows)
	}
	var hrefs []string
	for _, a := range find(part(t, doc, "days"), named("a")) {
		hrefs = append(hrefs, attr(a, "href"))
	}
	if want := page.Href("/explain", "registration", hamburg, "day", "2024-03-02", "resource", uri, "meter", meter.WindowsVM); !slices.Contains(hrefs, want) {
		t.Errorf("links %v, want %s", hrefs, want)
	}
}

// TestPages: rows beyond the first ones are on further pages, and the picture stays.
func TestPages(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	for i := range page.PageRows + 20 {
		c.use(t, "2024-03-01", contoso, fmt.Sprintf("vm%03d", i), meter.BaseVM, fmt.Sprint(1000-i))
	}
	c.close(t, "2024-03-01", closeddays.Revision{})
	first := c.whole(t, "month=2024-03&by=resource&compare=none")
	second := c.whole(t, fmt.Sprintf("month=2024-03&by=resource&compare=none&skip-usage=%d", page.PageRows))
	rows := cells(t, part(t, second, "usage"), "tbody")
	if n := len(cells(t, part(t, first, "usage"), "tbody")); n != page.PageRows || len(rows) != 20 || number(t, rows[0]["Amount"]).Cmp(big.NewRat(64, 10)) != 0 {
		t.Errorf("%d and %d rows, the first of the second page %v", n, len(rows), rows[0])
	}
	legend := func(doc *html.Node) string { return text(find(doc, class("legend"))[0]) }
	if legend(first) != legend(second) || !strings.Contains(legend(first), "others") {
		t.Errorf("pictures: %s, and %s", legend(first), legend(second))
	}
	quantities := c.whole(t, "month=2024-03&by=resource&compare=none&measure=quantity&meter="+meter.BaseVM)
	sum := new(big.Rat)
	for _, li := range find(find(quantities, class("legend"))[0], named("li")) {
		sum.Add(sum, number(t, exact(find(li, class("number"))[0])))
	}
	if sum.Cmp(big.NewRat(220*(1000+781)/2, 1)) != 0 {
		t.Errorf("the legend sums to %s", sum.FloatString(2))
	}
}

// TestCSV: the tables are those of the command.
func TestCSV(t *testing.T) {
	t.Parallel()
	c := march(t)
	for _, id := range []string{"usage", "beside"} {
		_, w := c.get(t, "month=2024-03&by=resource&csv="+id)
		if head, _, _ := strings.Cut(w.Body.String(), "\n"); !strings.Contains(head, "resourceUri") || strings.Count(w.Body.String(), "\n") < 15 {
			t.Errorf("%s: %s", id, w.Body)
		}
	}
	c.whole(t, "month=2024-03")
	if _, w := c.get(t, "month=2024-03&csv=unpriced"); !strings.Contains(w.Body.String(), "PageBlobCapacity,not on the price list") {
		t.Errorf("unpriced: %s", w.Body)
	}
}

// TestWrongAddress: what cannot be read is said on the page.
func TestWrongAddress(t *testing.T) {
	t.Parallel()
	c := newConsole(t)
	for query, want := range map[string]string{"by=colour&month=2024-03": "by: dimension", "by=day&month=2024-03": "has days already", "month=march": "march", "month=2024-03&registration=munich": "munich",
		"month=2024-03": "There is no usage in the bill of 2024-03", "": "There is no usage in the bill of 2024-03"} {
		if doc, _ := c.get(t, query); !strings.Contains(text(doc), want) {
			t.Errorf("%s: %s", query, text(part(t, doc, "picture")))
		}
	}
}

// TestDaysWithoutOutcomes: a few days with records that commerce has not answered are read
// for the page; of many it says that they are left out, and reads them when it is asked to.
func TestDaysWithoutOutcomes(t *testing.T) {
	t.Parallel()
	for _, days := range []int{maxOpen, maxOpen + 1} {
		c := newConsole(t)
		for i := range days {
			day := fmt.Sprintf("2024-03-%02d", i+1)
			c.use(t, day, contoso, "vm", meter.BaseVM, "1000")
			c.close(t, day, closeddays.Revision{Outcome: func(int, daily.Record) outcome.Result { return outcome.Result{} }})
		}
		pending := func(doc *html.Node) string {
			for _, row := range cells(t, part(t, doc, "usage"), "tfoot") {
				if row["Meter"] == "pending" {
					return row["Amount"]
				}
			}
			return text(part(t, doc, "picture"))
		}
		c.use(t, "2024-03-10", contoso, "vm", meter.BaseVM, "1000")
		c.close(t, "2024-03-10", closeddays.Revision{})
		doc, want := c.whole(t, "month=2024-03"), fmt.Sprint(8*days)
		if days > maxOpen {
			if notice := find(doc, class("notice")); len(notice) != 1 || !strings.Contains(text(notice[0]), "4 closed days are not in these numbers") || !strings.Contains(text(notice[0]), "2024-03-01 to 2024-03-04") {
				t.Fatalf("%d days: %s", days, text(part(t, doc, "picture")))
			}
			doc = c.whole(t, "month=2024-03&open="+readAll)
		}
		if got := pending(doc); got != want {
			t.Errorf("%d days: pending %s, want %s", days, got, want)
		}
	}
}
