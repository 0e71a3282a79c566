package days

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/explanation"
	"stackusage/shared/explain"
	"stackusage/shared/usage"
)

// maxLines bounds how many lines are explained whole; of more there is a list.
const maxLines = 5

// ShowExplain is the page that explains a line.
func ShowExplain(r *page.Request) (*page.Page, error) {
	of, day := r.Get("registration"), r.Get("day")
	p := &page.Page{Title: "Explanation", Section: "/", Trail: trail(r, of)}
	if of != "" && day != "" {
		p.Trail = trail(r, of, page.Link{Text: "Usage day " + day, Href: page.Href("/day", "registration", of, "day", day)})
	}
	p.Part(r, "line", "", func(part *page.Part) error {
		asked := r.Get("record") != "" || r.Get("line") != "" || day != ""
		if !asked || r.Get("record")+r.Get("line") == "" && r.Get("resource") == "" {
			part.Form = &page.Form{Action: r.Path, Fields: []page.Field{r.RegistrationField(), {Name: "day", Label: "Usage day", Kind: "date", Value: day},
				{Name: "resource", Label: "Resource", Kind: "text", Value: r.Get("resource"), Hint: "URI or name"},
				{Name: "meter", Label: "Meter", Kind: "text", Value: r.Get("meter"), Hint: "ID or name"},
				{Name: "record", Label: "or record", Kind: "text", Hint: "ID"}}}
		}
		if !asked {
			part.Lead = "Choose a usage day with a resource and a meter, or a record. The page of a day lists its lines."
			return nil
		}
		part.Command = command(r)
		err := page.Ask(r, func(answer any) error {
			switch answer := answer.(type) {
			case explanation.Answer:
				return showAnswer(r, p, part, answer)
			case explanation.Statement:
				return showStatement(r, part, answer)
			}
			return fmt.Errorf("explain has a %T", answer)
		}, part.Command...)
		if e, is := errors.AsType[*explain.Elsewhere](err); is {
			return errors.Join(err, part.Render(templates, "elsewhere", elsewhereOf(r, e)))
		}
		return err
	})
	return p, nil
}

// command is explain as the address asks. It has prices, and no names.
func command(r *page.Request) []string {
	args := []string{"explain"}
	if record := r.Get("record"); record != "" {
		args = append(args, strings.TrimLeft(record, "-")) // never a flag
	}
	args = append(args, r.Flags("registration", "day", "resource", "meter", "line", "all?")...)
	prices := slices.Clone(r.Prices)
	if i := slices.Index(prices, "--names"); i >= 0 {
		prices = slices.Delete(prices, i, min(i+2, len(prices)))
	}
	return append(args, prices...)
}

// elsewhere are addresses of what there is where a line is not.
type elsewhere struct{ Days, Meters []page.Link }

func elsewhereOf(r *page.Request, e *explain.Elsewhere) (there elsewhere) {
	for _, day := range e.Days {
		there.Days = append(there.Days, page.Link{Text: day.String(), Href: r.With("day", day.String())})
	}
	for _, id := range e.Meters {
		there.Meters = append(there.Meters, page.Link{Text: id, Href: r.With("meter", id)})
	}
	return there
}

func showAnswer(r *page.Request, p *page.Page, part *page.Part, a explanation.Answer) error {
	if err := part.Render(templates, "contradictions", a); err != nil {
		return err
	}
	if len(a.Lines) > maxLines {
		if err := part.Show(r, explainedTable(a)); err != nil {
			return err
		}
		part.Lead = fmt.Sprintf("%s. Each resource leads to its explanation.", cli.Count(len(a.Lines), "line"))
		return nil
	}
	if len(a.Lines) == 1 {
		p.Title = nameOf(a.Lines[0]) + ", " + page.Text(cli.Resource(a.Lines[0].ResourceURI)).Text
		p.Lead = "Usage day " + a.Day.String() + ", charged to " + a.Lines[0].BillingSubscriptionID
		p.Trail = trail(r, cmp.Or(r.Get("registration"), a.CloudID), page.Link{Text: "Usage day " + a.Day.String(), Href: page.Href("/day", "registration", cmp.Or(r.Get("registration"), a.CloudID), "day", a.Day.String())})
	}
	for _, l := range a.Lines {
		if err := part.Render(templates, "line", lineOf(r, a, l, len(a.Lines) == 1)); err != nil {
			return err
		}
	}
	return part.Render(templates, "checked", struct {
		Text   string
		Agrees bool
	}{explanation.Checked(a.Checked), len(a.Contradictions) == 0})
}

func nameOf(l explain.Line) string { return cmp.Or(l.MeterName, "meter "+l.MeterID) }

// explainedTable lists the lines of an answer.
func explainedTable(a explanation.Answer) page.Table {
	t := page.Table{Caption: "Lines of " + a.Day.String(), Columns: []page.Column{{Name: "Resource"}, {Name: "Meter"}, {Name: "Billed", Number: true}, {Name: "Unit"}, {Name: "Revisions", Number: true}}}
	var rows [][]page.Cell
	for _, l := range a.Lines {
		resource := page.Text(cli.Resource(l.ResourceURI))
		resource.Whole, resource.Href = l.ResourceURI, explainHref(a.CloudID, a.Day.String(), l.ResourceURI, l.MeterID)
		rows = append(rows, []page.Cell{resource, page.Text(nameOf(l)), exact(l.Billed), page.Text(l.Unit), page.CellOf(len(l.Revisions))})
	}
	t.Rows = page.Rows(rows)
	return t
}

// showStatement lists the daily rows under a row of the statement.
func showStatement(r *page.Request, part *page.Part, s explanation.Statement) error {
	part.Lead = fmt.Sprintf("%s, %s, charged to %s: %s %s", s.MeterName, s.Month, usage.DashedGUID(s.Payer), s.Quantity, s.Unit)
	t := page.Table{Caption: "Daily rows under the row of the statement", Empty: "There are no daily rows.",
		Columns: []page.Column{{Name: "Line", Number: true}, {Name: "Usage day"}, {Name: "Record"}, {Name: "Resource"}, {Name: "Quantity", Number: true}, {Name: "Exact amount", Number: true}}}
	t.Rows = func(yield func([]page.Cell, error) bool) {
		for b, err := range s.Rows {
			resource := page.Text(cli.Resource(b.Resource))
			resource.Whole = b.Resource
			cells := []page.Cell{page.CellOf(b.Line), {Text: b.UsageDay.String(), Class: "nowrap"},
				{Text: b.RecordID, Href: page.Href("/explain", "line", fmt.Sprint(b.Line))}, resource, exact(b.Quantity), {Text: b.Amount, Number: true}}
			if !yield(cells, err) || err != nil {
				return
			}
		}
	}
	if err := part.Show(r, t); err != nil {
		return err
	}
	if r.Get("skip-"+part.ID) == "" && r.CSV() == "" && part.Table.Next == "" { // all rows were read
		part.Notes = append(part.Notes, s.Together())
	}
	if s.Differs != "" {
		return errors.New("the row does not add up: " + s.Differs)
	}
	return nil
}
