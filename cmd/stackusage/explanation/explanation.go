// Package explanation is stackusage explain: from a billed line back to the rows that
// the stack reported.
package explanation

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/daily"
	"stackusage/shared/explain"
	"stackusage/shared/landing"
	"stackusage/shared/meter"
	"stackusage/shared/prices"
	"stackusage/shared/usage"
)

const about = `Follows a line of the bill back to the rows that the stack reported: what each
revision of the day added and why, the reported hours behind it, and the rows of their
hour blobs with line numbers and quantities. Everything is added up again, and the hash
of each file is checked. Beside it stands what is not billed, with its reason.

Name the line by the id of one of its records (column recordId of DailyUsage), by day and
resource (a day alone has up to 1,000 lines), or by the usage details file and the number of its row, as an editor counts
lines. A row of its statement lists the daily rows under it. --resource takes the
resource URI or its last part; --meter takes the stack's or commerce's id, in any form,
or a name. Without --day, the day of a record is looked for in DailyUsage, the newest
first.

Amounts are exact products of quantity and rate; the bill rounds once, a row of its
statement. Rates come from --prices, --bill or STACKUSAGE_PRICES; without one of them
there are quantities only.

Exit code: 0 explained, 2 something does not add up, 1 there is no such line, or the
call failed.`

// question is what the flags say.
type question struct {
	env      *cli.Env
	of       *cli.Registration
	day      usage.Day
	resource string
	meter    string
	all      bool
	prices   cli.Prices
	row      int

	list *prices.List // nil: there are none
}

// Command is stackusage explain.
func Command(e *cli.Env) *cobra.Command {
	q := &question{env: e}
	cmd := cli.Command("explain [RECORDID]", "Explain a line of the bill", about, `
stackusage explain 3f2b6c1e-8d0a-5c5e-9a55-0c1d2e3f4a5b
stackusage explain --day 2024-03-01 --resource web01 --meter "Windows VM Size Hours"
stackusage explain --bill usage-details.csv --line 27`, nil)
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var record string
		if len(args) > 0 {
			record = args[0]
		}
		return cli.WithHint(q.run(cmd.Context(), record))
	}
	q.of = e.OneRegistration(cmd)
	cli.DayVar(cmd, &q.day, "day", "usage `day` of the line (YYYY-MM-DD, UTC)")
	cmd.Flags().StringVar(&q.resource, "resource", "", "`URI` of the resource, or its last part")
	cmd.Flags().StringVar(&q.meter, "meter", "", "`meter`: the stack's or commerce's id, or a name")
	q.prices.Flags(cmd)
	cmd.Flags().IntVar(&q.row, "line", 0, "`number` of a line of the file of --bill")
	cmd.Flags().BoolVar(&q.all, "all", false, "show every row and every reported hour")
	return cmd
}

func (q *question) run(ctx context.Context, record string) (err error) {
	if q.list, err = q.prices.Open(q.env.Getenv); err != nil {
		return err
	}
	if q.row != 0 {
		if record != "" || q.resource != "" || q.day != 0 {
			return errors.New("--line names a row of the file of --bill: want no other line")
		}
		row, err := q.ofBill()
		if err != nil || row == nil {
			return err
		}
		record, q.day = row.RecordID, row.Day
	}
	if record == "" && q.day == 0 {
		return errors.New("which line? Name a record id, --day (with --resource and --meter), or --bill and --line; stackusage meter seen shows what was billed")
	}
	storage, cloudID, err := q.of.CloudID(ctx)
	if err != nil {
		return err
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		return err
	}
	books := explain.Books{Tables: storage.Tables, App: storage.Usage.Blobs, Meters: meters, Settling: storage.Settling, Progress: q.progress(),
		Hours: landing.Files{Landed: storage.Landing.Blobs, Corrected: storage.Usage.Blobs}}
	asked := explain.Question{CloudID: cloudID, Day: q.day, Resource: strings.TrimSuffix(q.resource, "/")}
	if record != "" {
		if asked.RecordID, err = cli.GUID("RECORDID", record); err != nil {
			return err
		}
		if asked.Day, err = books.DayOf(ctx, asked); err != nil {
			return err
		}
	}
	if q.meter != "" {
		ids, err := cli.Meters(q.meter)
		if err != nil {
			return err
		}
		asked.Meter = func(l daily.Line) bool {
			return ids[usage.NormalGUID(l.MeterID)] || ids[usage.NormalGUID(l.CommerceMeterID)]
		}
	}
	report, err := books.Explain(ctx, asked)
	if err != nil {
		return err
	}
	return q.print(report)
}

// progress tells on standard error what is read, every two seconds.
func (q *question) progress() func(string) {
	last := time.Now()
	return func(doing string) {
		if time.Since(last) >= 2*time.Second {
			last = time.Now()
			fmt.Fprintln(q.env.Stderr, "explain: reading", doing)
		}
	}
}
