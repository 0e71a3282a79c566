// Package usages is the page of the console with who used what in a month: a picture by
// day, and the same numbers as a table.
//
//	question.go   the address, and the command that it stands for
//	answer.go     the command's report: with what is read already, while the rest is read
//	series.go     the biggest groups of it, and the others
//	chart.go      the picture of those
//	table.go      the tables
package usages

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

//go:embed *.html
var files embed.FS

var templates = page.Parse(files, "*.html")

// reloadAfter is when a page asks again while days are read in the background.
const reloadAfter = 2 * time.Second

// Show makes the page.
func Show(r *page.Request) (*page.Page, error) {
	p := &page.Page{Title: "Usage", Section: "/usage", Trail: []page.Link{{Text: "Overview", Href: "/"}}}
	q, err := parse(r)
	if err != nil {
		p.Part(r, "picture", "", func(*page.Part) error { return err })
		return p, nil
	}
	p.Title = "Usage of " + q.month.First().Start().Format("January 2006")
	var a *answer
	if r.CSV() == "" {
		a, err = ask(r, q)
	}
	p.Part(r, "picture", "", func(part *page.Part) error {
		part.Form = q.form(r, a)
		if err != nil {
			return err
		}
		if a.job.Running {
			p.Reload = reloadAfter
		}
		return part.Render(templates, "usage", a.view(r))
	})
	if err != nil {
		return p, nil
	}
	p.Part(r, "usage", "In the bill", func(part *page.Part) error {
		part.Command = q.args(r)
		if a == nil {
			return part.Show(r, page.Table{Print: func(out io.Writer) error { return r.PrintCSV(out, part.Command...) }})
		}
		part.Command = a.args(r)
		part.Notes = a.notes
		return part.Show(r, a.table(r))
	})
	if a != nil && len(a.beside.rows) > 0 {
		p.Part(r, "beside", "Not in the bill", func(part *page.Part) error {
			part.Lead = "Usage of the month that this month's bill does not have. It is not in the total above, nor in the picture."
			return part.Show(r, a.besideTable(r))
		})
	}
	if r.Get("resource") != "" {
		p.Part(r, "days", "Days", func(part *page.Part) error { return q.days(r, part) })
	}
	if a != nil && len(a.unpriced) > 0 {
		p.Part(r, "unpriced", "Without a price", func(part *page.Part) error {
			part.Lead = "Lines of these meters have no amount. They are in no total, and never 0.00."
			return part.Show(r, a.unpricedTable(r))
		})
	}
	return p, nil
}

// view is what the template shows.
type view struct {
	Month, Before, Next          string // addresses of the months beside
	MonthBefore, MonthNext       string
	Dimensions                   []dimension
	Filters                      []filter
	Measures                     []dimension
	Total, Change, Than, Percent string
	Whole, ChangeWhole, Unit     string
	Better                       bool // there is less than before
	Mover                        string
	Covered                      []string
	Reading, Waits, Failed       string
	Skipped, ReadSkipped         string
	Choices                      []dimension // meters, of which one must be chosen
	Empty                        bool
	Figure                       *figure
}

// filter is what the page is narrowed by.
type filter struct{ Name, Value, Whole, Without string }

func (a *answer) view(r *page.Request) view {
	other := func(m usage.Month) string {
		return r.With("month", m.String(), "compare", comparing(r), "skip-usage", "", "skip-beside", "")
	}
	v := view{Month: a.q.month.String(), Before: other(before(a.q.month)), MonthBefore: before(a.q.month).String(), MonthNext: after(a.q.month).String(),
		Dimensions: a.q.dimensions(r, len(a.o.Registrations)), Figure: a.picture(r), Empty: len(a.bill.rows) == 0 && a.bill.skip == 0}
	if after(a.q.month).First() <= usage.HourOf(r.Now).Day() {
		v.Next = other(after(a.q.month))
	}
	a.filters(r, &v)
	a.measures(r, &v)
	a.totals(&v)
	for _, c := range a.coverage {
		text := fmt.Sprintf("%s: %s", c.Name, closedOf(a.q.month, c.Months[0].Closed, c.Months[0].Days))
		if a.compare != 0 {
			text += ", " + closedOf(a.compare, c.Months[1].Closed, c.Months[1].Days)
		}
		v.Covered = append(v.Covered, text)
	}
	a.reading(r, &v)
	return v
}

// comparing is the parameter in the page of another month: the one before, unless nothing
// is compared.
func comparing(r *page.Request) string {
	if r.Get("compare") == compareNone {
		return compareNone
	}
	return ""
}

func closedOf(m usage.Month, closed, days int) string {
	return fmt.Sprintf("%d of %d days of %s closed", closed, max(days, closed), m)
}

