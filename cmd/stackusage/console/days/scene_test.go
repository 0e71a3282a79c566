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
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/net/html"

	"stackusage/cmd/stackusage/batches"
	"stackusage/cmd/stackusage/checks"
	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/clitest"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/days"
	"stackusage/cmd/stackusage/explanation"
	"stackusage/cmd/stackusage/registrations"
	"stackusage/cmd/stackusage/usages"
	"stackusage/internal/closeddays"
	"stackusage/shared/azurestore"
	"stackusage/shared/daily"
	"stackusage/shared/meter"
	"stackusage/shared/outcome"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/table"
	"stackusage/shared/usage"
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
	testing.TB
	env    *cli.Env
	prices string
}

func newScene(t *testing.T) *scene {
	getenv, account := clitest.Storage(t)
	ok(t, account.Blobs.Create(t.Context(), table.Containers()...))
	register(t, account)
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

func register(t testing.TB, account *azurestore.Account) {
	t.Helper()
	ok(t, registry.Registry{Tables: account.Tables}.Put(t.Context(), registration.Registration{CloudID: cloudID, Name: "hamburg", SubscriptionID: cloudID,
		BillingModel: registration.PayAsYouUse, EffectiveDay: "20240301", Start: time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC), Region: "local"}))
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
	ok(s.TB, err)
	if strings.Contains(text, "<script") {
		s.Errorf("%s has a script", address)
	}
	return doc
}

func (s *scene) text(show func(*page.Request) (*page.Page, error), address string) string {
	s.Helper()
	u, err := url.Parse(address)
	ok(s.TB, err)
	w := httptest.NewRecorder()
	r := &page.Request{Context: s.Context(), Path: u.Path, Query: u.Query(), Now: time.Date(2024, 3, 10, 0, 0, 0, 0, time.UTC), Env: s.env, Root: root, Prices: []string{"--prices", s.prices, "--names", s.prices}}
	if !strings.HasPrefix(address, "/explain") {
		r.Prices = r.Prices[:2]
	}
	r.Begin(w)
	p, err := show(r)
	ok(s.TB, err)
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
