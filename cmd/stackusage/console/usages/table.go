package usages

import (
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	command "stackusage/cmd/stackusage/usages"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// columns are those of the tables: what a row has depends on prices, on the comparison,
// and on whether it is of one meter.
type columns struct {
	a       *answer
	byMeter bool // rows are of one meter
	what    bool
	share   bool
	total   usage.Quantity // that shares are of
}

func (a *answer) columns(what bool) columns {
	return columns{a: a, byMeter: !a.priced || slices.Contains(a.o.By, usagereport.Meter), what: what}
}

// dims are the columns of the group. The name of a meter stands in one of its own where
// rows are of one.
func (c columns) dims() []string {
	dims := slices.Clone(c.a.q.dims)
	if c.byMeter && !slices.Contains(dims, usagereport.Meter) {
		dims = append(dims, usagereport.Meter)
	}
	return dims
}

func (c columns) head() (head []page.Column) {
	text := func(names ...string) {
		for _, name := range names {
			head = append(head, page.Column{Name: name})
		}
	}
	number := func(names ...string) {
		for _, name := range names {
			head = append(head, page.Column{Name: name, Number: true})
		}
	}
	for _, d := range c.dims() {
		text(page.Heading(strings.ToUpper(d)))
	}
	if c.what {
		text("What")
	}
	if c.byMeter {
		number("Quantity")
		text("Unit")
	}
	if c.a.priced {
		number("Amount")
	}
	if c.share {
		number("Share %")
	}
	if c.a.compare != 0 {
		number(c.a.compare.String(), "Change", "Change %")
		if c.a.priced && !c.byMeter {
			text("Most of the change")
		}
	}
	return head
}

func (c columns) cells(r *page.Request, row usagereport.Row, links bool) (cells []page.Cell) {
	for i, d := range c.dims() {
		cell := c.a.cell(row, d)
		if row.Others > 0 {
			cell = page.Cell{}
			if i == 0 {
				cell.Text = "(" + cli.Count(row.Others, "other row") + ")"
			}
		} else if i == 0 && links {
			cell.Href = c.a.drill(r, row)
		}
		cells = append(cells, cell)
	}
	if c.what {
		cells = append(cells, page.Cell{Text: command.What(row.State), Class: "nowrap"})
	}
	if c.byMeter {
		cells = append(cells, quantityCell(row.Quantity), page.Text(row.Unit))
	}
	if c.a.priced {
		amount := amountCell(row.Amount, false)
		if row.Amount == nil && row.Others == 0 {
			amount = page.Cell{Text: "no price", Class: "quiet", Number: true}
		}
		cells = append(cells, amount)
	}
	if c.share {
		part := row.Amount
		if !c.a.priced {
			part = row.Quantity
		}
		cell := page.Cell{Number: true}
		if part != nil && row.State.InBill() {
			cell.Text = share(*part, c.total)
		}
		cells = append(cells, cell)
	}
	return append(cells, c.comparison(row)...)
}

func (c columns) comparison(row usagereport.Row) (cells []page.Cell) {
	if c.a.compare == 0 {
		return nil
	}
	switch {
	case c.a.priced && row.Amount == nil: // its change would be of the quantity
		cells = append(cells, page.Cell{Number: true}, page.Cell{Number: true}, page.Cell{Number: true})
	case c.a.priced:
		cells = append(cells, amountCell(row.AmountBefore, false), amountCell(row.Change, true), page.Cell{Text: row.Percent, Number: true})
	default:
		change := quantityCell(row.Change)
		if row.Change != nil {
			change.Text = plusSign(change.Text, *row.Change)
		}
		cells = append(cells, quantityCell(row.QuantityBefore), change, page.Cell{Text: row.Percent, Number: true})
	}
	if c.a.priced && !c.byMeter {
		most := page.Cell{}
		if m := row.Most; m != nil {
			amount := page.Amount(m.Change)
			most = page.Text(m.Meter + " " + plusSign(amount.Text, m.Change))
			most.Whole = m.Meter + " " + m.Change.String()
		}
		cells = append(cells, most)
	}
	return cells
}

func quantityCell(q *usage.Quantity) page.Cell {
	if q == nil {
		return page.Cell{Number: true}
	}
	return page.Quantity(*q)
}

func amountCell(q *usage.Quantity, sign bool) page.Cell {
	if q == nil {
		return page.Cell{Number: true}
	}
	c := page.Amount(*q)
	if sign {
		c.Text = plusSign(c.Text, *q)
	}
	return c
}

// table is what is in the bill: its total below it, and below that what is not in it.
func (a *answer) table(r *page.Request) page.Table {
	c := a.columns(a.carried)
	c.total, c.share = a.total[0].Amount, a.priced
	if !a.priced && len(a.meters) == 1 && a.others == nil { // one meter: its quantities add
		c.share = true
		for _, row := range a.pictured {
			c.total = c.total.Add(*row.Quantity)
		}
	}
	t := page.Table{Caption: fmt.Sprintf("Usage in the bill of %s by %s", a.q.month, a.q.by), Columns: c.head(), Rows: a.bill.all(r, c, true),
		Empty: "Nothing is in the bill in the closed days that were read.",
		Print: func(out io.Writer) error { return r.PrintCSV(out, a.args(r)...) }}
	if !a.priced || len(a.bill.rows) == 0 {
		return t
	}
	total := usagereport.Row{State: usagereport.Billed, Amount: &a.total[0].Amount}
	if a.compare != 0 {
		change := a.total[0].Amount.Sub(a.total[1].Amount)
		total.AmountBefore, total.Change, total.Percent = &a.total[1].Amount, &change, usagereport.Percent(change, a.total[1].Amount)
	}
	t.Foot = append(t.Foot, c.foot(r, "total", "", total))
	for _, s := range a.states {
		row := usagereport.Row{State: s.State, Amount: s.Amount, AmountBefore: s.Before}
		cells := c.foot(r, command.What(s.State), "quiet", row)
		cells[0].Href = "#beside"
		t.Foot = append(t.Foot, cells)
	}
	return t
}

// foot is a row below the table.
func (c columns) foot(r *page.Request, name, class string, row usagereport.Row) []page.Cell {
	cells := c.cells(r, row, false)
	for i := range c.dims() {
		cells[i] = page.Cell{}
	}
	if c.what {
		cells[len(c.dims())] = page.Cell{}
	}
	cells[0] = page.Cell{Text: name}
	for i := range cells {
		cells[i].Class = class
	}
	return cells
}

// all are the rows; those before the page are counted alone.
func (s section) all(r *page.Request, c columns, links bool) iter.Seq2[[]page.Cell, error] {
	return func(yield func([]page.Cell, error) bool) {
		for range s.skip {
			if !yield(nil, nil) {
				return
			}
		}
		for _, row := range s.rows {
			if !yield(c.cells(r, row, links), nil) {
				return
			}
		}
	}
}

// besideTable is what is not in the bill.
func (a *answer) besideTable(r *page.Request) page.Table {
	c := a.columns(true)
	return page.Table{Caption: "Usage that is not in the bill", Columns: c.head(), Rows: a.beside.all(r, c, true), Empty: "Everything is in the bill."}
}

// unpricedTable is the meters without a price.
func (a *answer) unpricedTable(r *page.Request) page.Table {
	t := page.Table{Caption: "Meters without a price", Columns: []page.Column{{Name: "Meter"}, {Name: "Why"}}}
	var rows [][]page.Cell
	for _, id := range slices.SortedFunc(maps.Keys(a.unpriced), func(x, y string) int {
		return strings.Compare(a.unpriced[x].Name+x, a.unpriced[y].Name+y)
	}) {
		m := a.unpriced[id]
		cell := page.Text(m.Name)
		cell.Href = r.With("meter", usage.DashedGUID(id), "by", usagereport.Resource, "skip-usage", "", "skip-beside", "")
		rows = append(rows, []page.Cell{cell, page.Text(m.Why)})
	}
	t.Rows = page.Rows(rows)
	return t
}

// args is the command that gives the same answer: without the month before, where nothing
// is there to compare with.
func (a *answer) args(r *page.Request) []string {
	q := a.q
	q.compare = a.compare
	return q.args(r)
}
