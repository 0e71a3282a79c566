package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"stackusage/shared/azurestore"
	"stackusage/shared/meter"
	"stackusage/shared/reconcile"
	"stackusage/shared/usage"
)

const aboutReconcile = `explain how the stack's usage and the bill differ

  stackusage reconcile --cloud-id GUID --from 2019-12-10 --to 2019-12-11
  stackusage reconcile --cloud-id GUID --from 2019-12-10 --to 2019-12-11 --bill usage-details.csv --stack answers

The stack's usage API is asked by the hour in which it took usage in; the bill
counts usage on the day it was used, UTC. So what was used from 23:00 and taken in
after midnight is on the next day for the stack, and on its own day on the bill:

  METER               DAY         WHAT                                                          QUANTITY  UNIT
  Base VM Size Hours  2024-03-03  the stack: reported on the day                                402       vCPU hours
  Base VM Size Hours  2024-03-03    used before, reported in it, 1 h after (at 2024-03-03T00Z)  -10       vCPU hours
  Base VM Size Hours  2024-03-03    used in it, reported later, 1 h after (at 2024-03-04T00Z)   +16       vCPU hours
  Base VM Size Hours  2024-03-03  the bill: used on the day                                     408       vCPU hours

Each cause is measured by itself, and they add up to the last digit. What is left
over is UNEXPLAINED: run stackusage verify, which names the row.

Without --stack the stack's numbers are the rows that landed and count; an hour
that did not land is named, with no number. docs/operations.md says how to save
the stack's answers, and what each cause means. Without --bill the bill is what
commerce accepted (table DailyUsage), and nothing has an amount. With it amounts
are quantities times the file's rates, exact and not rounded.

Exit code: 0 all is explained, 2 something is UNEXPLAINED, 1 anything else.`

// reconcileCommand is stackusage reconcile.
func reconcileCommand(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "reconcile", aboutReconcile)
	var f usageFilter
	fs.StringVar(&f.cloudID, "cloud-id", "", "the registration's `GUID`")
	f.flags(fs)
	bill := fs.String("bill", "", "the usage details `file` (CSV, version 2), as downloaded from the account page")
	stack := fs.String("stack", "", "a `folder` of saved answers of the stack's usage API, a file YYYY-MM-DDTHH.json for each reported hour")
	asJSON := fs.Bool("json", false, "print the report as JSON")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if f.cloudID == "" {
		return errors.New("--cloud-id is missing: the registration, as stackusage registrations list shows it")
	}
	if err := f.check(); err != nil {
		return err
	}
	o := reconcile.Options{CloudID: f.cloudID, From: f.from, To: f.to, MeterID: f.meterID, Subscription: f.subscription}
	if *bill != "" {
		o.Bill = func() (io.ReadCloser, error) { return os.Open(*bill) }
	}
	if *stack != "" {
		if about, err := os.Stat(*stack); err != nil || !about.IsDir() {
			return cmp.Or(err, fmt.Errorf("--stack %s: not a folder", *stack))
		}
		o.Stack = os.DirFS(*stack)
	}
	catalogue, err := meter.BuiltIn()
	if err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	last := time.Now()
	o.Progress = func(p reconcile.Progress) {
		if time.Since(last) >= every {
			last = time.Now()
			fmt.Fprintf(env.stderr, "reconcile: %d of %d hour blobs, %d rows, %d usage days, %d rows of the file so far\n", p.Hours, p.Of, p.Rows, p.Days, p.Bill)
		}
	}
	report, err := reconcile.Sources{Ledger: app.ledger, Meters: catalogue,
		Files: reconcile.Files{Landing: app.landing.Blobs, App: app.usage.Blobs, NoBlob: azurestore.ErrNoBlob}}.Run(ctx, o)
	if err != nil {
		return err
	}
	if len(report.Lines) == 0 {
		if err := checkStored(ctx, app, f.cloudID); err != nil {
			return err
		}
	}
	if err := printReconciled(env.stdout, report, *asJSON); err != nil {
		return err
	}
	if report.Unexplained > 0 {
		return errDifferences
	}
	return nil
}

func printReconciled(out io.Writer, r reconcile.Report, asJSON bool) error {
	if asJSON {
		return printJSON(out, r)
	}
	fmt.Fprintf(out, "Stack %s, %s to %s (UTC). The stack's numbers: %s. The bill: %s.\n", r.CloudID, r.From, r.To, r.Stack, r.Bill)
	if len(r.Lines) == 0 {
		fmt.Fprintln(out, "there is no such usage, on neither side")
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	if len(r.Lines) > 0 {
		fmt.Fprint(w, "METER\tDAY\tWHAT\tQUANTITY\tUNIT")
		if r.Bill == reconcile.FromFile {
			fmt.Fprint(w, "\tAMOUNT")
		}
		fmt.Fprintln(w)
	}
	for _, l := range r.Lines {
		printLine(w, l)
	}
	if err := w.Flush(); err != nil {
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
	if r.Unexplained > 0 {
		fmt.Fprintf(out, "%d lines are UNEXPLAINED: run stackusage verify --cloud-id %s --from %s --to %s\n", r.Unexplained, r.CloudID, r.From, r.To)
		return nil
	}
	fmt.Fprintln(out, "every difference is explained")
	return nil
}

// printLine prints the way from the stack's number to the bill's.
func printLine(w io.Writer, l reconcile.Line) {
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
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s", meterName(l), l.Day, what, plus(quantity, sign), l.Unit)
		if l.Amounts != nil {
			fmt.Fprintf(w, "\t%s %s", plus(amount, sign), l.Currency)
		}
		fmt.Fprintln(w)
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
func plus(q usage.Quantity, sign string) string {
	if q.Sign() <= 0 {
		sign = ""
	}
	return sign + q.String()
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
