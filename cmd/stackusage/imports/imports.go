// Package imports is stackusage import: landing hours that a person carried from a stack.
package imports

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"stackusage/agent/durable"
	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/delivery"
	"stackusage/shared/imports"
	"stackusage/shared/usage"
)

const about = `Lands the hour files of a folder that "stackusage-agent export --to" wrote, in the landing
container of the registration that its manifest names. It checks every file first, and
lists the usage days that commerce takes no more. Nothing is overwritten: a second import
is harmless. Then it reads back what storage has, and writes the receipt for
"stackusage-agent export --confirm".

You need the right to add blobs to the container (agentPrincipalId of the registration) and
to read them. In Azure, Event Grid announces the blobs; Sweep finds those that it does not:
hours within SWEEP_LOOKBACK at its next run, older ones within a day.

COMMERCE_LATENESS_LIMIT, MAX_HOUR_BYTES and MAX_HOUR_ROWS in the environment are those of
the function app; unset, they have the same defaults.

Exit code: 0 storage has all files; 2 a file is bad and did not land; 1 the folder or storage
cannot be read, or anything else.`

// every is how often progress is told.
const every = 2 * time.Second

// Result is what an import did.
type Result struct {
	CloudID  string         `json:"cloudId"`
	From     usage.Hour     `json:"from"`
	To       usage.Hour     `json:"to"` // hour after the last one
	Files    int            `json:"files"`
	Rows     int64          `json:"rows"` // of the good files
	New      int            `json:"new"`  // blobs that storage did not have
	Stored   int            `json:"stored"`
	Late     []imports.Late `json:"late,omitempty"` // usage days that commerce takes no more
	Bad      []imports.Bad  `json:"bad,omitempty"`
	Receipt  string         `json:"receipt,omitempty"`
	Unlisted int            `json:"unlisted,omitempty"` // files that the manifest does not list
}

// Command is stackusage import.
func Command(e *cli.Env) *cobra.Command {
	var receipt string
	var checkOnly bool
	cmd := cli.Command("import", "Land the hours that an agent exported to a folder", about, `
stackusage import /media/stick/usage
stackusage import /media/stick/usage --check`, nil)
	cmd.Use = "import FOLDER"
	cmd.Args = cobra.MaximumNArgs(1)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return errors.New("FOLDER is missing: the folder that stackusage-agent export wrote")
		}
		return cli.WithHint(run(cmd.Context(), e, args[0], receipt, checkOnly))
	}
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	cmd.Flags().StringVar(&receipt, "receipt", "", "`file` to write the receipt to (default: FOLDER/"+delivery.ReceiptName+")")
	cmd.Flags().BoolVar(&checkOnly, "check", false, "check the files and list what is too late; land nothing")
	return cmd
}

func run(ctx context.Context, e *cli.Env, folder, receipt string, checkOnly bool) error {
	im, err := importer(e, folder)
	if err != nil {
		return err
	}
	m, err := im.Open()
	if err != nil {
		return err
	}
	storage, err := e.Storage()
	if err != nil {
		return err
	}
	im.Landing = storage.Landing.Blobs
	history, err := storage.Registry().History(ctx, m.CloudID)
	if err != nil {
		return err
	}
	if len(history.Registrations) == 0 {
		return fmt.Errorf("import %s: no registration has cloudId %s; create it first: stackusage registration create", folder, m.CloudID)
	}
	c, err := im.Check(ctx, m, history)
	if err != nil {
		return err
	}
	result := Result{CloudID: m.CloudID, From: m.From, To: m.To, Files: len(m.Files), Rows: c.Rows, Late: c.Late, Bad: c.Bad, Unlisted: c.Unlisted}
	fmt.Fprintf(e.Stderr, "import: %s of %s, %s up to %s\n", cli.Count(result.Files, "file"), history.Name(), m.From, m.To)
	if history.DeliveredEvery(time.Now()) == 0 {
		fmt.Fprintf(e.Stderr, "import: the registration does not say that hours are delivered by hand, so the status misses each hour: stackusage registration update --delivered-every 30d --reason TEXT --registration %s\n", history.Name())
	}
	if err := before(e, result, im.LatenessLimit); err != nil {
		return err
	}
	if !checkOnly {
		l, err := im.Land(ctx, c)
		if err != nil {
			return fmt.Errorf("%w; run the import again to continue", err)
		}
		result.New, result.Stored, result.Receipt = l.New, len(l.Receipt.Files), cmp.Or(receipt, filepath.Join(folder, delivery.ReceiptName))
		result.Bad = append(result.Bad, l.Bad...)
		tellBad(e, l.Bad)
		text, err := delivery.Encode(l.Receipt)
		if err == nil {
			err = durable.Write(result.Receipt, text, 0o644)
		}
		if err != nil {
			return fmt.Errorf("write receipt %s: %w; %s are stored, and --receipt names another file", result.Receipt, err, cli.Count(result.Stored, "hour file"))
		}
	}
	return finish(e, result, checkOnly)
}

