// Package checks is what looks at everything: stackusage status, verify and
// reconcile.
package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/content"
	"stackusage/shared/verify"
)

// every is how often progress is printed.
const every = 2 * time.Second

// Verify is stackusage verify.
func Verify(e *cli.Env) *cobra.Command {
	var o verify.Options
	var days cli.Range
	var only *cli.Registration
	var byDay bool
	cmd := cli.Command("verify", "Check the bill against the rows that landed", `Reads the hour blobs again, adds their rows up again with code of its own, and
compares verdicts, settlements, daily files, batches, receipts and tables with what
follows from them, day by day, the newest first. It only reads, and may run while the
app works. docs/operations.md lists what it compares.

SETTLING_HOURS, CLOSE_DELAY and SWEEP_GRACE in the environment are those of the
function app; unset, they have the same defaults.

Missing hours and undecided rejected rows are UNFINISHED: no differences, and a list of
their own. Hours that an operator has accepted as missing are ACCEPTED.

Exit code: 0 everything was checked, and agrees; 2 something differs, waits for an
operator, or is UNFINISHED; 1 the check failed: storage cannot be reached, the call is
wrong, or nothing is stored of the days that it names.`, `
stackusage verify --days
stackusage verify --registration hamburg --from 2019-12-01 --to 2019-12-31`, func(ctx context.Context) error {
		if err := days.Check(); err != nil {
			return err
		}
		if o.Limit < 1 {
			return fmt.Errorf("--limit %d: must be 1 or more", o.Limit)
		}
		o.From, o.To = cli.CompactOr(days.First), cli.CompactOr(days.Last)
		if err := verifySettings(e.Getenv, &o); err != nil {
			return err
		}
		storage, cloudID, err := only.Given(ctx)
		if err != nil {
			return err
		}
		o.CloudID = cloudID
		last, total := time.Now(), int64(0)
		var each []verify.Day
		o.Each = func(d verify.Day) {
			if byDay {
				each = append(each, d)
			}
			if total += d.Rows; time.Since(last) >= every {
				last = time.Now()
				fmt.Fprintf(e.Stderr, "verify: %s of %s, %d rows so far\n", d.Day, storage.Name(ctx, d.CloudID), total)
			}
		}
		report, err := verify.Run(ctx, verify.Stores{Tables: storage.Usage.Tables, Landing: storage.Landing.Blobs, App: storage.Usage.Blobs, NoBlob: content.ErrNoBlob}, o)
		if err != nil {
			return err
		}
		if report.Files == 0 && report.Days == 0 && report.Agrees() && report.Finished() && (o.CloudID != "" || days != cli.Range{}) {
			if _, _, err := only.Filter(ctx); err != nil {
				return err
			}
			return errors.New("nothing was checked: no hour blob landed and no usage day was closed in the range; stackusage day list shows which days there are")
		}
		if err := printVerified(e, report, each, func(cloudID string) string { return storage.Name(ctx, cloudID) }); err != nil {
			return err
		}
		if !report.Agrees() || !report.Finished() {
			return cli.ErrDifferences
		}
		return nil
	})
	only = e.AnyRegistration(cmd)
	days.Flags(cmd, "`day`, of reported hours and of usage,")
	cmd.Flags().IntVar(&o.Limit, "limit", 100, "`number` of differences to stop after")
	cmd.Flags().BoolVar(&byDay, "days", false, "a line for each day; its differences and what is open are counted")
	return cmd
}

// verifySettings reads the settings of the function app that decide when a day is due.
func verifySettings(getenv func(string) string, o *verify.Options) (err error) {
	o.Now, o.SettlingHours, o.CloseDelay, o.SweepGrace = time.Now(), 6, 48*time.Hour, 15*time.Minute
	if text := getenv("SETTLING_HOURS"); text != "" {
		if o.SettlingHours, err = strconv.Atoi(text); err != nil {
			return fmt.Errorf("setting SETTLING_HOURS: %q is not a whole number", text)
		}
	}
	for name, into := range map[string]*time.Duration{"CLOSE_DELAY": &o.CloseDelay, "SWEEP_GRACE": &o.SweepGrace} {
		if text := getenv(name); text != "" {
			if *into, err = time.ParseDuration(text); err != nil {
				return fmt.Errorf("setting %s: %q is not a duration like 15m or 48h", name, text)
			}
		}
	}
	return nil
}

