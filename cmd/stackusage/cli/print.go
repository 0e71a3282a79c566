package cli

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"stackusage/shared/usage"
)

// Forms of output.
const (
	asTable    = "table"
	jsonOutput = "json"
	csvOutput  = "csv"
)

// OutputFlag adds --output to a command and all below it.
func (e *Env) OutputFlag(root *cobra.Command) {
	EnumVar(root, &e.output, "output", "`form` of what is printed (default: table)", asTable, jsonOutput, csvOutput)
	root.PersistentFlags().AddFlag(root.Flags().Lookup("output"))
}

// DefaultOutput is the form of what is printed where --output names none.
func (e *Env) DefaultOutput(form string) { e.output = cmp.Or(e.output, form) }

// Tables reports whether people read the output.
func (e *Env) Tables() bool { return e.output == "" || e.output == asTable }

// JSON reports whether the output is JSON.
func (e *Env) JSON() bool { return e.output == jsonOutput }

// Table is how rows are shown to people. In JSON a row is an object on a line of its
// own, and in CSV its fields are the columns.
type Table[T any] struct {
	Head  []string
	Cells func(T) []any
	None  string // printed if there are no rows; beside JSON and CSV on standard error
}

// Rows are the rows of a list command, for Env.View.
type Rows struct {
	Head []string
	None string // what to say if there are no rows
	All  iter.Seq2[Viewed, error]
}

// Viewed is a row, and its cells as people see it.
type Viewed struct {
	Row   any
	Cells []any
}

// view hands rows over in place of printing them.
func view[T any](e *Env, rows iter.Seq2[T, error], t Table[T]) error {
	return e.View(Rows{Head: t.Head, None: t.None, All: func(yield func(Viewed, error) bool) {
		for row, err := range rows {
			v := Viewed{Row: row}
			if err == nil {
				v.Cells = t.Cells(row)
			}
			if !yield(v, err) || err != nil {
				return
			}
		}
	}})
}

// Number is a text that stands in its column as a number does.
type Number string

// Each goes through rows that are known.
func Each[T any](rows []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
	}
}

// List prints rows.
func List[T any](e *Env, rows iter.Seq2[T, error], t Table[T]) error {
	if e.View != nil {
		return view(e, rows, t)
	}
	print := func(T) error { return nil }
	flush := func() error { return nil }
	switch e.output {
	case jsonOutput:
		enc := json.NewEncoder(e.Stdout)
		enc.SetEscapeHTML(false)
		print = func(row T) error { return enc.Encode(row) }
	case csvOutput:
		w := csv.NewWriter(e.Stdout)
		if err := w.Write(columns[T]()); err != nil {
			return err
		}
		print = func(row T) error { return w.Write(values(row)) }
		flush = func() error { w.Flush(); return w.Error() }
	default:
		grid := Grid{Head: t.Head}
		print = func(row T) error { grid.Row(t.Cells(row)...); return nil }
		flush = func() error { return grid.Print(e.Stdout) }
	}
	none := true
	for row, err := range rows {
		none = false
		if err == nil {
			err = print(row)
		}
		if err != nil {
			return err
		}
	}
	if none && t.None != "" {
		out := e.Stdout
		if !e.Tables() {
			out = e.Stderr
		}
		fmt.Fprintln(out, t.None)
	}
	return flush()
}

// Results prints what an action did: a text for people, else rows.
func Results[T any](e *Env, rows []T, text string) error {
	if e.Tables() {
		_, err := io.WriteString(e.Stdout, text)
		return err
	}
	return List(e, Each(rows), Table[T]{})
}

// Result is Results of one.
func Result[T any](e *Env, row T, format string, args ...any) error {
	return Results(e, []T{row}, fmt.Sprintf(format, args...))
}

// Report prints an object in JSON as people read it, too.
func Report(e *Env, v any) error {
	enc := json.NewEncoder(e.Stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// Grid prints cells in columns that line up. Numbers stand to the right, with their
// decimal points in line.
type Grid struct {
	Head []string
	rows [][]any
}

// Row adds a row.
func (g *Grid) Row(cells ...any) { g.rows = append(g.rows, cells) }

// Print prints the rows under the head; nothing if there are none.
func (g *Grid) Print(out io.Writer) error {
	if len(g.rows) == 0 {
		return nil
	}
	texts := make([][]string, len(g.rows))
	for i, row := range g.rows {
		texts[i] = make([]string, len(row))
		for k, cell := range row {
			texts[i][k] = fmt.Sprint(cell)
		}
	}
	head := append([]string(nil), g.Head...)
	for k := range g.rows[0] {
		g.align(texts, head, k)
	}
	var b strings.Builder
	if len(head) > 0 {
		texts = append([][]string{head}, texts...)
	}
	for _, row := range texts {
		b.WriteString(strings.TrimRight(strings.Join(row, "  "), " ") + "\n")
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// align gives the cells of a column one width.
func (g *Grid) align(texts [][]string, head []string, k int) {
	number := g.numbers(k)
	fraction := func(text string) int { // what follows the digits before the point
		if _, after, ok := strings.Cut(text, "."); ok {
			return 1 + len(after)
		}
		return 0
	}
	width, digits := 0, 0
	if number {
		for _, row := range texts {
			digits = max(digits, fraction(row[k]))
		}
		for _, row := range texts {
			row[k] += strings.Repeat(" ", digits-fraction(row[k]))
		}
	}
	for _, row := range texts {
		width = max(width, utf8.RuneCountInString(row[k]))
	}
	if len(head) > 0 {
		width = max(width, utf8.RuneCountInString(head[k]))
	}
	pad := func(text string) string {
		space := strings.Repeat(" ", width-utf8.RuneCountInString(text))
		if number {
			return space + text
		}
		return text + space
	}
	for _, row := range texts {
		row[k] = pad(row[k])
	}
	if len(head) > 0 {
		head[k] = pad(head[k])
	}
}

// numbers reports whether a column holds numbers only.
func (g *Grid) numbers(k int) bool {
	for _, row := range g.rows {
		switch row[k].(type) {
		case int, int64, usage.Quantity, Number:
		default:
			return false
		}
	}
	return true
}
