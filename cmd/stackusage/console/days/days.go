// Package days is the pages of usage days: their revisions, the lines of a day, and the
// explanation of a line.
//
//	days.go      revisions of many days
//	day.go       one day: its revisions, and what is open
//	lines.go     the lines of a day
//	explain.go, explained.go   why a line is billed as it is
package days

import (
	"cmp"
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/days"
	"stackusage/shared/status"
	"stackusage/shared/usage"
)

//go:embed *.html
var files embed.FS

var templates = page.Parse(files, "*.html")

// span is how many days the page shows where the address names none.
const span = 60

// row is a row of day list, with the name of its registration and its reason.
type row struct {
	days.Row
	Name, Why string
}

// Show is the page of many days.
func Show(r *page.Request) (*page.Page, error) {
	of := r.Get("registration")
	p := &page.Page{Title: "Usage days", Section: "/", Trail: trail(r, of), Lead: "Revisions of usage days, and what is not finished."}
	if of != "" {
		p.Title += " of " + p.Trail[1].Text
	}
	from, to := r.Get("from"), r.Get("to")
	p.Part(r, "open", "Open", func(part *page.Part) error {
		part.Command = append([]string{"status"}, r.Flags("registration")...)
		return page.Ask(r, func(s status.Status) error { return part.Show(r, openTable(s, of == "")) }, part.Command...)
	})
	p.Part(r, "days", "Revisions", func(part *page.Part) error {
		if from == "" && to == "" {
			last, err := lastDay(r)
			if err != nil {
				return err
			}
			if last != 0 {
				from, to = (last - span + 1).String(), last.String()
			}
		}
		part.Form = &page.Form{Action: r.Path, Fields: []page.Field{r.RegistrationField(),
			{Name: "from", Label: "From", Kind: "date", Value: from}, {Name: "to", Label: "To", Kind: "date", Value: to}}}
		part.Command = append([]string{"day", "list"}, r.Flags("registration")...)
		for _, flag := range [][2]string{{"--from", from}, {"--to", to}} {
			if flag[1] != "" {
				part.Command = append(part.Command, flag[0], flag[1])
			}
		}
		return page.Ask(r, func(rows cli.Rows) error {
			all, err := read(rows)
			if err != nil {
				return err
			}
			if err := part.Render(templates, "range", rangeOf(r, from, to)); err != nil {
				return err
			}
			t := daysTable(all, of == "")
			t.Empty = rows.None
			t.Print = func(out io.Writer) error { return r.PrintCSV(out, part.Command...) }
			return part.Show(r, t)
		}, part.Command...)
	})
	return p, nil
}

// trail leads to the pages above those of a registration.
func trail(r *page.Request, registration string, more ...page.Link) []page.Link {
	links := []page.Link{{Text: "Overview", Href: "/"}}
	if registration != "" {
		links = append(links, page.Link{Text: page.RegistrationName(r, registration), Href: page.Href("/calendar", "registration", registration)})
	}
	return append(links, more...)
}

// lastDay is the last day that there is; 0: none.
func lastDay(r *page.Request) (last usage.Day, err error) {
	err = page.Ask(r, func(rows cli.Rows) error {
		all, err := read(rows)
		for _, row := range all {
			if day, err := usage.ParseDay(row.Day); err == nil {
				last = max(last, day)
			}
		}
		return err
	}, append([]string{"day", "list"}, r.Flags("registration")...)...)
	return last, err
}

// read reads what day list has.
func read(rows cli.Rows) (all []row, err error) {
	for v, err := range rows.All {
		if err != nil {
			return all, err
		}
		d, is := v.Row.(days.Row)
		if !is || len(v.Cells) != len(rows.Head) {
			return all, fmt.Errorf("day list has a row of %T", v.Row)
		}
		all = append(all, row{d, fmt.Sprint(v.Cells[0]), fmt.Sprint(v.Cells[len(v.Cells)-1])})
	}
	return all, nil
}

// steps are the ranges before and after the one that is shown.
type steps struct{ Earlier, Later, All string }

func rangeOf(r *page.Request, from, to string) (s steps) {
	first, err := usage.ParseDay(from)
	last, err2 := usage.ParseDay(to)
	if err != nil || err2 != nil || last < first {
		return s
	}
	n := last - first + 1
	s.Earlier = r.With("from", (first - n).String(), "to", (first - 1).String(), "skip-days", "")
	if last < usage.HourOf(r.Now).Day() {
		s.Later = r.With("from", (last + 1).String(), "to", (last + n).String(), "skip-days", "")
	}
	if n < 365 {
		s.All = r.With("from", (last - 364).String(), "to", to, "skip-days", "")
	}
	return s
}

