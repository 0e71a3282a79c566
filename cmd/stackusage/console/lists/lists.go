// Package lists is the pages of list commands: the command's rows with its flags as
// filters, and for each row the command to act.
package lists

import (
	"fmt"
	"io"
	"slices"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
)

// List is a page of a list command.
type List struct {
	Path, Title, Lead string
	Command           []string     // words of the command
	Fields            []page.Field // flags of the command that the page has as filters
	Always            []string     // flags that are not filters

	Link func(row any, column string) string   // address for a cell; nil: no links
	Act  func(row any, name string) [][]string // commands to act on a row of the registration with a name; nil: none
	Long []string                              // columns whose texts may be long; the others never wrap
}

// Show makes the page.
func (l List) Show(r *page.Request) (*page.Page, error) {
	p := &page.Page{Title: l.Title, Lead: l.Lead, Section: l.Path, Trail: []page.Link{{Text: "Overview", Href: "/"}}}
	p.Part(r, "list", "", func(part *page.Part) error {
		names := make([]string, len(l.Fields))
		form := page.Form{Action: l.Path}
		for i, f := range l.Fields {
			names[i], f.Value = f.Name, r.Get(f.Name)
			if f.Switch {
				names[i] += "?"
			}
			for k := range f.Options {
				f.Options[k].Chosen = f.Options[k].Value == f.Value
			}
			if f.Name == "registration" {
				f = r.RegistrationField()
			}
			form.Fields = append(form.Fields, f)
		}
		part.Form = &form
		part.Command = append(append(append([]string(nil), l.Command...), l.Always...), r.Flags(names...)...)
		return page.Ask(r, func(rows cli.Rows) error { return part.Show(r, l.table(r, part, rows)) }, part.Command...)
	})
	return p, nil
}

// table is the command's table with links, and a column of what to do.
func (l List) table(r *page.Request, part *page.Part, rows cli.Rows) page.Table {
	t := page.Table{Caption: l.Title, Empty: rows.None, Print: func(out io.Writer) error { return r.PrintCSV(out, part.Command...) }}
	for _, name := range rows.Head {
		t.Columns = append(t.Columns, page.Column{Name: page.Heading(name)})
	}
	if l.Act != nil {
		t.Columns = append(t.Columns, page.Column{Name: "Next"})
	}
	t.Rows = func(yield func([]page.Cell, error) bool) {
		for v, err := range rows.All {
			if err != nil {
				yield(nil, err)
				return
			}
			cells := make([]page.Cell, 0, len(v.Cells)+1)
			for i, c := range v.Cells {
				cell := page.CellOf(c)
				t.Columns[i].Number = t.Columns[i].Number || cell.Number
				if !slices.Contains(l.Long, rows.Head[i]) {
					cell.Class = "nowrap"
				}
				if l.Link != nil {
					cell.Href = l.Link(v.Row, rows.Head[i])
				}
				cells = append(cells, cell)
			}
			if l.Act != nil {
				cells = append(cells, page.Cell{Commands: l.Act(v.Row, fmt.Sprint(v.Cells[0]))})
			}
			if !yield(cells, nil) {
				return
			}
		}
	}
	return t
}