// importer has the settings of the function app.
func importer(e *cli.Env, folder string) (*imports.Importer, error) {
	im := &imports.Importer{Folder: folder, Now: time.Now}
	if text := e.Getenv("COMMERCE_LATENESS_LIMIT"); text != "" {
		var err error
		if im.LatenessLimit, err = time.ParseDuration(text); err != nil {
			return nil, fmt.Errorf("setting COMMERCE_LATENESS_LIMIT: %q is not a duration like 72h", text)
		}
	}
	for name, into := range map[string]*int64{"MAX_HOUR_BYTES": &im.Limits.Bytes, "MAX_HOUR_ROWS": &im.Limits.Rows} {
		if text := e.Getenv(name); text != "" {
			var err error
			if *into, err = strconv.ParseInt(text, 10, 64); err != nil || *into <= 0 {
				return nil, fmt.Errorf("setting %s: %q is not a number above zero", name, text)
			}
		}
	}
	last := time.Now()
	im.Progress = func(doing string, done, of int) {
		if time.Since(last) >= every {
			last = time.Now()
			fmt.Fprintf(e.Stderr, "import: %s: %d of %s\n", doing, done, cli.Count(of, "file"))
		}
	}
	return im, nil
}

// before tells what somebody should know before anything lands.
func before(e *cli.Env, r Result, limit time.Duration) error {
	tellBad(e, r.Bad)
	if r.Unlisted > 0 {
		fmt.Fprintf(e.Stderr, "import: %s that the manifest does not list: left alone\n", cli.Count(r.Unlisted, "hour file"))
	}
	if len(r.Late) == 0 {
		return nil
	}
	fmt.Fprintf(e.Stderr, "import: %s too late for commerce, which takes a day for %s after its end (COMMERCE_LATENESS_LIMIT):\n", cli.Count(len(r.Late), "usage day"), usage.Span(limit))
	grid := cli.Grid{Head: []string{"USAGE DAY", "ROWS", "UNTIL", "WHAT HAPPENS"}}
	for _, l := range r.Late {
		then := "billed nowhere until you carry it forward: stackusage day carry-forward"
		if l.ReportingOff {
			then = "nothing: usage reporting is off, and it is counted"
		}
		grid.Row(l.Day, l.Rows, usage.Point(l.Until), then)
	}
	return grid.Print(e.Stderr)
}

func tellBad(e *cli.Env, bad []imports.Bad) {
	for _, b := range bad {
		fmt.Fprintf(e.Stderr, "import: %s does not land: %s\n", b.File, b.Reason)
	}
}

// finish prints what was done.
func finish(e *cli.Env, r Result, checkOnly bool) error {
	text := fmt.Sprintf("%s with %s checked: %d good, %d bad; nothing landed\n", cli.Count(r.Files, "file"), cli.Count(r.Rows, "row"), r.Files-len(r.Bad), len(r.Bad))
	if !checkOnly {
		text = fmt.Sprintf("%s with %s: storage has %d, %d of them new; %d bad\nreceipt: %s\n", cli.Count(r.Files, "file"), cli.Count(r.Rows, "row"), r.Stored, r.New, len(r.Bad), r.Receipt)
	}
	if err := cli.Result(e, r, "%s", text); err != nil {
		return err
	}
	if len(r.Bad) > 0 {
		return cli.ErrDifferences
	}
	return nil
}
