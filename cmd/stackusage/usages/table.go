package usages

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// places are how many decimals a table shows.
const (
	cents          = 2
	quantityPlaces = 4
)

// view is the table of a report.
type view struct {
	o       usagereport.Options
	report  *usagereport.Report
	rows    []usagereport.Row
	byMeter bool // each row is of one meter
	what    bool // some row is not simply billed
	full    bool
	rounded bool // some number has more digits than are shown

	short map[string]string // of GUIDs and resource URIs
}

func printTable(out io.Writer, r *usagereport.Report, o usagereport.Options, full bool) error {
	v := &view{o: o, report: r, full: full, byMeter: !r.Priced || slices.Contains(o.By, usagereport.Meter)}
	for row, err := range r.Rows() {
		if err != nil {
			return err
		}
		v.rows = append(v.rows, row)
		v.what = v.what || row.State != usagereport.Billed
	}
	v.short = Shorten(v.rows)
	for _, c := range r.Coverage {
		fmt.Fprintln(out, v.heading(c))
	}
	fmt.Fprintln(out)
	grid := cli.Grid{Head: v.head()}
	totalled := !r.Priced
	for _, row := range v.rows {
		if !row.State.InBill() && !totalled {
			totalled = true
			grid.Row(v.total()...)
		}
		grid.Row(v.cells(row)...)
	}
	if !totalled {
		grid.Row(v.total()...)
	}
	if err := grid.Print(out); err != nil {
		return err
	}
	for _, note := range v.notes() {
		fmt.Fprintln(out, note)
	}
	return nil
}

// heading says what of a registration is summed.
func (v *view) heading(c usagereport.Coverage) string {
	text := fmt.Sprintf("%s, %s to %s (%s)", c.Name, v.o.Month.First(), v.o.Month.Last(), closedText(c.Months[0]))
	if v.o.First != 0 {
		text = fmt.Sprintf("%s, %s (%s)", c.Name, v.o.First, closedText(c.Months[0]))
	}
	if v.o.Compare != 0 {
		text += fmt.Sprintf(" against %s (%s)", v.o.Compare, closedText(c.Months[1]))
	}
	if v.o.ByUsageDay {
		text += ", by usage day"
	}
	if v.report.Priced {
		return text + ", " + v.o.Prices.Currency
	}
	return text + ", quantities only"
}

func (v *view) head() (head []string) {
	for _, d := range v.o.By {
		if d != usagereport.Meter {
			head = append(head, strings.ToUpper(d))
		}
	}
	if v.byMeter {
		head = append(head, "METER")
	}
	if v.what {
		head = append(head, "WHAT")
	}
	switch {
	case v.o.Compare == 0 && v.byMeter:
		head = append(head, "QUANTITY", "UNIT")
	case v.byMeter && v.report.Priced:
		head = append(head, "QUANTITY", "BEFORE", "UNIT")
	}
	switch {
	case v.o.Compare == 0 && v.report.Priced:
		head = append(head, "AMOUNT")
	case v.o.Compare != 0:
		head = append(head, v.o.Month.String(), v.o.Compare.String(), "CHANGE", "%")
		if !v.report.Priced {
			head = append(head, "UNIT")
		} else if !v.byMeter {
			head = append(head, "MOST")
		}
	}
	return head
}

// whats are the states as the help lists them.
var whats = map[usagereport.State]string{
	usagereport.Billed: "", usagereport.CarriedIn: "carried in", usagereport.CarriedAway: "carried away", usagereport.Pending: "pending",
	usagereport.Declined: "declined", usagereport.Waived: "waived", usagereport.Unreported: "unreported",
}

// What tells usage apart that is not simply billed; empty for what is.
func What(s usagereport.State) string { return whats[s] }

