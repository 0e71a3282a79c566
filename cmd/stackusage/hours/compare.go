package hours

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourdiff"
	"stackusage/shared/hourlog"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
)

func compare(e *cli.Env) *cobra.Command {
	var f file
	var with string
	var limit int
	cmd := cli.Command("compare", "Compare two files of a reported hour, row by row", `--sha16 names one file and --with the other one (default: the accepted file), as hour
list shows them. FIRST is the file of --with. Rows of the same meter, resource, usage
hour, location, tags and additional info are one row. WHAT tells the difference:
  onlyInFirst, onlyInSecond   the other file has no such row
  otherQuantity               both have it, with other quantities
  otherNumberOfRows           the same quantity in more or fewer rows
A row that no rule can read is known by its bytes, and has its code in place of a meter.

Exit code: 0 the rows are the same, 2 they differ, 1 anything else.`, `
stackusage hour compare --hour 2019-12-10T19:00Z --sha16 0123456789abcdef
stackusage hour compare --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --with fedcba9876543210`, func(ctx context.Context) error {
		if limit < 0 {
			return fmt.Errorf("--limit %d: must be 0 or more", limit)
		}
		storage, err := f.begin(ctx)
		if err != nil {
			return err
		}
		second, err := hourlog.Read(ctx, storage.Tables, f.id)
		if err != nil {
			return unresolved(err)
		}
		first, err := f.other(ctx, storage, with)
		if err != nil {
			return unresolved(err)
		}
		c, err := hourdiff.Compare(ctx, landing.Files{Landed: storage.Landing.Blobs, Corrected: storage.Usage.Blobs}, first.Blob, second.Blob)
		if err != nil {
			return err
		}
		defer c.Close()
		return printCompared(e, c, [2]hourlog.Hour{first, second}, limit)
	})
	f.of = e.OneRegistration(cmd)
	f.flags(cmd)
	cmd.Flags().StringVar(&with, "with", "", "`hash` of the other file (default: the accepted file)")
	cmd.Flags().IntVar(&limit, "limit", 100, "`number` of rows to print; 0: all")
	return cmd
}

// other is the row of the file that the named one is compared with.
func (f *file) other(ctx context.Context, storage *cli.Storage, with string) (hourlog.Hour, error) {
	if with == "" {
		return hourlog.AcceptedHour(ctx, storage.Tables, f.id)
	}
	id := f.id
	var err error
	if id.SHA16, err = parseSHA16("--with", with); err != nil {
		return hourlog.Hour{}, err
	}
	return hourlog.Read(ctx, storage.Tables, id)
}

// printCompared prints up to limit rows, and how many there are.
func printCompared(e *cli.Env, c *hourdiff.Comparison, files [2]hourlog.Hour, limit int) error {
	catalogue, err := meter.BuiltIn()
	if err != nil {
		return err
	}
	about := e.Stdout
	switch {
	case e.View != nil:
		about = io.Discard
	case !e.Tables():
		about = e.Stderr
	}
	for i, name := range []string{"FIRST ", "SECOND"} {
		fmt.Fprintf(about, "%s  %s  %s, %s\n", name, files[i].Blob, files[i].Verdict, cli.Count([]int64{c.First, c.Second}[i], "row"))
	}
	if len(c.Headers) > 0 {
		fmt.Fprintf(about, "the headers differ in %s\n", strings.Join(c.Headers, ", "))
	}
	counts := map[hourdiff.Kind]int{}
	total := 0
	err = cli.List(e, func(yield func(hourdiff.Row, error) bool) {
		for row, err := range c.Differences() {
			total++
			counts[row.Kind]++
			if (err != nil || limit == 0 || total <= limit) && !yield(row, err) {
				return
			}
		}
	}, cli.Table[hourdiff.Row]{
		Head: []string{"WHAT", "USED", "METER", "RESOURCE", "FIRST", "SECOND", "ROWS"},
		Cells: func(r hourdiff.Row) []any {
			used, what, resource := "", r.Code, fmt.Sprintf("%.100q", r.Text)
			if r.Hour != nil {
				m, _ := catalogue.Find(r.MeterID)
				used, what, resource = r.Hour.String(), cmp.Or(m.Name, r.MeterID), cli.Resource(r.ResourceURI)
			}
			rows := fmt.Sprint(max(r.First.Rows, r.Second.Rows))
			if r.Kind == hourdiff.Rows {
				rows = fmt.Sprintf("%d and %d", r.First.Rows, r.Second.Rows)
			}
			return []any{r.Kind, used, what, resource, quantityOf(r, r.First), quantityOf(r, r.Second), rows}
		},
		None: "the rows are the same",
	})
	if err != nil || total == 0 {
		return err
	}
	if limit > 0 && total > limit {
		fmt.Fprintf(about, "... and %d more; --limit 0 prints all\n", total-limit)
	}
	fmt.Fprintf(about, "%d only in the first file, %d only in the second, %d with other quantities, %d in another number of rows\n",
		counts[hourdiff.OnlyFirst], counts[hourdiff.OnlySecond], counts[hourdiff.Quantities], counts[hourdiff.Rows])
	return cli.ErrDifferences
}

// quantityOf is the quantity of a row in one file; empty if the file has no such row, or
// nobody can read it.
func quantityOf(r hourdiff.Row, a hourdiff.Amount) cli.Number {
	if a.Rows == 0 || r.Hour == nil {
		return ""
	}
	return cli.Number(a.Quantity.String())
}
