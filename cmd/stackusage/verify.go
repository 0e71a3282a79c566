package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"stackusage/shared/azurestore"
	"stackusage/shared/usage"
	"stackusage/shared/verify"
)

const aboutVerify = `check the bill against the rows that landed

Reads the hour blobs again, adds their rows up again with code of its own, and
compares verdicts, settlements, daily files, batches, receipts and tables with
what follows from them, day by day, the newest first. It only reads, and may run
while the app works. docs/operations.md says what it compares.

SETTLING_HOURS, CLOSE_DELAY and SWEEP_GRACE in the environment are those of the
function app; unset, they have the same defaults.

Exit code: 0 everything was looked at, and agrees; 2 something differs, or waits
for an operator; 1 the check failed: storage cannot be reached, or the call is wrong.`

// every is how often progress is printed.
const every = 2 * time.Second

// verifyCommand is stackusage verify.
func verifyCommand(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "verify", aboutVerify)
	var o verify.Options
	var from, to usage.Day
	fs.StringVar(&o.CloudID, "cloud-id", "", "only the registration with this `GUID`")
	dayVar(fs, &from, "from", "first `day` to check, by reported hour and by usage day (YYYY-MM-DD, UTC)")
	dayVar(fs, &to, "to", "last `day` to check (YYYY-MM-DD, UTC)")
	fs.IntVar(&o.Limit, "limit", 100, "stop after this `number` of differences")
	byDay := fs.Bool("days", false, "print a line for each day")
	asJSON := fs.Bool("json", false, "print the report as JSON; with --days a line of JSON for each day before it")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if o.CloudID != "" && (usage.CheckGUID(o.CloudID) != nil || usage.DashedGUID(o.CloudID) != o.CloudID) {
		return fmt.Errorf("--cloud-id %q: must be a GUID in lower case with dashes", o.CloudID)
	}
	if to != 0 && to < from {
		return fmt.Errorf("--to %s is before --from %s", to, from)
	}
	if o.Limit < 1 {
		return fmt.Errorf("--limit %d: must be 1 or more", o.Limit)
	}
	for day, into := range map[*usage.Day]*string{&from: &o.From, &to: &o.To} {
		if *day != 0 {
			*into = day.Compact()
		}
	}
	if err := verifySettings(env.getenv, &o); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	last, total := time.Now(), int64(0)
	o.Each = func(d verify.Day) {
		if total += d.Rows; *byDay {
			printDay(env.stdout, d, *asJSON)
		} else if time.Since(last) >= every {
			last = time.Now()
			fmt.Fprintf(env.stderr, "verify: %s of %s, %d rows so far\n", d.Day, d.CloudID, total)
		}
	}
	report, err := verify.Run(ctx, verify.Stores{Tables: app.usage.Tables, Landing: app.landing.Blobs, App: app.usage.Blobs, NoBlob: azurestore.ErrNoBlob}, o)
	if err != nil {
		return err
	}
	if o.CloudID != "" && report.Files == 0 && report.Days == 0 && report.Agrees() {
		if err := checkStored(ctx, app, o.CloudID); err != nil {
			return err
		}
	}
	if err := printReport(env.stdout, report, *asJSON); err != nil {
		return err
	}
	if !report.Agrees() {
		return errDifferences
	}
	return nil
}

// verifySettings reads the settings of the function app by which days are judged.
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

// checkStored refuses a registration of which nothing is stored: a GUID that was
// mistyped must not read as one of which nothing differs, or of which nothing is to be
// decided.
func checkStored(ctx context.Context, app *app, cloudID string) error {
	for _, err := range app.ledger.LandedHours(ctx, cloudID) {
		return err
	}
	book, err := app.registry().Book(ctx, cloudID)
	if err != nil || len(book.Registrations) > 0 {
		return err
	}
	return fmt.Errorf("nothing of registration %s is stored: stackusage registrations list shows the cloudId of each", cloudID)
}

// dayVar is a flag for a day that has no default to be shown.
func dayVar(fs *flag.FlagSet, day *usage.Day, name, about string) {
	fs.Func(name, about, func(text string) (err error) {
		*day, err = usage.ParseDay(text)
		return err
	})
}

func printDay(out io.Writer, d verify.Day, asJSON bool) {
	if asJSON {
		_ = jsonLines(out, []verify.Day{d})
		return
	}
	fmt.Fprintf(out, "%s  %s  %3d hours  %10d rows  %3d revisions  %8d records  %8d outcomes  %3d differences  %3d open\n",
		d.Day, d.CloudID, d.Hours, d.Rows, d.Revisions, d.Records, d.Answers, len(d.Differences), len(d.Open))
}

func printReport(out io.Writer, r verify.Report, asJSON bool) error {
	if asJSON {
		return printJSON(out, r)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range []struct {
		n    int64
		what string
	}{
		{r.Files, "hour blobs"}, {r.Hours, "reported hours that count"}, {r.Rows, "rows of the usage API"}, {r.Rejected, "of them rejected"}, {r.Days, "usage days"},
		{r.Revisions, "revisions"}, {r.Records, "daily records"}, {r.Answers, "outcomes by commerce"},
		{r.Refused, "of them declined or in conflict"}, {r.Unsettled, "records without an outcome yet"},
	} {
		fmt.Fprintf(w, "%s\t%*d\n", line.what, 12, line.n)
	}
	w.Flush()
	for _, f := range r.Differences {
		fmt.Fprintln(out, "DIFFERS", f)
	}
	for _, f := range r.Open {
		fmt.Fprintln(out, "OPEN", f)
	}
	switch {
	case r.Cut:
		fmt.Fprintf(out, "%d differences, and more: the rest was not looked at (--limit)\n", len(r.Differences))
	case len(r.Differences) > 0:
		fmt.Fprintf(out, "%d differences\n", len(r.Differences))
	default:
		fmt.Fprintln(out, "nothing differs")
	}
	if len(r.Open) > 0 {
		fmt.Fprintf(out, "%d things wait for an operator\n", len(r.Open))
	}
	return nil
}