func (v *view) cells(r usagereport.Row) (cells []any) {
	for _, d := range v.o.By {
		if d != usagereport.Meter {
			cells = append(cells, v.dimension(r, d))
		}
	}
	if v.byMeter {
		cells = append(cells, printable(r.Meter))
	}
	if r.Others > 0 {
		cells[0] = fmt.Sprintf("(%s)", others(r.Others))
	}
	if v.what {
		cells = append(cells, whats[r.State])
	}
	return append(cells, v.numbers(r)...)
}

func others(n int64) string {
	if n == 1 {
		return "1 other"
	}
	return fmt.Sprintf("%d others", n)
}

func (v *view) numbers(r usagereport.Row) (cells []any) {
	switch {
	case v.o.Compare == 0 && v.byMeter:
		cells = append(cells, v.quantity(r.Quantity), r.Unit)
	case v.byMeter && v.report.Priced:
		cells = append(cells, v.quantity(r.Quantity), v.quantity(r.QuantityBefore), r.Unit)
	}
	switch {
	case v.o.Compare == 0 && v.report.Priced:
		cells = append(cells, v.amount(r.Amount, false))
	case v.o.Compare != 0 && v.report.Priced:
		change := r.Change
		if r.Amount == nil {
			change, r.Percent = nil, ""
		}
		cells = append(cells, v.amount(r.Amount, false), v.amount(r.AmountBefore, false), v.amount(change, true), cli.Number(r.Percent))
		if !v.byMeter {
			cells = append(cells, v.most(r.Most))
		}
	case v.o.Compare != 0:
		cells = append(cells, v.quantity(r.Quantity), v.quantity(r.QuantityBefore), signed(v.quantity(r.Change), r.Change), cli.Number(r.Percent), r.Unit)
	}
	return cells
}

func (v *view) most(m *usagereport.Mover) string {
	if m == nil {
		return ""
	}
	return printable(m.Meter) + " " + string(v.amount(&m.Change, true))
}

// total is the row of what is in the bill.
func (v *view) total() []any {
	total := usagereport.Row{State: usagereport.Billed, Amount: &v.report.Total[0].Amount}
	if v.o.Compare != 0 {
		change := v.report.Total[0].Amount.Sub(v.report.Total[1].Amount)
		total.AmountBefore, total.Change, total.Percent = &v.report.Total[1].Amount, &change, usagereport.Percent(change, v.report.Total[1].Amount)
	}
	cells := v.cells(total)
	cells[0] = "total"
	return cells
}

func (v *view) dimension(r usagereport.Row, d string) string {
	text := ""
	switch d {
	case usagereport.Tenant:
		text = cmp.Or(r.TenantName, v.shown(r.Tenant))
	case usagereport.Subscription:
		text = cmp.Or(r.SubscriptionName, v.shown(r.Subscription))
	case usagereport.Resource:
		text = v.shown(r.Resource)
	case usagereport.Day:
		text = r.Day
	case usagereport.Registration:
		text = r.Registration
	default:
		text = r.Tags[strings.TrimPrefix(d, "tag:")]
	}
	return printable(text)
}

// shown is the short form of a GUID or a resource URI, where it has one.
func (v *view) shown(text string) string {
	if v.full {
		return text
	}
	return cmp.Or(v.short[text], text)
}

// printable is a text of others without what a terminal would take for a command.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar || unicode.Is(unicode.Cf, r) {
			return '?'
		}
		return r
	}, text)
}

func (v *view) quantity(q *usage.Quantity) cli.Number {
	if q == nil {
		return ""
	}
	text, rounded := cli.Rounded(*q, 0, quantityPlaces)
	v.rounded = v.rounded || rounded
	return cli.Number(text)
}

func (v *view) amount(q *usage.Quantity, sign bool) cli.Number {
	if q == nil {
		return ""
	}
	text, rounded := cli.Rounded(*q, cents, cents)
	v.rounded = v.rounded || rounded
	if sign {
		return signed(cli.Number(text), q)
	}
	return cli.Number(text)
}

func signed(text cli.Number, q *usage.Quantity) cli.Number {
	if q != nil && q.Sign() > 0 {
		return "+" + text
	}
	return text
}
