package explanation

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/explain"
	"stackusage/shared/landing"
	"stackusage/shared/usage"
)

// shown is how many reported hours of a revision, and rows of an hour, are printed.
const shown = 3

func (q *question) print(r *explain.Report) error {
	switch {
	case q.env.View != nil:
		if err := q.env.View(Answer{Report: r, Prices: q.list}); err != nil {
			return err
		}
	case q.env.JSON():
		if err := cli.Report(q.env, r); err != nil {
			return err
		}
	case !q.env.Tables():
		if err := cli.List(q.env, cli.Each(flat(r)), cli.Table[step]{}); err != nil {
			return err
		}
		for _, c := range r.Contradictions {
			fmt.Fprintln(q.env.Stderr, "DIFFERS", c)
		}
	default:
		for i, l := range r.Lines {
			if i > 0 {
				fmt.Fprintln(q.env.Stdout)
			}
			if err := q.line(r, l); err != nil {
				return err
			}
		}
		fmt.Fprintf(q.env.Stdout, "checked: %s, %s\n", Checked(r.Checked), agreement(r))
	}
	if len(r.Contradictions) > 0 {
		return cli.ErrDifferences
	}
	return nil
}

func agreement(r *explain.Report) string {
	if len(r.Contradictions) == 0 {
		return "each with its hash: everything agrees"
	}
	return "each with its hash: NOT EVERYTHING AGREES\nDIFFERS " + strings.Join(r.Contradictions, "\nDIFFERS ")
}

// line prints one line of the bill as a tree.
func (q *question) line(r *explain.Report, l explain.Line) error {
	out := q.env.Stdout
	fmt.Fprintf(out, "%s   %s   %s   charged to %s\n", cmp.Or(l.MeterName, "meter "+l.MeterID), cli.Resource(l.ResourceURI), r.Day, l.BillingSubscriptionID)
	fmt.Fprintf(out, "  resource %s\n  meter %s on the stack, %s of commerce, class %s\n", l.ResourceURI, usage.DashedGUID(l.MeterID), cmp.Or(l.CommerceMeterID, "no meter"), l.MeterClass)
	if l.CarriedFrom != 0 {
		fmt.Fprintf(out, "  usage of %s, carried forward\n", l.CarriedFrom)
	}
	t := q.tree(r, l)
	for _, c := range l.Carried {
		t.row(fmt.Sprintf("carried forward from %s, revision %d: %s", c.Day, c.Revision, c.Reason), c.Quantity)
		t.title(fmt.Sprintf("  rows: stackusage explain --day %s --resource %s --meter %s", c.Day, path.Base(l.ResourceURI), usage.DashedGUID(l.MeterID)))
	}
	for _, rev := range l.Revisions {
		q.revision(t, l, rev)
	}
	t.row("billed"+t.at, l.Billed)
	if err := t.grid.Print(out); err != nil {
		return err
	}
	for _, note := range Beside(l) {
		fmt.Fprintln(out, note.Text)
	}
	return nil
}

// tree is a table in which quantities, and amounts if there is a rate, add up.
type tree struct {
	grid cli.Grid
	rate *usage.Quantity
	at   string // the rate, as people read it
}

func (q *question) tree(r *explain.Report, l explain.Line) *tree {
	t := &tree{grid: cli.Grid{Head: []string{"", strings.ToUpper(cmp.Or(l.Unit, "quantity"))}}}
	if q.list == nil {
		t.grid.Head[0] = "(quantities only: no price list is named)"
		return t
	}
	price := Answer{Report: r, Prices: q.list}.Price(l)
	if !price.Known {
		t.grid.Head[0] = "(no price is known: " + price.Note + ")"
		return t
	}
	t.rate = &price.Rate
	t.at = fmt.Sprintf(" at %s %s", price.Rate, q.list.Currency)
	t.grid.Head = append(t.grid.Head, "EXACT "+q.list.Currency)
	return t
}

func (t *tree) row(text string, v usage.Quantity) {
	cells := []any{text, cli.Number(v.String())}
	if t.rate != nil {
		cells = append(cells, cli.Number(v.Mul(*t.rate).String()))
	}
	t.grid.Row(cells...)
}

// title is a row without numbers.
func (t *tree) title(text string) {
	t.grid.Row([]any{text, cli.Number(""), cli.Number("")}[:len(t.grid.Head)]...)
}

// revision prints what a revision added, and the hours behind that. The numbers of all
// rows add up to what is billed.
func (q *question) revision(t *tree, l explain.Line, rev explain.Revision) {
	title := fmt.Sprintf("revision %d   closed %s, %d of %d reported hours", rev.Number, usage.Point(rev.ClosedAt), rev.Hours, rev.Hours+len(rev.Missing))
	if rev.Reason != "" {
		title += fmt.Sprintf(", requested by %s: %s", rev.By, rev.Reason)
	}
	t.title(title)
	if rev.RecordID != "" {
		t.title(fmt.Sprintf("  record %s, %s", rev.RecordID, cmp.Or(rev.Outcome, "no outcome yet")))
	}
	var hidden usage.Quantity
	for i, c := range rev.Changes {
		if i < shown || q.all || len(rev.Changes) == shown+1 {
			q.change(t, c)
		} else {
			hidden = hidden.Add(c.Quantity)
		}
	}
	if more := len(rev.Changes) - shown; more > 1 && !q.all {
		t.row(fmt.Sprintf("  ... %d more reported hours; --all shows them", more), hidden)
	}
	if rest, why := Rest(l, rev); rest.Sign() != 0 {
		t.row("  "+why, rest)
	}
}

// change prints a reported hour and its rows.
func (q *question) change(t *tree, c explain.Change) {
	what := "  reported " + c.ReportedHour.String() + "  hour blob " + strings.TrimSuffix(path.Base(c.Blob), landing.Suffix)
	if c.Corrects != "" {
		what += ", corrects " + c.Corrects
	}
	if c.Why != "" {
		defer t.title("    " + c.Why)
	}
	if len(c.Listed) == 1 && c.Rows == 1 {
		t.row(fmt.Sprintf("%s  row %d, used %s", what, c.Listed[0].Number, c.Listed[0].Hour.String()), c.Quantity)
		return
	}
	t.row(fmt.Sprintf("%s  %s", what, cli.Count(c.Rows, "row")), c.Quantity)
	limit := shown
	if q.all || len(c.Listed) == shown+1 {
		limit = len(c.Listed)
	}
	for _, row := range c.Listed[:min(limit, len(c.Listed))] {
		t.title(fmt.Sprintf("    row %d, used %s: %s", row.Number, row.Hour.String(), row.Quantity))
	}
	if more := c.Rows - int64(min(limit, len(c.Listed))); more > 0 {
		t.title(fmt.Sprintf("    ... %d more rows", more))
	}
}
