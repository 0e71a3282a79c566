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

// shown is how many reported hours of a revision, and rows of an hour, are not folded: as
// many as the command prints.
const shown = 3

// maxLines bounds how many lines are explained whole; of more there is a list.
const maxLines = 5

// ShowExplain is the page that explains a line.
func ShowExplain(r *page.Request) (*page.Page, error) {
	of, day := r.Get("registration"), r.Get("day")
	p := &page.Page{Title: "Explanation", Section: "/", Trail: trail(of)}
	if of != "" && day != "" {
		p.Trail = trail(of, page.Link{Text: day, Href: page.Href("/day", "registration", of, "day", day)})
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
		args = append(args, record)
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
		p.Trail = trail(cmp.Or(r.Get("registration"), a.CloudID), page.Link{Text: a.Day.String(), Href: page.Href("/day", "registration", cmp.Or(r.Get("registration"), a.CloudID), "day", a.Day.String())})
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

// widest is how many characters of a number stand on the page.
const widest = 16

// exact is a number as the command has it; a long one is rounded, and whole in its title.
func exact(q usage.Quantity) page.Cell {
	whole := q.String()
	if len(whole) <= widest {
		return page.Cell{Text: whole, Number: true}
	}
	text, _ := cli.Rounded(q, 0, 8)
	return page.Cell{Text: text, Whole: whole, Number: true}
}

// line is a line of the bill with what the page shows of it.
type line struct {
	explain.Line
	a       explanation.Answer
	r       *page.Request
	Alone   bool // the page has no other
	Name    string
	Quantum string // its unit
	NoPrice string // why there are no amounts; empty: there are
	At      string // the rate with its currency
	Steps   []revision
	Beside  []note
	rate    *usage.Quantity
}

func lineOf(r *page.Request, a explanation.Answer, l explain.Line, alone bool) *line {
	v := &line{Line: l, a: a, r: r, Alone: alone, Name: nameOf(l), Quantum: cmp.Or(l.Unit, "quantity"), NoPrice: "no price list is named"}
	if a.Prices != nil {
		if price := a.Price(l); price.Known {
			v.rate, v.NoPrice, v.At = &price.Rate, "", fmt.Sprintf("%s %s", price.Rate, a.Prices.Currency)
		} else {
			v.NoPrice = "no price is known: " + price.Note
		}
	}
	for _, rev := range l.Revisions {
		s := revision{Revision: rev, line: v}
		s.Rest, s.RestWhy = explanation.Rest(l, rev)
		v.Steps = append(v.Steps, s)
	}
	for _, n := range explanation.Beside(l) {
		link := page.Link{}
		switch {
		case n.Row > 0:
			link = page.Link{Text: fmt.Sprintf("row %d", n.Row), Href: v.RowHref(n.Hour, n.SHA16, n.Row)}
		case n.Hour != 0:
			link = page.Link{Text: "hour " + n.Hour.String(), Href: v.HourHref(n.Hour)}
		}
		v.Beside = append(v.Beside, note{n.Text, link})
	}
	return v
}

// note stands beside a line, with an address to look.
type note struct {
	Text string
	Link page.Link
}

// Currency is that of the amounts.
func (l *line) Currency() string { return l.a.Prices.Currency }

// Numbers are the cells of a quantity: itself, and its amount if there is a rate.
func (l *line) Numbers(q usage.Quantity) []page.Cell {
	cells := []page.Cell{exact(q)}
	if l.rate != nil {
		cells = append(cells, exact(q.Mul(*l.rate)))
	}
	return cells
}

// HourHref leads to a reported hour.
func (l *line) HourHref(h usage.Hour) string {
	return page.Href("/hour", "registration", l.registration(), "hour", h.String())
}

// RowHref leads to a row of an hour blob.
func (l *line) RowHref(h usage.Hour, sha16 string, number int64) string {
	return page.Href("/row", "registration", l.registration(), "hour", h.String(), "sha16", sha16, "line", fmt.Sprint(number))
}

// CarriedHref leads to the explanation of usage that was carried into the line.
func (l *line) CarriedHref(day usage.Day) string {
	return explainHref(l.registration(), day.String(), l.ResourceURI, l.MeterID)
}

func (l *line) registration() string { return cmp.Or(l.r.Get("registration"), l.a.CloudID) }

// revision is what a revision of the day did to the line.
type revision struct {
	explain.Revision
	line    *line
	Rest    usage.Quantity
	RestWhy string
}

// Of is the number of reported hours with those that were missing.
func (s revision) Of() int { return s.Hours + len(s.Missing) }

// folded is how many changes are shown first: all, or as many as the command prints.
func (s revision) folded() int {
	if s.line.r.Get("all") != "" || len(s.Changes) <= shown+1 {
		return len(s.Changes)
	}
	return shown
}

// First are the changes that are always shown.
func (s revision) First() *changes { return s.view(s.Changes[:s.folded()]) }

// More are the others; nil: there are none.
func (s revision) More() *changes {
	if s.folded() == len(s.Changes) {
		return nil
	}
	return s.view(s.Changes[s.folded():])
}

// changes are some of a revision, with their sum.
type changes struct {
	Line    *line
	Changes []change
	Sum     usage.Quantity
}

func (s revision) view(all []explain.Change) *changes {
	v := &changes{Line: s.line}
	for _, c := range all {
		v.Changes, v.Sum = append(v.Changes, change{c, s.line}), v.Sum.Add(c.Quantity)
	}
	return v
}

// change is what a reported hour changed.
type change struct {
	explain.Change
	line *line
}

// File is the name of the hour blob without its folder.
func (c change) File() string { return c.Blob[strings.LastIndexByte(c.Blob, '/')+1:] }

// Shown are the rows that are listed.
func (c change) Shown() []explain.Row {
	if c.line.r.Get("all") != "" || len(c.Listed) <= shown+1 {
		return c.Listed
	}
	return c.Listed[:shown]
}

// Left is how many rows are not listed.
func (c change) Left() int64 { return c.Rows - int64(len(c.Shown())) }

// All is the address of the page with all rows; empty where it has them.
func (c change) All() string {
	if c.line.r.Get("all") != "" {
		return ""
	}
	return c.line.r.With("all", "true")
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
