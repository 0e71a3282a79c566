package checks

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/meter"
	"stackusage/shared/reconcile"
	"stackusage/shared/usage"
)

const aboutReconcile = `The stack's usage API is queried by the hour in which usage was reported; the bill has
usage on the day it was used, UTC. So what was used from 23:00 and reported after
midnight is on the next day for the stack, and on its own day on the bill:

  METER               DAY         WHAT                                                             QUANTITY  UNIT
  Base VM Size Hours  2024-03-03  the stack: reported on the day                                        402  vCPU hours
  Base VM Size Hours  2024-03-03    used before, reported in it, 1 h after (at 2024-03-03T00:00Z)       -10  vCPU hours
  Base VM Size Hours  2024-03-03    used in it, reported later, 1 h after (at 2024-03-04T00:00Z)        +16  vCPU hours
  Base VM Size Hours  2024-03-03  the bill: used on the day                                             408  vCPU hours

That is --all. Without it the table has a line for each meter, with the causes over all
days by their names in JSON. Each cause is measured by itself, and they add up to the
last digit. What is left over is UNEXPLAINED: run stackusage verify, which names the row.

Without --stack the stack's usage is that of the rows that landed and are accepted; an
hour that did not land is named, without a number. docs/operations.md tells how to save
the stack's responses, and what each cause means. Without --bill billed usage is what
commerce accepted (table DailyUsage), and nothing has an amount. With it amounts
are quantities times the file's rates, exact and not rounded.

Missing hours and undecided rejected rows of the days are UNFINISHED: no differences, and
a list of their own.

Exit code: 0 all is explained, 2 something is UNEXPLAINED or UNFINISHED, 1 anything else.`

// Reconcile is stackusage reconcile.
func Reconcile(e *cli.Env) *cobra.Command {
	var f cli.UsageFilter
	var bill, stack string
	var all bool
	cmd := cli.Command("reconcile", "Explain how reported and billed usage differ", aboutReconcile, `
stackusage reconcile --from 2019-12-10 --to 2019-12-11
stackusage reconcile --from 2019-12-10 --to 2019-12-11 --bill usage-details.csv --stack responses`, func(ctx context.Context) error {
		if err := f.Check(); err != nil {
			return err
		}
		o := reconcile.Options{From: f.First, To: f.Last, MeterID: f.MeterID, Subscription: f.Subscription}
		if bill != "" {
			o.Bill = func() (io.ReadCloser, error) { return os.Open(bill) }
		}
		if stack != "" {
			if about, err := os.Stat(stack); err != nil || !about.IsDir() {
				return cmp.Or(err, fmt.Errorf("--stack %s: not a folder", stack))
			}
			o.Stack = os.DirFS(stack)
		}
		storage, cloudID, err := f.Registration.CloudID(ctx)
		if err != nil {
			return err
		}
		o.CloudID = cloudID
		report, err := reconciled(ctx, e, storage, o)
		if err != nil {
			return err
		}
		if len(report.Lines) == 0 {
			if _, _, err := f.Registration.Filter(ctx); err != nil {
				return err
			}
		}
		if err := printReconciled(e, report, storage.Name(ctx, cloudID), all); err != nil {
			return err
		}
		if report.Unexplained > 0 || !report.Unfinished.Finished() {
			return cli.ErrDifferences
		}
		return nil
	})
	f.Registration = e.OneRegistration(cmd)
	f.Flags(cmd)
	cmd.Flags().BoolVar(&all, "all", false, "each day and each cause, with its reported hours")
	cmd.Flags().StringVar(&bill, "bill", "", "usage details `file` (CSV, version 2), as downloaded from the account page")
	cmd.Flags().StringVar(&stack, "stack", "", "`folder` of saved responses of the stack's usage API, a file YYYY-MM-DDTHH.json for each reported hour")
	return cmd
}

func reconciled(ctx context.Context, e *cli.Env, storage *cli.Storage, o reconcile.Options) (reconcile.Report, error) {
	catalogue, err := meter.BuiltIn()
	if err != nil {
		return reconcile.Report{}, err
	}
	last := time.Now()
	o.Progress = func(p reconcile.Progress) {
		if time.Since(last) >= every {
			last = time.Now()
			fmt.Fprintf(e.Stderr, "reconcile: %d of %d hour blobs, %d rows, %d usage days, %d rows of the file so far\n", p.Hours, p.Of, p.Rows, p.Days, p.Bill)
		}
	}
	return reconcile.Sources{Tables: storage.Tables, Meters: catalogue, Registrations: storage.Registry(),
		Files: reconcile.Files{Landing: storage.Landing.Blobs, App: storage.Usage.Blobs}}.Run(ctx, o)
}

