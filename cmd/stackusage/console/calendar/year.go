package calendar

import (
	"fmt"
	"strconv"
	"time"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/shared/usage"
)

// Sizes of the year's picture, in pixels.
const (
	weekStep = 17
	daySize  = 14
	weekLeft = 34
)

func showYear(r *page.Request, p *page.Page, year int, first usage.Day) {
	last := usage.HourOf(time.Date(year, time.December, 31, 0, 0, 0, 0, time.UTC)).Day()
	s, err := read(r, first, last)
	p.Part(r, "hours", strconv.Itoa(year), func(part *page.Part) error {
		part.Command = s.command
		if err != nil {
			return err
		}
		return part.Render(templates, "picture", s.year(r.Get("registration"), year))
	})
	if err != nil {
		return
	}
	p.Part(r, "months", "Months of the year", func(part *page.Part) error {
		return part.Show(r, s.months(r.Get("registration"), year))
	})
}

// year draws a square for each day in its worst state: a column for each week, from
// Monday to Sunday.
func (s *span) year(name string, year int) picture {
	p := picture{Label: fmt.Sprintf("Days of %d, each in the worst state of its hours", year), Height: 18 + 7*weekStep,
		Note: "Each square leads to its day. By keyboard, the table leads to each month."}
	link := func(before string, y int, after string) page.Link {
		return page.Link{Text: before + strconv.Itoa(y) + after, Href: page.Href("/calendar", "registration", name, "year", strconv.Itoa(y))}
	}
	p.Nav = []page.Link{link("‹ ", year-1, ""), link("", year+1, " ›"),
		{Text: "Days", Href: page.Href("/days", "registration", name, "from", s.First.String(), "to", s.Last.String())}}
	of := map[state]int{}
	week := 0
	lines := make([]row, 7)
	for i, label := range []string{"Mon", "", "Wed", "", "Fri", "", "Sun"} {
		lines[i] = row{Y: 18 + i*weekStep + daySize - 3, Label: label}
	}
	for day := s.First; day <= s.Last; day = day.Next() {
		at := day.Start()
		weekday := (int(at.Weekday()) + 6) % 7
		if weekday == 0 && day != s.First {
			week++
		}
		if at.Day() == 1 {
			p.Heads = append(p.Heads, text{weekLeft + week*weekStep, 11, at.Format("Jan")})
		}
		sums := s.sums(day, day)
		if sums.Worst != none {
			of[sums.Worst]++
		}
		sq := square{X: weekLeft + week*weekStep, Y: 18 + weekday*weekStep, Size: daySize, look: looks[sums.Worst], Text: dayText(day, sums)}
		if sums.Worst != none {
			sq.Href = page.Href("/calendar", "registration", name, "day", day.String())
		}
		lines[weekday].Squares = append(lines[weekday].Squares, sq)
	}
	p.Rows, p.Legend, p.Width = lines, legend(of), weekLeft+(week+1)*weekStep
	return p
}

func dayText(day usage.Day, s sums) string {
	text := day.String() + ": "
	if s.Worst == none {
		return text + "nothing is expected"
	}
	for i, c := range columns {
		if s.Of[c] > 0 {
			if i > 0 && text[len(text)-2] != ':' {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", s.Of[c], c)
		}
	}
	return text + "; " + cli.Count(s.Rows, "row")
}

// months is the picture in numbers.
func (s *span) months(name string, year int) page.Table {
	t := page.Table{Caption: fmt.Sprintf("Months of %d with their reported hours", year), Columns: []page.Column{{Name: "Month"}}}
	all := s.sums(s.First, s.Last)
	var shown []state
	for _, c := range columns {
		if c == landed || all.Of[c] > 0 {
			shown = append(shown, c)
			t.Columns = append(t.Columns, page.Column{Name: upper(c.String()), Number: true})
		}
	}
	t.Columns = append(t.Columns, page.Column{Name: "Rows", Number: true}, page.Column{Name: "Rejected rows", Number: true})
	t.Rows = func(yield func([]page.Cell, error) bool) {
		for m := time.January; m <= time.December; m++ {
			first := usage.HourOf(time.Date(year, m, 1, 0, 0, 0, 0, time.UTC)).Day()
			month := usage.Month(first)
			of := s.sums(first, month.Last())
			cells := []page.Cell{{Text: month.String(), Href: page.Href("/calendar", "registration", name, "month", month.String())}}
			for _, c := range shown {
				cells = append(cells, page.CellOf(of.Of[c]))
			}
			if !yield(append(cells, page.CellOf(of.Rows), page.CellOf(of.Rejected)), nil) {
				return
			}
		}
	}
	return t
}