func (a *answer) filters(r *page.Request, v *view) {
	for _, name := range filters {
		value := r.Get(name)
		if value == "" {
			continue
		}
		c := page.Text(value)
		switch {
		case name == usagereport.Meter && len(a.meters) > 0:
			c = page.Cell{Text: a.meters[0].Name, Whole: value}
		case name == usagereport.Resource:
			c = page.Text(cli.Resource(value))
			c.Whole = value
		case name == usagereport.Subscription || name == usagereport.Tenant:
			if known := a.o.Names[usage.DashedGUID(value)]; known != "" {
				c = page.Cell{Text: known, Whole: value}
			}
		}
		v.Filters = append(v.Filters, filter{name, c.Text, c.Title(), r.With(name, "", "skip-usage", "", "skip-beside", "")})
	}
}

// measures are the choices of what the picture shows.
func (a *answer) measures(r *page.Request, v *view) {
	if a.priced && (r.Get("meter") != "" || slices.Contains(a.q.dims, usagereport.Meter)) {
		for _, m := range []struct{ value, text string }{{"", "Cost"}, {quantities, "Quantity"}} {
			v.Measures = append(v.Measures, dimension{m.text, r.With("measure", m.value), (m.value == quantities) == a.measured.quantity})
		}
	}
	if !a.measured.quantity || len(a.meters) < 2 {
		return
	}
	for _, m := range a.meters {
		v.Choices = append(v.Choices, dimension{m.Name, r.With("meter", m.ID, "skip-usage", "", "skip-beside", ""), m.ID == a.measured.meter.ID && m.Unit == a.measured.meter.Unit})
	}
}

// totals are the numbers above the picture. Without prices there is no total: quantities
// of different meters do not add.
func (a *answer) totals(v *view) {
	if !a.priced {
		return
	}
	total := page.Amount(a.total[0].Amount)
	v.Total, v.Whole, v.Unit = total.Text, total.Exact(), a.currency
	if a.compare == 0 {
		return
	}
	change := a.total[0].Amount.Sub(a.total[1].Amount)
	shown := page.Amount(change)
	v.Change, v.ChangeWhole, v.Than, v.Percent = plusSign(shown.Text, change), shown.Exact(), a.compare.String(), usagereport.Percent(change, a.total[1].Amount)
	if a.mover != nil && change.Sign() != 0 {
		v.Mover = a.label(*a.mover).Text + " " + plusSign(page.Amount(*a.mover.Change).Text, *a.mover.Change)
	}
}

func plusSign(text string, q usage.Quantity) string {
	if q.Sign() > 0 {
		return "+" + text
	}
	return text
}

// reading says what the answer lacks as yet.
func (a *answer) reading(r *page.Request, v *view) {
	open := countOpen(a.unread)
	left := len(a.unread) - open
	if left > 0 {
		v.Reading = fmt.Sprintf("%d of %d closed days are in these numbers.", a.closed-len(a.unread), a.closed)
	}
	switch {
	case left == 0:
	case a.job.Running:
		v.Waits = "The rest is being read. This page reloads itself until it is done."
	case a.job.Err != nil:
		v.Failed = page.Explain(a.job.Err)
	default:
		v.Waits = "The rest was read and could not be kept on this machine. The command below reads it."
	}
	if open > 0 {
		v.Skipped = fmt.Sprintf("%s not in these numbers, because commerce has not answered for all of their records: %s.",
			map[bool]string{true: "1 closed day is", false: fmt.Sprintf("%d closed days are", open)}[open == 1], openDays(a.unread))
		v.ReadSkipped = r.With("open", readAll)
	}
}

func openDays(all []usagereport.Unread) string {
	var days []usage.Day
	for _, u := range all {
		if u.Open {
			days = append(days, u.Day)
		}
	}
	slices.Sort(days)
	return cli.Days(slices.Compact(days))
}

// form chooses the month and the registration.
func (q question) form(r *page.Request, a *answer) *page.Form {
	f := &page.Form{Action: "/usage", Keep: map[string]string{}}
	for _, name := range append([]string{"by", "measure"}, filters...) {
		if value := r.Get(name); value != "" {
			f.Keep[name] = value
		}
	}
	f.Fields = []page.Field{{Name: "month", Label: "Month", Kind: "month", Value: q.month.String()}}
	compare := []page.Option{{Text: "the month before", Chosen: r.Get("compare") == ""}, {Value: compareNone, Text: "nothing", Chosen: r.Get("compare") == compareNone}}
	if q.compare != 0 && r.Get("compare") != "" {
		compare = append(compare, page.Option{Value: q.compare.String(), Text: q.compare.String(), Chosen: true})
	}
	f.Fields = append(f.Fields, page.Field{Name: "compare", Label: "Compared with", Options: compare})
	if a == nil {
		return f
	}
	chosen := r.Get("registration")
	options := []page.Option{{Text: "all", Chosen: chosen == ""}}
	for _, h := range a.o.Registrations {
		name := h.Name()
		if name == "" {
			name = h.CloudID
		}
		options = append(options, page.Option{Value: h.CloudID, Text: name, Chosen: chosen != ""})
	}
	if len(options) > 2 || chosen != "" {
		f.Fields = append(f.Fields, page.Field{Name: "registration", Label: "Registration", Options: options})
	}
	return f
}