func printReconciled(e *cli.Env, r reconcile.Report, name string, all bool) error {
	if e.JSON() {
		return cli.Report(e, r)
	}
	if !e.Tables() {
		return cli.List(e, cli.Each(r.Lines), cli.Table[reconcile.Line]{})
	}
	out := e.Stdout
	fmt.Fprintf(out, "Stack %s, %s to %s (UTC). Reported usage: %s. Billed usage: %s.\n", name, r.From, r.To, r.Stack, r.Bill)
	if len(r.Lines) == 0 {
		fmt.Fprintln(out, "there is no such usage, on neither side")
	}
	grid := summaryOf(r)
	if all {
		grid = stepsOf(r)
	}
	if err := grid.Print(out); err != nil {
		return err
	}
	for _, h := range r.Hours {
		fmt.Fprintf(out, "reported hour %s: %s\n", reconcile.HourSpan{First: h.First, Last: h.Last}, h.What)
	}
	for _, n := range r.Notes {
		fmt.Fprintln(out, "note:", n)
	}
	for _, l := range noAmounts(r.Lines) {
		fmt.Fprintln(out, "no amount of", l)
	}
	for _, text := range r.Unfinished.Texts() {
		fmt.Fprintln(out, "UNFINISHED", text)
	}
	for _, hours := range r.Unfinished.Accepted {
		fmt.Fprintln(out, "ACCEPTED as missing:", hours)
	}
	if r.Unexplained > 0 {
		fmt.Fprintf(out, "%s: run stackusage verify --registration %s --from %s --to %s\n", cli.Count(r.Unexplained, "UNEXPLAINED line"), name, r.From, r.To)
		return nil
	}
	fmt.Fprintln(out, "every difference is explained")
	return nil
}

// summaryOf has a line for each meter, over all of the days.
func summaryOf(r reconcile.Report) cli.Grid {
	grid := cli.Grid{Head: []string{"METER", "REPORTED", "BILLED", "DIFFERENCE", "UNIT", "CAUSES"}}
	priced := r.Bill == reconcile.FromFile
	if priced {
		grid.Head = []string{"METER", "REPORTED", "BILLED", "DIFFERENCE", "UNIT", "AMOUNT", "DIFFERENCE", "CURRENCY", "CAUSES"}
	}
	for _, l := range r.Lines {
		if l.Day != reconcile.Total && r.From != r.To {
			continue
		}
		cells := []any{meterName(l), l.Stack, l.Bill, plus(l.Difference, "+"), l.Unit}
		if priced && l.Amounts != nil {
			cells = append(cells, cli.Number(l.Amounts.Bill.String()), plus(l.Amounts.Difference, "+"), l.Currency)
		} else if priced {
			cells = append(cells, cli.Number(""), cli.Number(""), "")
		}
		grid.Row(append(cells, causesOf(l))...)
	}
	return grid
}

// causesOf sums the causes of a line by kind.
func causesOf(l reconcile.Line) string {
	var kinds []reconcile.Kind
	sums := map[reconcile.Kind]usage.Quantity{}
	for _, c := range l.Causes {
		if _, there := sums[c.Kind]; !there {
			kinds = append(kinds, c.Kind)
		}
		sums[c.Kind] = sums[c.Kind].Add(c.Quantity)
	}
	var texts []string
	for _, k := range kinds {
		texts = append(texts, fmt.Sprintf("%s %s", k, plus(sums[k], "+")))
	}
	if l.Unexplained.Sign() != 0 {
		texts = append(texts, "UNEXPLAINED "+string(plus(l.Unexplained, "+")))
	}
	return strings.Join(texts, ", ")
}

// stepsOf has the steps from reported to billed usage, for each meter and day.
func stepsOf(r reconcile.Report) cli.Grid {
	grid := cli.Grid{Head: []string{"METER", "DAY", "WHAT", "QUANTITY", "UNIT"}}
	if r.Bill == reconcile.FromFile {
		grid.Head = append(grid.Head, "AMOUNT", "CURRENCY")
	}
	for _, l := range r.Lines {
		printLine(&grid, l)
	}
	return grid
}

// printLine prints the steps from reported to billed usage.
func printLine(grid *cli.Grid, l reconcile.Line) {
	when := "the day"
	if l.Day == reconcile.Total {
		when = "these days"
	}
	amounts := cmp.Or(l.Amounts, &reconcile.Amounts{})
	row := func(what string, quantity, amount usage.Quantity, signed bool) {
		sign := ""
		if signed {
			sign = "+"
		}
		cells := []any{meterName(l), l.Day, what, plus(quantity, sign), l.Unit, cli.Number(""), l.Currency}
		if l.Amounts != nil {
			cells[5] = plus(amount, sign)
		}
		grid.Row(cells[:len(grid.Head)]...)
	}
	if len(l.Causes) == 0 && l.Difference.Sign() == 0 {
		row("the stack and the bill agree", l.Bill, amounts.Bill, false)
		return
	}
	row("the stack: reported on "+when, l.Stack, amounts.Stack, false)
	for _, c := range l.Causes {
		row("  "+c.String(), c.Quantity, *cmp.Or(c.Amount, &usage.Quantity{}), true)
	}
	if l.Unexplained.Sign() != 0 {
		row("  UNEXPLAINED", l.Unexplained, amounts.Unexplained, true)
	}
	row("the bill: used on "+when, l.Bill, amounts.Bill, false)
	row("difference, bill less stack", l.Difference, amounts.Difference, true)
}

// plus is a quantity with its sign, where it is one that has it.
func plus(q usage.Quantity, sign string) cli.Number {
	if q.Sign() <= 0 {
		sign = ""
	}
	return cli.Number(sign + q.String())
}

func meterName(l reconcile.Line) string {
	name := cmp.Or(l.Name, l.MeterID)
	if l.Admin {
		name += " (admin)"
	}
	return name
}

// noAmounts says of which meters there are no amounts, and why, once each.
func noAmounts(lines []reconcile.Line) (texts []string) {
	said := map[string]bool{}
	for _, l := range lines {
		text := meterName(l) + ": " + l.NoRate
		if l.NoRate != "" && !said[text] {
			said[text] = true
			texts = append(texts, text)
		}
	}
	return texts
}
