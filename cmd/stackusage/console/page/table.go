package page

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usage"
)

// PageRows is how many rows of a table stand on a page.
const PageRows = 200

// Table is a table of a part. Its rows are streamed: a page has PageRows of them, and CSV
// has all.
type Table struct {
	Caption string // for people who do not see the page
	Columns []Column
	Rows    iter.Seq2[[]Cell, error]
	Foot    [][]Cell // below the rows of each page: totals
	Empty   string   // what to say if there are no rows

	// Print writes the table as CSV; nil: the cells, whole. Lists have that of their command.
	Print func(out io.Writer) error
}

// Column is the head of a column.
type Column struct {
	Name   string
	Number bool // stands to the right
}

// Cell is a cell of a table.
type Cell struct {
	Text   string
	Whole  string // if Text is shorter: the whole text or every digit, for the title and CSV
	Href   string
	Class  string // of the style sheet
	Code   bool   // a command, or a row as it was sent
	Number bool

	Commands [][]string // to act on the row: args of stackusage
}

// Heading is the head of a column of a command in the manner of pages: First line for
// FIRST LINE.
func Heading(name string) string {
	if name == "SHA16" || name == "" {
		return name
	}
	return name[:1] + strings.ToLower(name[1:])
}

// CellOf is a cell as a table of the command line has it.
func CellOf(v any) Cell {
	switch v := v.(type) {
	case Cell:
		return v
	case usage.Quantity:
		return Quantity(v)
	case int:
		return Cell{Text: thousands(int64(v)), Whole: strconv.Itoa(v), Number: true}
	case int64:
		return Cell{Text: thousands(v), Whole: strconv.FormatInt(v, 10), Number: true}
	case cli.Number:
		return Cell{Text: string(v), Number: true}
	}
	return Text(fmt.Sprint(v))
}

// longest is how much of a text stands on a page.
const longest = 160

// Text is a cell with a text; a long one is cut, and whole in its title.
func Text(text string) Cell {
	if runes := []rune(text); len(runes) > longest {
		return Cell{Text: string(runes[:longest-1]) + "…", Whole: text}
	}
	return Cell{Text: text}
}

// Quantity is a cell with a quantity: four decimals, and every digit in its title.
func Quantity(q usage.Quantity) Cell {
	text, _ := cli.Rounded(q, 0, 4)
	return Cell{Text: text, Whole: q.String(), Number: true}
}

// Amount is a cell with an amount of money: two decimals, and every digit in its title.
func Amount(q usage.Quantity) Cell {
	text, _ := cli.Rounded(q, 2, 2)
	return Cell{Text: text, Whole: q.String(), Number: true}
}

func thousands(n int64) string {
	q, err := usage.ParseQuantity(strconv.FormatInt(n, 10))
	if err != nil {
		return strconv.FormatInt(n, 10)
	}
	text, _ := cli.Rounded(q, 0, 0)
	return text
}

// Exact is the whole text of a cell.
func (c Cell) Exact() string {
	if c.Whole != "" {
		return c.Whole
	}
	return c.Text
}

// Title is what the cell's title says: the whole text, where the cell shows less.
func (c Cell) Title() string {
	if c.Whole == c.Text {
		return ""
	}
	return c.Whole
}

// Rows goes through rows that are known.
func Rows(rows [][]Cell) iter.Seq2[[]Cell, error] { return cli.Each(rows) }

// write writes the table as CSV.
func (t Table) write(out io.Writer) error {
	if t.Print != nil {
		return t.Print(out)
	}
	w := csv.NewWriter(out)
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = c.Name
	}
	err := w.Write(head)
	for row, rowErr := range t.Rows {
		if err = errors.Join(err, rowErr); err != nil {
			break
		}
		cells := make([]string, len(row))
		for i, c := range row {
			cells[i] = c.Exact()
		}
		err = w.Write(cells)
	}
	w.Flush()
	return errors.Join(err, w.Error())
}

// Shown is a table on a page.
type Shown struct {
	Table
	ID         string
	Body       [][]Cell
	Prev, Next string // addresses of other rows
	From, To   int    // numbers of the rows, from 1
	CSV        string
	Err        error
}

// Label is the name of a column, which stands beside its cells on a narrow screen.
func (s *Shown) Label(column int) string {
	if column < len(s.Columns) {
		return s.Columns[column].Name
	}
	return ""
}

// show reads the rows of a page.
func (t Table) show(r *Request, id string) *Shown {
	skip, err := strconv.Atoi(r.Get("skip-" + id))
	if err != nil || skip < 0 {
		skip = 0
	}
	s := &Shown{Table: t, ID: id, CSV: r.With("csv", id, "skip-"+id, "")}
	n := 0
	for row, err := range t.Rows {
		if err != nil {
			s.Err = err
			break
		}
		if n++; n <= skip {
			continue
		}
		if len(s.Body) == PageRows {
			s.Next = r.With("skip-"+id, strconv.Itoa(skip+PageRows)) + "#" + id
			break
		}
		s.Body = append(s.Body, row)
	}
	if skip > 0 {
		before := ""
		if skip > PageRows {
			before = strconv.Itoa(skip - PageRows)
		}
		s.Prev = r.With("skip-"+id, before) + "#" + id
	}
	s.From, s.To = skip+1, skip+len(s.Body)
	return s
}
