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
	"stackusage/shared/reconcile/details"
	"stackusage/shared/usage"
)

const about = `Follows a line of the bill back to the rows that the stack reported: what each
revision of the day added and why, the reported hours behind it, and the rows of their
hour blobs with line numbers and quantities. Everything is added up again, and the hash
of each file is checked. Beside it stands what is not billed, with its reason.

Name the line by the id of one of its records (column recordId of DailyUsage), by day and
resource (a day alone has up to 1,000 lines), or by the usage details file and the
number of its row, as an editor counts lines. A row of its statement lists the daily
rows under it. --resource takes the resource URI or its last part; --meter takes the
stack's or commerce's id, in any form, or a name. A record is looked for in DailyUsage
of all registrations, the newest day first, where --registration and --day are left out.

Amounts are exact products of quantity and rate; the bill rounds once, a row of its
statement, and explain checks that. Rates come from --prices, --bill or
STACKUSAGE_PRICES; without one of them there are quantities only.

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
	number   int // of --line

	list *prices.List // nil: there are none
	row  *details.Row // of --line; nil: there is none
}

// Command is stackusage explain.
func Command(e *cli.Env) *cobra.Command {
	q := &question{env: e}
	cmd := cli.Command("explain [RECORDID]", "Explain a line of the bill", about, `
stackusage explain 3f2b6c1e-8d0a-5c5e-9a55-0c1d2e3f4a5b
stackusage explain --day 2024-03-01 --resource web01 --meter "Windows VM Size Hours"
stackusage explain --bill usage-details.csv --line 27`, nil)
	cmd.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 1 {
			return fmt.Errorf("unexpected argument %q: want one RECORDID; put names with spaces in quotation marks", args[1])
		}
		return nil
	}
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		var record string
		if len(args) > 0 {
			if record = args[0]; strings.TrimSpace(record) == "" {
				return errors.New("RECORDID is empty")
			}
		}
		return cli.WithHint(q.run(cmd.Context(), record, cmd.Flags().Changed("line")))
	}
	q.of = e.OneRegistration(cmd)
	cli.DayVar(cmd, &q.day, "day", "usage `day` of the line (YYYY-MM-DD, UTC)")
	cmd.Flags().StringVar(&q.resource, "resource", "", "`URI` of the resource, or its last part")
	cmd.Flags().StringVar(&q.meter, "meter", "", "`meter`: the stack's or commerce's id, or a name")
	q.prices.Flags(cmd)
	cmd.Flags().IntVar(&q.number, "line", 0, "`number` of a line of the file of --bill")
	cmd.Flags().BoolVar(&q.all, "all", false, "show every row and every reported hour")
	return cmd
}

func (q *question) run(ctx context.Context, record string, byLine bool) (err error) {
	if err := q.check(record, byLine); err != nil {
		return err
	}
	if q.list, err = q.prices.Open(q.env.Getenv); err != nil {
		return err
	}
	if byLine {
		if q.row, err = q.ofBill(); err != nil || q.row == nil {
			return err
		}
		record, q.day = q.row.RecordID, q.row.Day
	}
	asked := explain.Question{Day: q.day, Resource: strings.TrimSuffix(q.resource, "/")}
	if record != "" {
		if asked.RecordID, err = cli.GUID("RECORDID", record); err != nil {
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
	report, err := q.answer(ctx, asked)
	if err != nil {
		return err
	}
	if q.row != nil {
		q.compare(report)
	}
	return q.print(report)
}

// check is an error if the call does not name one line, or lines of one day.
func (q *question) check(record string, byLine bool) error {
	switch {
	case byLine && q.prices.Bill() == "":
		return errors.New("--line names a row of a usage details file: --bill is missing")
	case byLine && (record != "" || q.day != 0):
		return errors.New("--line names a row of the file of --bill: leave RECORDID and --day out")
	case (byLine || record != "") && (q.resource != "" || q.meter != ""):
		return errors.New("the line is named already: leave --resource and --meter out")
	case byLine || record != "" || q.day != 0:
		return nil
	case q.resource != "" || q.meter != "":
		return errors.New("--day is missing: the usage day of the line; stackusage usage --by day,resource shows which there are")
	}
	return errors.New("which line? Name a record id, --day (with --resource and --meter), or --bill and --line; stackusage usage --by resource,meter shows what was billed")
}

// answer asks the registration that is named. A record is looked for in all of them if
// none is.
func (q *question) answer(ctx context.Context, asked explain.Question) (*explain.Report, error) {
	storage, err := q.env.Storage()
	if err != nil {
		return nil, err
	}
	meters, err := meter.BuiltIn()
	if err != nil {
		return nil, err
	}
	books := explain.Books{Tables: storage.Tables, App: storage.Usage.Blobs, Meters: meters, Settling: storage.Settling, Progress: q.progress(),
		Hours: landing.Files{Landed: storage.Landing.Blobs, Corrected: storage.Usage.Blobs}}
	if asked.RecordID == "" {
		_, asked.CloudID, err = q.of.CloudID(ctx)
	} else {
		asked.CloudID, asked.Day, err = q.find(ctx, books, asked)
	}
	if err != nil {
		return nil, err
	}
	report, err := books.Explain(ctx, asked)
	if err != nil {
		return nil, fmt.Errorf("explain %s of %s: %w", asked.Day, storage.Name(ctx, asked.CloudID), err)
	}
	return report, nil
}

// find finds the registration and the day of a record.
func (q *question) find(ctx context.Context, books explain.Books, asked explain.Question) (string, usage.Day, error) {
	_, histories, err := q.of.Histories(ctx)
	if err != nil {
		return "", 0, err
	}
	if len(histories) == 1 && asked.Day != 0 {
		return histories[0].CloudID, asked.Day, nil // also of a record without an outcome
	}
	var cloudIDs []string
	for _, h := range histories {
		cloudIDs = append(cloudIDs, h.CloudID)
	}
	return books.Find(ctx, cloudIDs, asked.RecordID, asked.Day)
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
