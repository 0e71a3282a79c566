package usages

import (
	"fmt"
	"io"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	command "stackusage/cmd/stackusage/usages"
	"stackusage/shared/usagereport"
)

// days are the lines of a resource by day: each leads to its explanation.
func (q question) days(r *page.Request, part *page.Part) error {
	part.Command = q.command(r, "day,registration,meter", 0)
	t := page.Table{Caption: "Days of the resource", Columns: []page.Column{{Name: "Usage day"}, {Name: "Registration"}, {Name: "Meter"}, {Name: "What"}, {Name: "Quantity", Number: true}, {Name: "Unit"}, {Name: "Amount", Number: true}, {Name: "Why"}},
		Empty: "No closed day of the month has usage of it.",
		Print: func(out io.Writer) error { return r.PrintCSV(out, part.Command...) }}
	if r.CSV() != "" {
		return part.Show(r, t)
	}
	return page.Ask(r, func(c *command.Question) error {
		o := c.Options
		o.CachedOnly = r.Get("open") != readAll
		report, err := c.Report(r, o)
		if err != nil {
			return err
		}
		defer report.Close()
		if o.CachedOnly && len(report.Unread) > 0 {
			part.Notes = append(part.Notes, fmt.Sprintf("%s not read yet", cli.Count(len(report.Unread), "closed day")))
		}
		t.Rows = func(yield func([]page.Cell, error) bool) {
			for row, err := range report.Rows() {
				if err != nil || !yield(dayCells(r, row), nil) {
					if err != nil {
						yield(nil, err)
					}
					return
				}
			}
		}
		return part.Show(r, t)
	}, part.Command...)
}

func dayCells(r *page.Request, row usagereport.Row) []page.Cell {
	day := page.Text(row.Day)
	day.Href = page.Href("/day", "registration", row.CloudID, "day", row.Day, "resource", r.Get("resource"))
	day.Class = "nowrap"
	why := page.Cell{Text: "Explain", Href: page.Href("/explain", "registration", row.CloudID, "day", row.Day, "resource", r.Get("resource"), "meter", row.MeterID)}
	amount := amountCell(row.Amount, false)
	if row.Unpriced > 0 && row.Amount == nil {
		amount = page.Cell{Text: "no price", Class: "quiet", Number: true}
	}
	return []page.Cell{day, page.Text(row.Registration), page.Text(row.Meter), page.Text(command.What(row.State)), quantityCell(row.Quantity), page.Text(row.Unit), amount, why}
}
