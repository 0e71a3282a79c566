// Package usages is stackusage usage: who used what in a month, and what it cost.
package usages

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
	"stackusage/shared/usagereport"
)

const about = `Sums the lines of the last revision of each usage day: what is in the bill, and beside
it what is not. Usage that is not reported to commerce, as of stacks in the capacity
model with usage reporting off, is shown too.

--by takes one dimension or several, separated by commas:
  meter         name of the meter; (admin): usage of the stack's own subscriptions
  tenant        directory tenant that is settled with the day; (infrastructure),
                (no tenant)
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

A month is that of the billed day, also for usage that was carried forward. With
--by-usage-day carried usage is on the day of its use, at the price of the day that
bills it; "carried away" is then what no closed day bills yet.

Quantities of different meters or units are never added: without prices, and with --by
meter, each meter has rows of its own. Amounts are exact products of quantity and rate.
The table rounds to cents and to four decimals of a quantity; --output json and csv have
every digit. Rows are in order of amounts or, with --compare, of changes. Rows without
an amount are last, by meter. A usage line without a known price has no amount: it is
counted below the table, and it is never 0.00.

Exit code: 0 the question was answered, also with days open or prices unknown; 1 there
is no usage, or anything else.`

// maxRows bounds a table on a screen; the rest is one row.
const maxRows = 1000

// flags are those of the command.
type flags struct {
	month, compare usage.Month
	by, names      string
	top            int
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
stackusage usage --month 2024-03 --by tag:department --top 20 --output csv`, func(ctx context.Context) error {
		return run(ctx, e, f)
	})
	cli.MonthVar(cmd, &f.month, "month", "month of billed days (YYYY-MM, UTC)")
	cli.MonthVar(cmd, &f.compare, "compare", "`month` to compare with (YYYY-MM)")
	cmd.Flags().StringVar(&f.by, "by", usagereport.Meter, "`dimensions`, separated by commas")
	cmd.Flags().IntVar(&f.top, "top", 0, fmt.Sprintf("only the biggest `rows`; one row stands for the others (default: all; %d in a table)", maxRows))
	cmd.Flags().BoolVar(&f.byUsageDay, "by-usage-day", false, "count carried usage on the day of its use")
	cmd.Flags().StringVar(&f.names, "names", "", "`file` with names of tenants and subscriptions (CSV with columns id and name)")
	cmd.Flags().BoolVar(&f.full, "full", false, "show whole GUIDs and resource URIs in the table")
	f.prices.Flags(cmd)
	f.only = e.AnyRegistration(cmd)
	return cmd
}

func (f flags) options(ctx context.Context, e *cli.Env) (o usagereport.Options, storage *cli.Storage, err error) {
	if f.month == 0 {
		return o, nil, errors.New("--month is missing: the month to sum, for example 2024-03")
	}
	if f.top < 0 {
		return o, nil, fmt.Errorf("--top %d: want a number of rows", f.top)
	}
	o = usagereport.Options{Month: f.month, Compare: f.compare, ByUsageDay: f.byUsageDay, Top: f.top, Now: time.Now()}
	if o.Top == 0 && e.Tables() {
		o.Top = maxRows
	}
	if o.By, err = usagereport.ParseDimensions(f.by); err != nil {
		return o, nil, fmt.Errorf("--by: %w", err)
	}
	if o.Prices, err = f.prices.Open(e.Getenv); err != nil {
		return o, nil, err
	}
	if f.names != "" {
		if o.Names, err = readNames(f.names); err != nil {
			return o, nil, fmt.Errorf("--names: %w", err)
		}
	}
	storage, cloudID, err := f.only.Filter(ctx)
	if err != nil {
		return o, nil, err
	}
	o.Registrations, err = registrations(ctx, storage, cloudID)
	return o, storage, err
}

// registrations are the one with a cloudId or, if that is empty, all but the smoke test's.
func registrations(ctx context.Context, storage *cli.Storage, cloudID string) ([]registration.History, error) {
	if cloudID != "" {
		history, err := storage.Registry().History(ctx, cloudID)
		history.CloudID = cloudID
		return []registration.History{history}, err
	}
	histories, err := storage.Registry().Histories(ctx)
	if err == nil && len(histories) == 0 {
		err = errors.New("no stack is registered; stackusage registration create registers one")
	}
	return slices.DeleteFunc(histories, func(h registration.History) bool { return h.CloudID == cli.SmokeTestCloudID }), err
}

func run(ctx context.Context, e *cli.Env, f flags) error {
	o, storage, err := f.options(ctx, e)
	if err != nil {
		return err
	}
	last := time.Now()
	o.Progress = func(day usage.Day, lines int64) {
		if lines%1024 == 0 && time.Since(last) >= 2*time.Second {
			last = time.Now()
			fmt.Fprintf(e.Stderr, "usage: day %s, %d lines so far\n", day, lines)
		}
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		return err
	}
	report, err := usagereport.Run(ctx, &usagelines.Reader{Ledger: storage.Ledger, Blobs: storage.Usage.Blobs, Meters: meters}, o)
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
	return fmt.Errorf("no usage of %s in the closed usage days of %s; stackusage day list shows the days", o.Month, strings.Join(texts, ", "))
}

func closedText(c usagelines.Coverage) string {
	return fmt.Sprintf("%d of %d days closed", c.Closed, max(c.Days, c.Closed))
}

// readNames reads names by GUID.
func readNames(path string) (map[string]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := parseNames(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return names, nil
}

func parseNames(in io.Reader) (map[string]string, error) {
	rows := csv.NewReader(in)
	rows.FieldsPerRecord = 2
	header, err := rows.Read()
	if err != nil || strings.TrimPrefix(header[0], "\ufeff") != "id" || header[1] != "name" {
		return nil, errors.New("the first line must be id,name")
	}
	names := map[string]string{}
	for {
		row, err := rows.Read()
		if errors.Is(err, io.EOF) {
			return names, nil
		}
		if err != nil {
			return nil, err
		}
		line, _ := rows.FieldPos(0)
		id, err := cli.GUID("id", row[0])
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if _, twice := names[id]; twice {
			return nil, fmt.Errorf("line %d: id %s has two names", line, id)
		}
		names[id] = row[1]
	}
}
