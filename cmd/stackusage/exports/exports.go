// Package exports is stackusage export: billed usage in files for other tools.
package exports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/focus"
	"stackusage/shared/meter"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

const about = `Writes the usage that a month bills as FOCUS 1.2 Cost and Usage data, NAME.parquet and
NAME.csv: a row for each line of the last revision of each closed usage day. Usage that
waits for commerce, and usage of stacks whose usage reporting is off, is there too, as
column x_State says. docs/formats/focus.md describes the columns.

A line without a known price is in neither file: it is counted, and listed in
NAME.unpriced.csv. A number with more digits than a Parquet decimal can keep is rounded
there, half to even, and listed in NAME.rounded.csv; NAME.csv has every digit.

The billing account is the Azure subscription that is charged, with the name of the
registration. A subscription that the registration charges for a tenant takes its name
from --names. The flags replace each of these in every row.

Exit code: 0 written, 2 written without lines that have no known price, 1 there is no
usage, or anything else.`

// flags are those of the command.
type flags struct {
	month   usage.Month
	out     string
	account focus.Account
	names   cli.Names
	prices  cli.Prices
	only    *cli.Registration
}

// Command is stackusage export.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("export", "Write billed usage to files for other tools",
		"stackusage export focus --month 2024-03 --prices prices.csv", focusCommand(e))
}

func focusCommand(e *cli.Env) *cobra.Command {
	var f flags
	cmd := cli.Command("focus", "Write a month as FOCUS 1.2 files", about, `
stackusage export focus --month 2024-03 --prices prices.csv
stackusage export focus --month 2024-03 --bill usage-details.csv --out march --names names.csv`, func(ctx context.Context) error {
		return run(ctx, e, f)
	})
	cli.MonthVar(cmd, &f.month, "month", "month of billed days (YYYY-MM, UTC)")
	cmd.Flags().StringVar(&f.out, "out", "", "`NAME` of the files, without .parquet (default: focus-MONTH)")
	cmd.Flags().StringVar(&f.account.ID, "billing-account-id", "", "`ID` of the billing account (default: the subscription that is charged)")
	cmd.Flags().StringVar(&f.account.Name, "billing-account-name", "", "`name` of the billing account (default: of the registration)")
	cmd.Flags().StringVar(&f.account.Type, "billing-account-type", "Azure subscription", "`type` of the billing account")
	f.names.Flag(cmd)
	f.prices.Flags(cmd)
	f.only = e.AnyRegistration(cmd)
	return cmd
}

func run(ctx context.Context, e *cli.Env, f flags) error {
	if f.month == 0 {
		return errors.New("--month is missing: the month to export, for example 2024-03")
	}
	x := exporter{flags: f}
	o := focus.Options{Name: cmp.Or(f.out, "focus-"+f.month.String())}
	var err error
	if o.Prices, err = f.prices.Open(e.Getenv); err != nil {
		return err
	}
	if o.Prices == nil {
		return errors.New("there are no prices: name a price list with --prices or STACKUSAGE_PRICES, or a usage details file with --bill")
	}
	if x.names, err = f.names.Read(); err != nil {
		return err
	}
	storage, histories, err := f.only.Histories(ctx)
	if err != nil {
		return err
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		return err
	}
	x.reader = &usagelines.Reader{Tables: storage.Tables, Blobs: storage.Usage.Blobs, Meters: meters}
	last := time.Now()
	o.Progress = func(doing string) {
		if time.Since(last) >= 2*time.Second {
			last = time.Now()
			fmt.Fprintln(e.Stderr, "export:", doing)
		}
	}
	result, err := focus.Write(ctx, o, x.lines(ctx, histories))
	if err != nil {
		return err
	}
	for _, note := range x.notes {
		fmt.Fprintln(e.Stderr, "export:", note)
	}
	return printed(e, o.Name, result)
}

// printed prints what was written.
func printed(e *cli.Env, name string, r focus.Result) error {
	if r.Rounded > 0 {
		fmt.Fprintf(e.Stderr, "export: %s rounded in %s.parquet; %s.rounded.csv lists them\n", cli.Count(r.Rounded, "number"), name, name)
	}
	if r.Unpriced > 0 {
		fmt.Fprintf(e.Stderr, "export: %s without a known price left out; %s.unpriced.csv lists them\n", cli.Count(r.Unpriced, "line"), name)
	}
	if err := cli.Result(e, r, "%s: %s.parquet, %s.csv\n", cli.Count(r.Lines, "line"), name, name); err != nil {
		return err
	}
	if r.Unpriced > 0 {
		return cli.ErrDifferences
	}
	return nil
}
