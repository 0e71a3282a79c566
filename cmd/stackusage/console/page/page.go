// Package page is what the pages of the console are made of: parts with a heading, each
// the result of a command of stackusage, and the layout around them.
//
//	Request   the call: its parameters have the names of the commands' flags
//	Ask       runs a command in this process, and takes its result
//	Page      parts, in order; a part that fails says why, and the others stand
//	Table     rows that are streamed: some on the page, all as CSV
package page

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
)

// Request is a call for a page.
type Request struct {
	context.Context
	Path  string
	Query url.Values
	Now   time.Time

	Env    *cli.Env
	Root   func(*cli.Env) *cobra.Command // the commands of stackusage
	Prices []string                      // flags for commands that compute amounts: --prices or --bill, and --names
	Jobs   *Jobs

	csv csvWriter
}

// Get is a parameter; empty if the address does not have it.
func (r *Request) Get(name string) string { return r.Query.Get(name) }

// CSV is the id of the table that the request wants as CSV; empty for the page.
func (r *Request) CSV() string { return r.Query.Get("csv") }

// Flags are the named parameters as flags of a command; those that are empty are left
// out. A name with a question mark is of a flag without a value.
func (r *Request) Flags(names ...string) (args []string) {
	for _, name := range names {
		name, on := strings.CutSuffix(name, "?")
		switch value := r.Get(name); {
		case value == "":
		case on:
			args = append(args, "--"+name)
		default: // also where it begins with a dash
			args = append(args, "--"+name, value)
		}
	}
	return args
}

// Ask runs a command, and hands its result to take while the command has its files open.
// The result is what the command would print: cli.Rows of a list, else a value of its own
// type T.
func Ask[T any](r *Request, take func(T) error, args ...string) error {
	taken := false
	env := r.Env.Apart(nil, func(result any) error {
		v, is := result.(T)
		if !is {
			return fmt.Errorf("stackusage %s has a %T, and the page wants %T", args[0], result, v)
		}
		taken = true
		return take(v)
	})
	err := r.run(env, args)
	if err == nil && !taken {
		err = fmt.Errorf("stackusage %s has shown nothing", strings.Join(args, " "))
	}
	if errors.Is(err, cli.ErrDifferences) { // the result says so
		return nil
	}
	return err
}

// PrintCSV prints what a command prints as CSV.
func (r *Request) PrintCSV(out io.Writer, args ...string) error {
	return r.run(r.Env.Apart(out, nil), append(slices.Clone(args), "--output", "csv"))
}

// run runs a command. A value that begins with a dash is the value of its flag: args are
// pairs of flag and value after the names of the command.
func (r *Request) run(env *cli.Env, args []string) error {
	root := r.Root(env)
	root.SetArgs(args)
	return root.ExecuteContext(r)
}

// Link leads to another page.
type Link struct{ Text, Href string }

// Page is what a page shows.
type Page struct {
	Title   string
	Lead    string // a sentence below the title
	Trail   []Link // pages above this one, from the overview down
	Section string // of the navigation that the page belongs to: its address
	Parts   []*Part
	Reload  time.Duration // after which the page is asked for again; 0: never
}

// Part is a part of a page.
type Part struct {
	ID    string // unique on the page; of its table in CSV, too
	Title string
	Lead  string
	Form  *Form
	Body  template.HTML // of an author's template (Render)
	Table *Shown
	Notes []string // what the answer does not cover

	Command []string // args of the command that gives the same answer, without "stackusage"
	Err     error    // why the part, or the rest of it, cannot be shown
}

// Part adds a part, which fill fills: an error stands in the part, and what was filled
// before stands too. Where another table of the page is wanted as CSV, it is left out.
func (p *Page) Part(r *Request, id, title string, fill func(*Part) error) {
	if csv := r.CSV(); csv != "" && csv != id {
		return
	}
	part := &Part{ID: id, Title: title}
	p.Parts = append(p.Parts, part)
	if err := fill(part); err != nil {
		part.Err = err
	}
}

// Render executes an author's template for the body of a part.
func (p *Part) Render(t *template.Template, name string, data any) error {
	var b bytes.Buffer
	err := t.ExecuteTemplate(&b, name, data)
	p.Body += template.HTML(b.String()) // escaped by the template
	return err
}

// Show reads the rows of the part's table: those of the page, or all as CSV. It is called
// while the command that has them holds its files open.
func (p *Part) Show(r *Request, t Table) error {
	if r.CSV() == p.ID {
		r.csv.name = p.ID
		return t.write(&r.csv)
	}
	p.Table = t.show(r, p.ID)
	return p.Table.Err
}

// Form asks for parameters. It is sent by GET, to the address of the page.
type Form struct {
	Action string
	Fields []Field
	Keep   map[string]string // parameters that stay as they are
}

// Field is a field of a form.
type Field struct {
	Name, Label string
	Kind        string // text, date or month; empty with Options
	Value       string
	Options     []Option
	Hint        string
	Switch      bool // of a flag without a value
}

// Option is a choice of a field.
type Option struct {
	Value, Text string
	Chosen      bool
}

// Choices makes options of values; the first may be empty, and stands for all.
func Choices(chosen string, values ...string) (options []Option) {
	for _, v := range values {
		text := v
		if v == "" {
			text = "all"
		}
		options = append(options, Option{v, text, v == chosen})
	}
	return options
}

// Href is an address of the console. Parameters are name and value in turns; those without
// a value are left out.
func Href(path string, params ...string) string {
	values := url.Values{}
	for pair := range slices.Chunk(params, 2) {
		if pair[1] != "" {
			values.Set(pair[0], pair[1])
		}
	}
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}

// With is the address of this page with other parameters; an empty value removes one.
func (r *Request) With(params ...string) string {
	values := url.Values{}
	for name, all := range r.Query {
		values[name] = slices.Clone(all)
	}
	for pair := range slices.Chunk(params, 2) {
		values.Del(pair[0])
		if pair[1] != "" {
			values.Set(pair[0], pair[1])
		}
	}
	if len(values) == 0 {
		return r.Path
	}
	return r.Path + "?" + values.Encode()
}
