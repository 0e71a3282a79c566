package calendar

import (
	"io"
	"strconv"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/usage"
)

// Sizes of the month's picture, in pixels.
const (
	step  = 26 // from square to square
	size  = 23
	left  = 92 // of the first square; the days' names stand before it
	above = 22 // the hours' names stand there
)

func showMonth(r *page.Request, p *page.Page, month usage.Month) {
	name := r.Get("registration")
	s, err := read(r, month.First(), month.Last())
	p.Part(r, "hours", month.String(), func(part *page.Part) error {
		part.Form = &page.Form{Action: r.Path, Fields: []page.Field{r.RegistrationField(), {Name: "month", Label: "Month", Kind: "month", Value: month.String()}}}
		part.Command = s.command
		if err != nil {
			return err
		}
		return part.Render(templates, "picture", s.month(name, month))
	})
	if err != nil {
		return
	}
	p.Part(r, "days", "Days of the month", func(part *page.Part) error {
		return part.Show(r, s.table(name, month))
	})
}

// nav leads to the months around, the year, and the usage of the days.
func nav(name string, month usage.Month) []page.Link {
	before, after := usage.MonthOf(month.First()-1), usage.MonthOf(month.Last()+1)
	return []page.Link{
		{Text: "‹ " + before.String(), Href: page.Href("/calendar", "registration", name, "month", before.String())},
		{Text: after.String() + " ›", Href: page.Href("/calendar", "registration", name, "month", after.String())},
		{Text: "The year", Href: page.Href("/calendar", "registration", name, "year", month.First().Start().Format("2006"))},
		{Text: "Days", Href: page.Href("/days", "registration", name, "from", month.First().String(), "to", month.Last().String())},
		{Text: "Usage", Href: page.Href("/usage", "registration", name, "month", month.String())},
	}
}

// month draws a square for each reported hour, and a row for each day.
func (s *span) month(name string, month usage.Month) picture {
	all := s.sums(s.First, s.Last)
	p := picture{Label: "Reported hours of " + month.String() + ", a row for each day", Width: left + 24*step, Legend: legend(all.Of), Nav: nav(name, month),
		Note: "Each square leads to its hour. By keyboard, each day leads to a list of its hours."}
	for h := 0; h < 24; h += 3 {
		p.Heads = append(p.Heads, text{left + h*step, above - 8, strconv.Itoa(h)})
	}
	y := above
	for day := s.First; day <= s.Last; day = day.Next() {
		line := row{Y: y + size - 7, Label: day.String(), Href: page.Href("/calendar", "registration", name, "day", day.String())}
		for i := range 24 {
			at := day.First() + usage.Hour(i)
			h := s.Hours[at]
			if h == nil {
				h = &hour{}
			}
			sq := square{X: left + i*step, Y: y, Size: size, look: looks[h.State], Text: h.text(at)}
			if h.State != none {
				sq.Href = page.Href("/hour", "registration", name, "hour", at.String())
			}
			line.Squares = append(line.Squares, sq)
		}
		p.Rows = append(p.Rows, line)
		y += step
	}
	p.Height = y
	return p
}

// columns of the days' table: the states that hours are in, and their rows.
var columns = []state{landed, late, empty, rejected, conflict, missing, givenUp, excluded, waiting}

// table is the picture in numbers.
func (s *span) table(name string, month usage.Month) page.Table {
	t := page.Table{Caption: "Days of " + month.String() + " with their reported hours", Columns: []page.Column{{Name: "Day"}}, Empty: "No hour is expected in this month, and nothing has landed."}
	all := s.sums(s.First, s.Last)
	var shown []state
	for _, c := range columns {
		if c == landed || all.Of[c] > 0 {
			shown = append(shown, c)
			t.Columns = append(t.Columns, page.Column{Name: upper(c.String()), Number: true})
		}
	}
	t.Columns = append(t.Columns, page.Column{Name: "Rows", Number: true}, page.Column{Name: "Rejected rows", Number: true}, page.Column{Name: "Undecided rows", Number: true})
	line := func(first page.Cell, of sums) []page.Cell {
		cells := []page.Cell{first}
		for _, c := range shown {
			cells = append(cells, page.CellOf(of.Of[c]))
		}
		return append(cells, page.CellOf(of.Rows), page.CellOf(of.Rejected), page.CellOf(of.Undecided))
	}
	t.Rows = func(yield func([]page.Cell, error) bool) {
		for day := s.First; day <= s.Last; day = day.Next() {
			of := s.sums(day, day)
			if of.Worst == none {
				continue
			}
			first := page.Cell{Text: day.String(), Class: "nowrap", Href: page.Href("/calendar", "registration", name, "day", day.String())}
			if !yield(line(first, of), nil) {
				return
			}
		}
	}
	t.Foot = [][]page.Cell{line(page.Cell{Text: "all"}, all)}
	return t
}

func upper(text string) string { return string(text[0]-'a'+'A') + text[1:] }

// showDay lists the hours of a day: their files, and the hours of which there is none.
func showDay(r *page.Request, p *page.Page, day usage.Day) {
	name := r.Get("registration")
	p.Part(r, "files", "", func(part *page.Part) error {
		part.Command = append(append([]string{"hour", "list"}, r.Flags("registration")...), "--from", day.String(), "--to", day.String())
		nav := []page.Link{
			{Text: "‹ " + (day - 1).String(), Href: page.Href("/calendar", "registration", name, "day", (day - 1).String())},
			{Text: day.Next().String() + " ›", Href: page.Href("/calendar", "registration", name, "day", day.Next().String())},
			{Text: "Usage of the day", Href: page.Href("/day", "registration", name, "day", day.String())},
		}
		if err := part.Render(templates, "nav", nav); err != nil {
			return err
		}
		return page.Ask(r, func(rows cli.Rows) error {
			return part.Show(r, page.Table{Caption: "Files of the reported hours of " + day.String(), Empty: "No hour is expected, and nothing has landed.",
				Columns: []page.Column{{Name: "Hour"}, {Name: "State"}, {Name: "Rows", Number: true}, {Name: "Rejected", Number: true}, {Name: "Undecided", Number: true}, {Name: "Landed"}, {Name: "File"}, {Name: "Why"}},
				Print:   func(out io.Writer) error { return r.PrintCSV(out, part.Command...) },
				Rows: func(yield func([]page.Cell, error) bool) {
					for v, err := range rows.All {
						if err != nil {
							yield(nil, err)
							return
						}
						if !yield(dayCells(name, v.Row.(hours.Row)), nil) {
							return
						}
					}
				}})
		}, part.Command...)
	})
}

func dayCells(name string, r hours.Row) []page.Cell {
	verdict := r.Verdict
	if r.Late {
		verdict += ", late"
	}
	return []page.Cell{
		{Text: r.Range().String(), Class: "nowrap", Href: page.Href("/hour", "registration", name, "hour", r.Hour.String())},
		{Text: verdict, Class: "nowrap"}, page.CellOf(r.Records), page.CellOf(r.Rejected), page.CellOf(r.Undecided),
		{Text: cli.PointOr(cli.Known(r.Landed)), Class: "nowrap"}, {Text: r.SHA16, Class: "nowrap"}, page.Text(r.Why()),
	}
}