// daysTable has the newest day first, and of a day its last revision.
func daysTable(all []row, names bool) page.Table {
	t := page.Table{Caption: "Revisions of usage days"}
	if names {
		t.Columns = []page.Column{{Name: "Registration"}}
	}
	t.Columns = append(t.Columns, []page.Column{{Name: "Usage day"}, {Name: "Revision", Number: true}, {Name: "Closed"}, {Name: "Hours"},
		{Name: "Rows", Number: true}, {Name: "Records", Number: true}, {Name: "State"}, {Name: "Why"}}...)
	slices.SortStableFunc(all, func(a, b row) int {
		return cmp.Or(strings.Compare(b.Day, a.Day), strings.Compare(a.Name, b.Name), cmp.Compare(b.Revision, a.Revision))
	})
	var rows [][]page.Cell
	for _, d := range all {
		cells := []page.Cell{}
		if names {
			cells = append(cells, page.Cell{Text: d.Name, Href: page.Href("/days", "registration", d.CloudID)})
		}
		cells = append(cells, page.Cell{Text: d.Day, Class: "nowrap", Href: page.Href("/day", "registration", d.CloudID, "day", d.Day)})
		if d.Revision == 0 {
			none := page.Cell{Number: true}
			rows = append(rows, append(cells, none, page.Cell{Text: "never", Class: "warn"}, page.Cell{}, none, none, stateCell(d), page.Text(d.Why)))
			continue
		}
		rows = append(rows, append(cells, page.CellOf(d.Revision), page.Cell{Text: usage.Point(d.Closed), Class: "nowrap"}, hoursCell(d),
			page.CellOf(d.Rows), page.CellOf(d.Records), stateCell(d), page.Text(d.Why)))
	}
	t.Rows = page.Rows(rows)
	return t
}

// hoursCell says whether the hours of a day were there.
func hoursCell(d row) page.Cell {
	if d.Complete {
		return page.Cell{Text: "complete"}
	}
	return page.Cell{Text: fmt.Sprintf("%d missing", len(d.Missing)), Whole: hoursText(d.Missing), Class: "warn nowrap",
		Href: page.Href("/calendar", "registration", d.CloudID, "month", d.Day[:len("2024-03")])}
}

func hoursText(hours []usage.Hour) string {
	texts := make([]string, len(hours))
	for i, h := range hours {
		texts[i] = h.String()
	}
	return strings.Join(texts, " ")
}

func stateCell(d row) page.Cell {
	if d.State == "" {
		return page.Cell{Text: "closed", Class: "quiet"}
	}
	return page.Cell{Text: d.State, Class: "warn nowrap", Href: page.Href("/day", "registration", d.CloudID, "day", d.Day) + "#open"}
}

// openTable lists what status knows of days that are not finished, with the names of their
// registrations or without.
func openTable(s status.Status, names bool) page.Table {
	t := page.Table{Caption: "Open usage days and revisions", Empty: "Nothing is open.",
		Columns: []page.Column{{Name: "Usage day"}, {Name: "Open"}, {Name: "Since"}, {Name: "Waits for"}, {Name: "Due"}}}
	if names {
		t.Columns = append([]page.Column{{Name: "Registration"}}, t.Columns...)
	}
	titles := map[string]string{}
	for _, r := range s.Registrations {
		titles[r.CloudID] = r.Title()
	}
	var rows [][]page.Cell
	for _, d := range append(slices.Clone(s.OpenDays), s.OpenRevisions...) {
		var cells []page.Cell
		if names {
			cells = []page.Cell{page.Text(cmp.Or(titles[d.CloudID], d.CloudID))}
		}
		rows = append(rows, append(cells, []page.Cell{{Text: d.UsageDay, Class: "nowrap", Href: page.Href("/day", "registration", d.CloudID, "day", d.UsageDay)},
			{Text: openText(d)}, {Text: usage.Point(d.Since), Class: "nowrap"}, page.Text(waitsFor(d)), {Text: dueText(d), Class: "nowrap"}}...))
	}
	t.Rows = page.Rows(rows)
	return t
}

// openText says what of a day is open.
func openText(d status.OpenDay) string {
	texts := []string{"never closed"}
	switch {
	case d.Revision > 0:
		texts[0] = fmt.Sprintf("revision %d is sent", d.Revision)
	case d.Closed:
		texts[0] = "the next revision"
	}
	if d.Unanswered > 0 {
		texts = append(texts, cli.Count(d.Unanswered, "batch")+" without an outcome")
	}
	if d.Declined > 0 {
		texts = append(texts, cli.Count(d.Declined, "record")+" declined")
	}
	return strings.Join(texts, ", ")
}

func waitsFor(d status.OpenDay) string {
	if d.Revision > 0 {
		return strings.TrimSuffix("the outcome of commerce; its last response: "+d.LastResponse, "; its last response: ")
	}
	return cmp.Or(d.WaitsFor, "nothing: the next revision is due")
}

func dueText(d status.OpenDay) string {
	if d.DueAt.IsZero() {
		return ""
	}
	return usage.Point(d.DueAt)
}
