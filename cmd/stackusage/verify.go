package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"stackusage/shared/azurestore"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

const aboutVerify = `check every number from the bill back to the rows that landed

Reads the hour blobs again, sums their rows again, and compares partials, daily
files, batches, receipts and tables with each other, as docs/operations.md says.
It only reads, and may run while the app works.

Exit code: 0 nothing differs, 2 differences were found, 1 anything else.`

// every is how often progress is printed.
const every = 2 * time.Second

// verify is stackusage verify.
func verify(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "verify", aboutVerify)
	var o ledger.VerifyOptions
	fs.StringVar(&o.CloudID, "cloud-id", "", "only the registration with this `GUID`")
	dayVar(fs, &o.From, "from", "first `day`, 2019-12-10: of hours by when they were reported, and of usage days")
	dayVar(fs, &o.To, "to", "last `day`, itself included")
	fs.IntVar(&o.Limit, "limit", 100, "stop after this `number` of differences")
	asJSON := fs.Bool("json", false, "print the report as JSON")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if o.CloudID != "" && (usage.CheckGUID(o.CloudID) != nil || usage.DashedGUID(o.CloudID) != o.CloudID) {
		return fmt.Errorf("--cloud-id %q: must be a GUID in lower case with dashes", o.CloudID)
	}
	if o.To != 0 && o.To < o.From {
		return fmt.Errorf("--to %s is before --from %s", o.To, o.From)
	}
	if o.Limit < 1 {
		return fmt.Errorf("--limit %d: must be 1 or more", o.Limit)
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	last := time.Now()
	o.Progress = func(r ledger.VerifyReport) {
		if time.Since(last) >= every {
			last = time.Now()
			fmt.Fprintf(env.stderr, "verify: %d hours, %d rows, %d days, %d answers, %d differences so far\n", r.Hours, r.Rows, r.Days, r.Answers, len(r.Findings))
		}
	}
	report, err := app.ledger.Verify(ctx, ledger.VerifyFiles{Landing: app.landing.Blobs, App: app.usage.Blobs, NoBlob: azurestore.ErrNoBlob}, o)
	if err != nil {
		return err
	}
	if o.CloudID != "" && report.Hours == 0 && report.Days == 0 && len(report.Findings) == 0 {
		if err := checkStored(ctx, app, o.CloudID); err != nil {
			return err
		}
	}
	if err := printReport(env.stdout, report, *asJSON); err != nil {
		return err
	}
	if len(report.Findings) > 0 {
		return errDifferences
	}
	return nil
}

// checkStored refuses a registration of which nothing is stored: a GUID that was
// mistyped must not read as one of which nothing differs.
func checkStored(ctx context.Context, app *app, cloudID string) error {
	for _, err := range app.ledger.LandedHours(ctx, cloudID) {
		return err
	}
	book, err := app.usage.Tables.Book(ctx, cloudID)
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

func printReport(out io.Writer, r ledger.VerifyReport, asJSON bool) error {
	if asJSON {
		return printJSON(out, r)
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range []struct {
		n    int64
		what string
	}{
		{r.Hours, "reported hours that count"}, {r.Rows, "rows of the usage API"}, {r.Days, "usage days"},
		{r.Revisions, "revisions"}, {r.Records, "daily records"}, {r.Answers, "answers of commerce"},
		{r.Refused, "of them refused or in conflict"}, {r.Unsettled, "records without an answer yet"},
	} {
		fmt.Fprintf(w, "%s\t%*d\n", line.what, 12, line.n)
	}
	w.Flush()
	for _, f := range r.Findings {
		fmt.Fprintln(out, "DIFFERS", f)
	}
	switch {
	case len(r.Findings) == 0:
		fmt.Fprintln(out, "nothing differs")
	case r.Cut:
		fmt.Fprintf(out, "%d differences, and more: the rest was not looked at (--limit)\n", len(r.Findings))
	default:
		fmt.Fprintf(out, "%d differences\n", len(r.Findings))
	}
	return nil
}
