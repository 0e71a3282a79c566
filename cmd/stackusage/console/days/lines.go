package days

import (
	"cmp"
	"io"
	"strconv"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/usages"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// states are those of usage, as the help of stackusage usage lists them.
var states = map[usagereport.State]string{
	usagereport.Billed: "billed", usagereport.CarriedIn: "carried in", usagereport.CarriedAway: "carried away", usagereport.Pending: "pending",
	usagereport.Declined: "declined", usagereport.Waived: "waived", usagereport.Unreported: "unreported",
}

// lines shows the lines of a day, those with the biggest amount first.
func lines(r *page.Request, part *page.Part, registration string, day usage.Day) error {
	part.Form = &page.Form{Action: r.Path, Keep: map[string]string{"registration": registration, "day": day.String()}}
	for _, f := range []page.Field{{Name: "subscription", Label: "Subscription", Hint: "all"}, {Name: "resource", Label: "Resource", Hint: "URI or name"},
		{Name: "meter", Label: "Meter", Hint: "ID or name"}, {Name: "search", Label: "Search", Hint: "part of a name"}} {
		f.Kind, f.Value = "text", r.Get(f.Name)
		part.Form.Fields = append(part.Form.Fields, f)
	}
	part.Command = append([]string{"usage", "--day", day.String(), "--registration", registration, "--by", "subscription,resource,meter"},
		append(r.Flags("subscription", "resource", "meter"), r.Prices...)...)
	return page.Ask(r, func(q *usages.Question) error {
		o := q.Options
		o.Top = 0 // all of them
		if r.Get("search") == "" {
			o.Top = skip(r) + page.PageRows // a row of others follows, and leads to the next page
		}
		report, err := q.Report(r, o)
		if err != nil {
			return err
		}
		defer report.Close()
		if r.Get("search") == "" && report.Lines > 0 {
			if err := part.Render(templates, "total", totalOf(report, o)); err != nil {
				return err
			}
		}
		part.Notes = append(part.Notes, q.Notes(report)...)
		t := linesTable(r, report, registration, day)
		if r.Get("search") == "" { // the command has no search
			t.Print = func(out io.Writer) error { return r.PrintCSV(out, part.Command...) }
		}
		return part.Show(r, t)
	}, part.Command...)
}

// skip is how many rows stand on the pages before this one.
func skip(r *page.Request) int {
	n, err := strconv.Atoi(r.Get("skip-lines"))
	if err != nil {
		return 0
	}
	return min(max(0, n), 1<<30)
}

// total is what the lines add up to.
type total struct {
	Lines    string
	Amount   *page.Cell // nil: there are no prices
	Currency string
}

func totalOf(report *usagereport.Report, o usagereport.Options) total {
	t := total{Lines: cli.Count(report.Lines, "line")}
	if report.Priced {
		cell := page.Amount(report.Total[0].Amount)
		t.Amount, t.Currency = &cell, o.Prices.Currency
	}
	return t
}

// linesTable is the table of the lines that are searched for.
func linesTable(r *page.Request, report *usagereport.Report, registration string, day usage.Day) page.Table {
	t := page.Table{Caption: "Lines of " + day.String(), Empty: "There are no such lines on this day.",
		Columns: []page.Column{{Name: "Resource"}, {Name: "Meter"}, {Name: "Quantity", Number: true}, {Name: "Unit"}, {Name: "State"}, {Name: "Subscription"}}}
	if report.Priced {
		t.Columns = append(t.Columns[:4:4], append([]page.Column{{Name: "Amount", Number: true}}, t.Columns[4:]...)...)
	}
	search := strings.ToLower(r.Get("search"))
	t.Rows = func(yield func([]page.Cell, error) bool) {
		for row, err := range report.Rows() {
			if err == nil && search != "" && !found(row, search) {
				continue
			}
			if !yield(lineCells(r, report.Priced, row, registration, day), err) || err != nil {
				return
			}
		}
	}
	return t
}

// found reports whether a line has a text, in lower case.
func found(row usagereport.Row, text string) bool {
	for _, field := range []string{row.Resource, row.Meter, row.MeterID, row.Subscription, row.SubscriptionName, states[row.State]} {
		if strings.Contains(strings.ToLower(field), text) {
			return true
		}
	}
	return false
}

func lineCells(r *page.Request, priced bool, row usagereport.Row, registration string, day usage.Day) []page.Cell {
	resource := page.Text(cli.Resource(row.Resource))
	resource.Whole, resource.Href = row.Resource, explainHref(registration, day.String(), row.Resource, row.MeterID)
	meter := page.Text(cmp.Or(row.Meter, row.MeterID))
	meter.Href = r.With("meter", row.MeterID, "skip-lines", "") + "#lines"
	subscription := page.Text(cmp.Or(row.SubscriptionName, row.Subscription))
	if row.SubscriptionName == "" && len(row.Subscription) > 8 {
		subscription.Text, subscription.Whole = row.Subscription[:8], row.Subscription
	}
	subscription.Href = r.With("subscription", row.Subscription, "skip-lines", "") + "#lines"
	state := page.Cell{Text: cmp.Or(states[row.State], string(row.State))}
	if !row.State.InBill() {
		state.Class = "warn"
	}
	cells := []page.Cell{resource, meter, optional(row.Quantity, page.Quantity), page.Text(row.Unit)}
	if priced {
		amount := page.Cell{Text: "no price", Class: "quiet", Number: true}
		if row.Amount != nil {
			amount = page.Amount(*row.Amount)
		}
		cells = append(cells, amount)
	}
	return append(cells, state, subscription)
}

func optional(q *usage.Quantity, cell func(usage.Quantity) page.Cell) page.Cell {
	if q == nil {
		return page.Cell{Number: true}
	}
	return cell(*q)
}

// explainHref leads to the explanation of a line.
func explainHref(registration, day, resource, meter string) string {
	return page.Href("/explain", "registration", registration, "day", day, "resource", resource, "meter", meter)
}
