package days

import (
	"cmp"
	"fmt"
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

// Links lead to the pages around the line.
func (l *line) Links() []page.Link {
	of, day := cmp.Or(l.r.Get("registration"), l.a.CloudID), l.a.Day.String()
	return []page.Link{
		{Text: "Lines of the resource on the day", Href: page.Href("/day", "registration", of, "day", day, "resource", l.ResourceURI) + "#lines"},
		{Text: "Usage of the resource in the month", Href: page.Href("/usage", "month", usage.MonthOf(l.a.Day).String(), "resource", l.ResourceURI)},
		{Text: "Decisions", Href: page.Href("/decisions", "registration", of)},
	}
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
