package usages

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	command "stackusage/cmd/stackusage/usages"
	"stackusage/shared/meter"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// maxOpen is how many days without all outcomes are read for a page: their sums are in no
// cache, as they still change.
const maxOpen = 3

// adminSuffix follows the name of a meter in rows of the stack's own usage.
const adminSuffix = " (" + string(meter.Admin) + ")"

// answer is what a page shows of a report.
type answer struct {
	q        question
	o        usagereport.Options
	priced   bool
	currency string
	coverage []usagereport.Coverage
	compare  usage.Month // 0: none, or nothing is there to compare with
	total    [2]usagereport.Total
	unpriced map[string]usagereport.UnpricedMeter
	notes    []string
	unread   []usagereport.Unread
	closed   int // days, of all registrations and of both months
	job      page.Job

	bill, beside section
	states       []stateSum
	mover        *usagereport.Row
	carried      bool // some row in the bill is of usage of an earlier day
	short        map[string]string

	pictured []usagereport.Row // rows with figures of days
	others   *usagereport.Row  // those beyond them
	meters   []meterChoice
	measured measured
}

// section is the rows of a table that a page has: those before it are counted alone.
type section struct {
	skip int
	rows []usagereport.Row
}

// stateSum is what is not in the bill.
type stateSum struct {
	State  usagereport.State
	Amount *usage.Quantity
	Before *usage.Quantity
	Lines  int64
}

// meterChoice is a meter of the rows; quantities of one are added.
type meterChoice struct {
	ID, Name, Unit string
	Lines          int64
}

// ask asks the command, and takes what the page needs of its report.
func ask(r *page.Request, q question) (*answer, error) {
	a := &answer{q: q}
	err := page.Ask(r, func(c *command.Question) error { return a.take(r, c) }, q.args(r)...)
	return a, err
}

func (a *answer) take(r *page.Request, c *command.Question) error {
	o := c.Options
	o.PerDay, o.Top, o.CachedOnly = true, page.PageRows, true
	report, err := c.Report(r, o)
	if err != nil {
		return err
	}
	if open := countOpen(report.Unread); open > 0 && open == len(report.Unread) && (open <= maxOpen || r.Get("open") == readAll) {
		err := report.Close()
		o.CachedOnly = false
		if err == nil {
			report, err = c.Report(r, o)
		}
		if err != nil {
			return err
		}
	}
	defer report.Close()
	a.about(r, o, report)
	shown := *c
	shown.Options.Compare = a.compare
	shown.Options.By = append(slices.Clone(o.By), usagereport.Meter) // the page lists meters without a price
	a.notes = shown.Notes(report)
	if o.Cache == nil {
		a.notes = append(a.notes, "sums of closed days cannot be kept on this machine, and are read each time; the command below says why")
	}
	a.bill.skip, a.beside.skip = skip(r, "skip-usage"), skip(r, "skip-beside")
	if err := a.read(report); err != nil {
		return err
	}
	if last := max(a.bill.skip, a.beside.skip); last > 0 {
		if err := a.readPage(r, c, o, last); err != nil {
			return err
		}
	}
	if err := a.allOf(r, c, o); err != nil {
		return err
	}
	if len(a.unread) > countOpen(a.unread) {
		a.job = r.Jobs.Start(a.key(), fill(c))
	}
	return nil
}

// readPage reads the rows of another page of a table. The picture stays as it is.
func (a *answer) readPage(r *page.Request, c *command.Question, o usagereport.Options, last int) error {
	o.PerDay, o.Top = false, last+page.PageRows
	report, err := c.Report(r, o)
	if err != nil {
		return err
	}
	defer report.Close()
	pictured, others, meters := a.pictured, a.others, a.meters
	a.bill.rows, a.beside.rows, a.states = nil, nil, nil
	err = a.read(report)
	a.pictured, a.others, a.meters = pictured, others, meters
	return err
}

func skip(r *page.Request, name string) int {
	n, err := strconv.Atoi(r.Get(name))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

func countOpen(all []usagereport.Unread) (n int) {
	for _, u := range all {
		if u.Open {
			n++
		}
	}
	return n
}

// fill reads the rest in the background.
func fill(c *command.Question) func(context.Context, func(string)) error {
	return func(ctx context.Context, doing func(string)) error {
		return c.Fill(ctx, func(done, total int) { doing(fmt.Sprintf("%d of %s", done, cli.Count(total, "day"))) })
	}
}

// key names the work in the background: it is the same for all pages of the months.
func (a *answer) key() string {
	var ids []string
	for _, c := range a.coverage {
		ids = append(ids, c.CloudID)
	}
	return fmt.Sprintf("usage %s %s %s", a.o.Month, a.o.Compare, strings.Join(ids, " "))
}

// about takes what a report says beside its rows.
func (a *answer) about(r *page.Request, o usagereport.Options, report *usagereport.Report) {
	a.o, a.priced, a.coverage, a.total, a.unpriced, a.unread = o, report.Priced, report.Coverage, report.Total, report.Unpriced, report.Unread
	a.mover = report.Mover
	if a.priced {
		a.currency = o.Prices.Currency
	}
	comparable := r.Get("compare") != "" // who asked to compare sees that nothing is there
	for _, c := range report.Coverage {
		for i, m := range c.Months {
			a.closed += m.Closed
			comparable = comparable || i == 1 && m.Closed > 0
		}
	}
	if comparable {
		a.compare = o.Compare
	}
}

// read takes the rows.
func (a *answer) read(report *usagereport.Report) error {
	var all []usagereport.Row
	n, beside := 0, 0
	for row, err := range report.Rows() {
		if err != nil {
			return err
		}
		if !row.State.InBill() {
			a.addState(row)
			if beside++; a.beside.take(beside, row) {
				all = append(all, row)
			}
			continue
		}
		a.carried = a.carried || row.State == usagereport.CarriedIn
		a.addMeter(row)
		if row.Others > 0 {
			a.others = &row
		} else {
			a.pictured = append(a.pictured, row)
		}
		if n++; a.bill.take(n, row) {
			all = append(all, row)
		}
	}
	a.short = command.Shorten(slices.Concat(all, a.pictured[:min(len(a.pictured), page.PageRows)]))
	return nil
}

// take keeps a row that is on the page, and the one behind it.
func (s *section) take(n int, row usagereport.Row) bool {
	if n <= s.skip || n > s.skip+page.PageRows+1 {
		return false
	}
	row.Days = nil
	s.rows = append(s.rows, row)
	return true
}

func (a *answer) addState(row usagereport.Row) {
	if len(a.states) == 0 || a.states[len(a.states)-1].State != row.State {
		a.states = append(a.states, stateSum{State: row.State})
	}
	s := &a.states[len(a.states)-1]
	s.Amount, s.Before, s.Lines = plus(s.Amount, row.Amount), plus(s.Before, row.AmountBefore), s.Lines+row.Lines
}

func plus(a, b *usage.Quantity) *usage.Quantity {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	sum := a.Add(*b)
	return &sum
}

func (a *answer) addMeter(row usagereport.Row) {
	if row.MeterID == "" {
		return
	}
	for i, m := range a.meters {
		if m.ID == row.MeterID && m.Unit == row.Unit {
			a.meters[i].Lines += row.Lines
			return
		}
	}
	a.meters = append(a.meters, meterChoice{row.MeterID, strings.TrimSuffix(row.Meter, adminSuffix), row.Unit, row.Lines})
}
