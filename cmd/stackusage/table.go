package main

import (
	"fmt"
	"text/tabwriter"
)

// table prints rows under a head, in columns that line up.
type table struct {
	env  environment
	w    *tabwriter.Writer
	head []any
	rows int
}

func newTable(env environment, head ...any) *table {
	return &table{env: env, w: tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0), head: head}
}

func (t *table) row(cells ...any) {
	if t.rows++; t.rows == 1 {
		t.line(t.head)
	}
	t.line(cells)
}

func (t *table) line(cells []any) {
	for i, cell := range cells {
		if i > 0 {
			fmt.Fprint(t.w, "\t")
		}
		fmt.Fprint(t.w, cell)
	}
	fmt.Fprintln(t.w)
}

// flush prints what there is, or else none.
func (t *table) flush(none string) error {
	if t.rows == 0 && none != "" {
		fmt.Fprintln(t.env.stdout, none)
	}
	return t.w.Flush()
}
