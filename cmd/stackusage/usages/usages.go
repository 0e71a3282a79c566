// Package usages is stackusage usage: who used what in a month, and what it cost.
package usages

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/meter"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
	"stackusage/shared/usagesums"
)

const about = `Sums the lines of the last revision of each usage day: what is in the bill, and beside
it what is not. Usage that is not reported to commerce, as of stacks in the capacity
model with usage reporting off, is shown too.

--by takes one dimension or several, separated by commas:
  meter         name of the meter; (admin): usage of the stack's own subscriptions
  tenant        directory tenant that is settled with the day of the usage;
                (infrastructure), (no tenant), and (not settled) for days that were
                only ever closed with usage reporting off
  subscription  the stack's subscription
  resource      resource URI, in any spelling
  day           billed day
  registration  name of the registration
  tag:NAME      value of a tag, its name in any case; (no tag), and (unreadable) for
                tags that are no JSON object of texts or are over 16 KiB

WHAT tells usage apart that is not simply billed; only the first is in the total:
  carried in    used on an earlier day, billed on a day of the month
  carried away  used on a day of the month, billed on a later day
  pending       commerce has no outcome yet
  declined      commerce declined it; the next revision bills it again
  waived        an operator decided not to bill it
  unreported    usage reporting was off: it is counted, and billed nowhere

Each closed day is read once: its sums are kept in stackusage/usage-sums in your folder
of caches, or in the folder that STACKUSAGE_CACHE names. They may be deleted at any time.

A month is that of the billed day, also for usage that was carried forward. With
--by-usage-day carried usage is on the day of its use, at the price of the day that
bills it; "carried away" is then what no closed day bills yet.

Quantities of different meters or units are never added: without prices, and with --by
meter, each meter has rows of its own. Amounts are exact products of quantity and rate.
The table rounds to cents and to four decimals of a quantity; --output json and csv have
every digit. Rows are in order of amounts or, with --compare and without --sort amount,
of changes. Rows without an amount are last, by meter. A usage line without a known price has no amount: it is
counted below the table, and it is never 0.00.

Exit code: 0 the question was answered, also with days open or prices unknown; 1 there
is no usage, or anything else.`

// maxRows bounds a table on a screen; the rest is one row.
const maxRows = 1000

// Orders of rows.
const (
	byAmount = "amount"
	byChange = "change"
)

// flags are those of the command.
type flags struct {
	month, compare usage.Month
	day            usage.Day
	filter         usagereport.Filter
	by             string
	names          cli.Names
	top            int
	sort           string
	byUsageDay     bool
	full           bool
	prices         cli.Prices
	only           *cli.Registration
}

// Command is stackusage usage.
func Command(e *cli.Env) *cobra.Command {
	var f flags
	cmd := cli.Command("usage", "Sum usage and cost by tenant, meter, resource or tag", about, `
stackusage usage --month 2024-03 --by tenant --prices prices.csv
stackusage usage --month 2024-03 --by tenant,meter --compare 2024-02
stackusage usage --month 2024-03 --by tag:department --top 20 --output csv
stackusage usage --day 2024-03-02 --by resource --meter "Windows VM Size Hours"`, func(ctx context.Context) error {
		return run(ctx, e, f)
	})
	cli.MonthVar(cmd, &f.month, "month", "month of billed days (YYYY-MM, UTC)")
	cli.DayVar(cmd, &f.day, "day", "one billed `day` in place of a month (YYYY-MM-DD, UTC)")
	cli.MonthVar(cmd, &f.compare, "compare", "`month` to compare with (YYYY-MM)")
	cmd.Flags().StringVar(&f.by, "by", usagereport.Meter, "`dimensions`, separated by commas")
	cmd.Flags().IntVar(&f.top, "top", 0, fmt.Sprintf("only the biggest `rows`; one row stands for the others (default: all; %d in a table)", maxRows))
	cli.EnumVar(cmd, &f.sort, "sort", "`order` of the rows (default: change with --compare, else amount)", byAmount, byChange)
	cmd.Flags().BoolVar(&f.byUsageDay, "by-usage-day", false, "count carried usage on the day of its use")
	cmd.Flags().StringVar(&f.filter.Tenant, "tenant", "", "only this `tenant`: its GUID, or the text that --by tenant shows")
	cmd.Flags().StringVar(&f.filter.Subscription, "subscription", "", "only this subscription of the stack, a `GUID`")
	cmd.Flags().StringVar(&f.filter.Resource, "resource", "", "only the resource with this `URI`, or last part of it")
	cmd.Flags().StringVar(&f.filter.Meter, "meter", "", "only this `meter`: the stack's ID, or the name that --by meter shows")
	f.names.Flag(cmd)
	cmd.Flags().BoolVar(&f.full, "full", false, "show whole GUIDs and resource URIs in the table")
	f.prices.Flags(cmd)
	f.only = e.AnyRegistration(cmd)
	return cmd
}

