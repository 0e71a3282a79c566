// Package usages is the page of the console with who used what in a month: a picture by
// day, and the same numbers as a table.
//
//	question.go   the address, and the command that it stands for
//	answer.go     the command's report: with what is read already, while the rest is read
//	series.go     the biggest groups of it, and the others
//	picture.go    what the picture of those is about: days that may change, links
//	chart.go      its bars
//	table.go      the tables; days.go has that of a resource's days
//	choices.go    months, filters and other choices
package usages

import (
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"
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
		p.Part(r, "picture", "", func(part *page.Part) error {
			part.Form = &page.Form{Action: "/usage", Fields: []page.Field{{Name: "month", Label: "Month", Kind: "month", Value: r.Get("month")}, r.RegistrationField()}}
			return err
		})
		return p, nil
	}
	p.Title = "Usage of " + q.month.First().Start().Format("January 2006")
	var a *answer
	if csv := r.CSV(); csv == "" || csv == "unpriced" {
		a, err = ask(r, q)
	}
	p.Part(r, "picture", "", func(part *page.Part) error {
		part.Form = q.form(r)
		if err != nil {
			return err
		}
		if a.job.Running && r.Get("reload") == "" {
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
			return part.Show(r, q.print(r))
		}
		part.Command = a.args(r)
		part.Notes = a.notes
		return part.Show(r, a.table(r))
	})
	if a == nil || len(a.beside.rows) > 0 {
		p.Part(r, "beside", "Not in the bill", func(part *page.Part) error {
			if a == nil { // the command has both in one table
				return part.Show(r, q.print(r))
			}
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

// print is a table that goes out as the command's CSV.
func (q question) print(r *page.Request) page.Table {
	return page.Table{Print: func(out io.Writer) error { return r.PrintCSV(out, q.args(r)...) }}
}

// view is what the template shows.
type view struct {
	Month, Before, Next          string // addresses of the months beside
	MonthBefore, MonthNext       string
	Dimensions                   []dimension
	Filters                      []filter
	Measures, Orders             []dimension
	Total, Change, Than, Percent string
	Whole, ChangeWhole, Unit     string
	Better                       bool // there is less than before
	Mover                        string
	Closed                       string
	Covered                      []string // by registration
	Reading, Waits, Failed       string
	Busy                         bool
	Stay, Again                  string // addresses without the reloading, and with it
	Skipped, ReadSkipped         string
	Choices                      []dimension // meters, of which one must be chosen
	None                         bool        // no row is in the bill
	Empty                        bool        // and everything was read
	Figure                       *figure
}

// filter is what the page is narrowed by.
type filter struct{ Name, Value, Whole, Without string }

func (a *answer) view(r *page.Request) view {
	other := func(m usage.Month) string {
		return r.With("month", m.String(), "compare", comparing(r), "skip-usage", "", "skip-beside", "")
	}
	v := view{Month: a.q.month.String(), Before: other(before(a.q.month)), MonthBefore: before(a.q.month).String(), MonthNext: after(a.q.month).String(),
		Dimensions: a.q.dimensions(r, len(a.o.Registrations)), Figure: a.picture(r), None: len(a.pictured) == 0}
	v.Empty = v.None
	if after(a.q.month).First() <= usage.HourOf(r.Now).Day() {
		v.Next = other(after(a.q.month))
	}
	a.filters(r, &v)
	a.measures(r, &v)
	a.totals(&v)
	a.covered(&v)
	a.reading(r, &v)
	return v
}

// covered says how much of the months is closed: in sum, and of each registration.
func (a *answer) covered(v *view) {
	var sum [2]struct{ closed, days int }
	text := func(month, closed, days int) string {
		return fmt.Sprintf("%d of %d days of %s closed", closed, days, []usage.Month{a.q.month, a.compare}[month])
	}
	for _, c := range a.coverage {
		var texts []string
		for i, m := range c.Months {
			if i == 1 && a.compare == 0 {
				break
			}
			sum[i].closed, sum[i].days = sum[i].closed+m.Closed, sum[i].days+max(m.Days, m.Closed)
			texts = append(texts, text(i, m.Closed, max(m.Days, m.Closed)))
		}
		v.Covered = append(v.Covered, c.Name+": "+strings.Join(texts, ", "))
	}
	if v.Closed = text(0, sum[0].closed, sum[0].days); a.compare != 0 {
		v.Closed += ", " + text(1, sum[1].closed, sum[1].days)
	}
	if len(v.Covered) > 1 {
		v.Closed += ", of " + cli.Count(len(v.Covered), "registration")
	}
}

// comparing is the parameter in the page of another month: the one before, unless nothing
// is compared.
func comparing(r *page.Request) string {
	if r.Get("compare") == compareNone {
		return compareNone
	}
	return ""
}

// totals are the numbers above the picture. Without prices there is no total: quantities
// of different meters do not add.
func (a *answer) totals(v *view) {
	if !a.priced || a.measured.quantity { // the legend has the sums of the picture
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
	v.Empty = v.Empty && len(a.unread) == 0
	if left > 0 {
		v.Reading = fmt.Sprintf("%d of %d closed days are in these numbers.", a.closed-len(a.unread), a.closed)
	}
	switch {
	case left == 0:
	case a.job.Running:
		v.Busy = true
		v.Waits, v.Stay = "The rest is being read. This page reloads itself until it is done.", r.With("reload", reloadOff)
		if r.Get("reload") != "" {
			v.Waits, v.Stay = "The rest is being read.", ""
			v.Again = r.With("reload", "")
		}
	case a.job.Err != nil:
		v.Failed = page.Explain(a.job.Err)
	default:
		v.Waits = "The rest was read and could not be kept on this machine. The command below reads it."
	}
	if open > 0 && left == 0 {
		v.Skipped = fmt.Sprintf("%s not in these numbers, because commerce has not answered for all records: %s.",
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