// finding is one line of the report in CSV.
type finding struct {
	Kind string `json:"kind"` // differs, open, unfinished or acceptedMissing
	verify.Finding
}

// printVerified prints the report, and a line for each of the days.
func printVerified(e *cli.Env, r verify.Report, days []verify.Day, name func(cloudID string) string) error {
	switch {
	case e.JSON():
		return cli.Report(e, struct {
			verify.Report
			ByDay []verify.Day `json:"byDay,omitempty"`
		}{r, days})
	case !e.Tables() && days == nil:
		var all []finding
		for _, f := range r.Differences {
			all = append(all, finding{"differs", f})
		}
		for _, f := range r.Open {
			all = append(all, finding{"open", f})
		}
		for _, f := range r.Unfinished {
			all = append(all, finding{"unfinished", f})
		}
		for _, f := range r.Accepted {
			all = append(all, finding{"acceptedMissing", f})
		}
		return cli.List(e, cli.Each(all), cli.Table[finding]{})
	case !e.Tables(): // the differences are in their days' lines
		return cli.List(e, cli.Each(days), cli.Table[verify.Day]{})
	}
	if err := cli.List(e, cli.Each(days), cli.Table[verify.Day]{
		Head: []string{"DAY", "REGISTRATION", "HOURS", "ROWS", "REVISIONS", "RECORDS", "OUTCOMES", "DIFFERENCES", "OPEN"},
		Cells: func(d verify.Day) []any {
			return []any{d.Day, name(d.CloudID), d.Hours, d.Rows, d.Revisions, d.Records, d.Answers, len(d.Differences), len(d.Open)}
		},
	}); err != nil {
		return err
	}
	if days != nil {
		fmt.Fprintln(e.Stdout)
	}
	return printCounts(e.Stdout, r)
}

func printCounts(out io.Writer, r verify.Report) error {
	var counts cli.Grid
	counts.Row("hour blobs", r.Files)
	counts.Row("reported hours that are accepted", r.Hours)
	counts.Row("rows of the usage API", r.Rows)
	counts.Row("of them rejected", r.Rejected)
	counts.Row("usage days", r.Days)
	counts.Row("revisions", r.Revisions)
	counts.Row("daily records", r.Records)
	counts.Row("outcomes by commerce", r.Answers)
	counts.Row("of them declined or in conflict", r.Refused)
	counts.Row("records without an outcome yet", r.Unsettled)
	if err := counts.Print(out); err != nil {
		return err
	}
	printFindings(out, r)
	return nil
}

func printFindings(out io.Writer, r verify.Report) {
	for _, f := range r.Differences {
		fmt.Fprintln(out, "DIFFERS", f)
	}
	for _, f := range r.Open {
		fmt.Fprintln(out, "OPEN", f)
	}
	for _, f := range r.Unfinished {
		fmt.Fprintln(out, "UNFINISHED", f)
	}
	for _, f := range r.Accepted {
		fmt.Fprintln(out, "ACCEPTED", f)
	}
	switch differences := cli.Count(len(r.Differences), "difference"); {
	case r.Cut:
		fmt.Fprintf(out, "%s, and more: the rest was not checked (--limit)\n", differences)
	case len(r.Differences) > 0:
		fmt.Fprintln(out, differences)
	default:
		fmt.Fprintln(out, "nothing differs")
	}
	if len(r.Open) > 0 {
		fmt.Fprintf(out, "%s an operator\n", map[bool]string{true: "1 thing waits for", false: fmt.Sprintf("%d things wait for", len(r.Open))}[len(r.Open) == 1])
	}
}