func (f flags) options(ctx context.Context, e *cli.Env) (o usagereport.Options, storage *cli.Storage, err error) {
	switch {
	case f.day != 0 && (f.month != 0 || f.compare != 0):
		return o, nil, errors.New("--day names one day: leave --month and --compare out")
	case f.day != 0:
		f.month, _ = usage.ParseMonth(f.day.String()[:len("2024-03")]) // it is the beginning of a day
	case f.month == 0:
		return o, nil, errors.New("--month is missing: the month to sum, for example 2024-03; --day names one day of it")
	}
	if f.top < 0 {
		return o, nil, fmt.Errorf("--top %d: want a number of rows", f.top)
	}
	if f.sort == byChange && f.compare == 0 {
		return o, nil, errors.New("--sort change: needs --compare")
	}
	if f.compare == f.month {
		return o, nil, fmt.Errorf("--compare %s: the same month as --month", f.compare)
	}
	o = usagereport.Options{Month: f.month, Compare: f.compare, ByUsageDay: f.byUsageDay, Top: f.top, ByAmount: f.sort == byAmount, First: f.day, Last: f.day, Only: f.filter, Now: time.Now()}
	if o.Top == 0 && e.Tables() {
		o.Top = maxRows
	}
	if o.By, err = usagereport.ParseDimensions(f.by); err != nil {
		return o, nil, fmt.Errorf("--by: %w", err)
	}
	if o.Prices, err = f.prices.Open(e.Getenv); err != nil {
		return o, nil, err
	}
	if o.Names, err = f.names.Read(); err != nil {
		return o, nil, err
	}
	storage, o.Registrations, err = f.only.Histories(ctx)
	return o, storage, err
}

func run(ctx context.Context, e *cli.Env, f flags) error {
	o, storage, err := f.options(ctx, e)
	if err != nil {
		return err
	}
	if o.Cache, err = usagesums.Open(e.Getenv); err != nil {
		o.Cache = nil
		if e.View == nil {
			fmt.Fprintln(e.Stderr, "usage: closed days are read each time:", err)
		}
	}
	last := time.Now()
	o.Progress = func(day usage.Day, lines int64) {
		if lines%1024 == 0 && time.Since(last) >= 2*time.Second {
			last = time.Now()
			fmt.Fprintf(e.Stderr, "usage: day %s, %s so far\n", day, cli.Count(lines, "line"))
		}
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		return err
	}
	reader := &usagelines.Reader{Tables: storage.Tables, Blobs: storage.Usage.Blobs, Meters: meters}
	if e.View != nil {
		return e.View(&Question{Options: o, reader: reader})
	}
	report, err := usagereport.Run(ctx, reader, o)
	if err != nil {
		return err
	}
	defer report.Close()
	if err := found(report, o); err != nil {
		return err
	}
	if e.Tables() {
		return printTable(e.Stdout, report, o, f.full)
	}
	if err := cli.List(e, report.Rows(), cli.Table[usagereport.Row]{}); err != nil {
		return err
	}
	for _, note := range notes(report, o) {
		fmt.Fprintln(e.Stderr, "usage:", note)
	}
	return nil
}

// found is an error if there was nothing to sum.
func found(r *usagereport.Report, o usagereport.Options) error {
	if r.Lines > 0 {
		return nil
	}
	var texts []string
	for _, c := range r.Coverage {
		texts = append(texts, fmt.Sprintf("%s (%s)", c.Name, closedText(c.Months[0])))
	}
	return fmt.Errorf("no usage of %s in the closed usage days of %s; stackusage day list shows the days", asked(o), strings.Join(texts, ", "))
}

// asked is the month that is summed, or the day.
func asked(o usagereport.Options) string {
	if o.First != 0 {
		return o.First.String()
	}
	return o.Month.String()
}

func closedText(c usagelines.Coverage) string {
	return fmt.Sprintf("%d of %s closed", c.Closed, cli.Count(max(c.Days, c.Closed), "day"))
}
