package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
)

// listing prints rows under a head, in columns that line up.
type listing struct {
	env  environment
	w    *tabwriter.Writer
	head []any
	rows int
}

func newListing(env environment, head ...any) *listing {
	return &listing{env: env, w: tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0), head: head}
}

func (t *listing) row(cells ...any) {
	if t.rows++; t.rows == 1 {
		t.line(t.head)
	}
	t.line(cells)
}

func (t *listing) line(cells []any) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, cell)
	}
	fmt.Fprintln(t.w)
}

// flush prints what there is, or else none.
func (t *listing) flush(none string) error {
	if t.rows == 0 && none != "" {
		fmt.Fprintln(t.env.stdout, none)
	}
	return t.w.Flush()
}

// oneOf refuses a value that no row can have: a list that is empty because of
// a slip would read as all clear.
func oneOf[T ~string](flag, value string, all ...T) error {
	names := make([]string, len(all))
	for i, v := range all {
		if value == string(v) {
			return nil
		}
		names[i] = string(v)
	}
	if value == "" {
		return nil
	}
	return fmt.Errorf("%s %q is none of %s", flag, value, strings.Join(names, ", "))
}
