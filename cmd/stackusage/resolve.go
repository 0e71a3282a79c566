package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"

	"stackusage/shared/landing"
	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/table"
)

const aboutResolve = `resolve a conflicting hour

--sha16 names the file that does not count, as hours list shows it.
  --keep       the file that counts stays; one in conflict is kept out, for good,
               and one that is about to take its place does not
  --supersede  that file takes the place of the one that counts; usage days of
               both are restated by correction. A file that was voided or excluded can be let
               back in, and a duplicate can be let in for its header.
Who, when and why are kept with both files.`

// decision is what the flags of hours resolve say.
type decision struct {
	id        ledger.HourID
	supersede bool
	why       ledger.Reasoned
}

func parseResolve(env environment, args []string) (d decision, err error) {
	fs := newFlags(env, "hours resolve", aboutResolve)
	keep := fs.Bool("keep", false, "the file that counts stays")
	fs.BoolVar(&d.supersede, "supersede", false, "the file that --sha16 names takes its place")
	if err := d.parse(fs, args); err != nil {
		return d, err
	}
	if *keep == d.supersede {
		return d, errors.New("--keep or --supersede is missing, or both are given: name one of them")
	}
	return d, nil
}

// parse reads the flags of a decision about one file, those of fs too.
func (d *decision) parse(fs *flag.FlagSet, args []string) (err error) {
	fs.StringVar(&d.id.CloudID, "cloud-id", "", "the registration's `GUID`")
	hour := fs.String("hour", "", "reported hour, for example 2019-12-10T19:00:00Z")
	fs.StringVar(&d.id.SHA16, "sha16", "", "`hash` in the name of the file, as hours list shows it")
	reason := reasonFlags(fs, &d.why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := checkCloudID(d.id.CloudID); err != nil {
		return err
	}
	if d.id.Hour, err = parseHour(*hour); err != nil {
		return err
	}
	if !sha16Pattern.MatchString(d.id.SHA16) {
		return fmt.Errorf("--sha16 %q: must be 16 hex digits in lower case", d.id.SHA16)
	}
	return reason()
}

var sha16Pattern = regexp.MustCompile(`^[0-9a-f]{16}$`)

func resolveHour(ctx context.Context, env environment, args []string) error {
	d, err := parseResolve(env, args)
	if err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	if !d.supersede {
		h, err := app.ledger.KeepOut(ctx, d.id, d.why)
		if err != nil {
			return unresolved(err)
		}
		fmt.Fprintf(env.stdout, "%s is %s: %s (%s, %s). No bill changes.\n", h.Blob, h.Verdict, h.DecisionReason, h.DecidedBy, stamp(h.DecidedAt))
		return nil
	}
	h, err := app.ledger.AskTakeOver(ctx, d.id, d.why)
	if err != nil {
		return unresolved(err)
	}
	if !h.TakesOver() {
		fmt.Fprintf(env.stdout, "%s counts already; nothing is left to do.\n", h.Blob)
		return nil
	}
	if err := app.announce(ctx, d.id); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, `%s is to take the place of the file that counts: %s (%s, %s).
IngestHour reads it again now. When it is done, hours list shows it as counted and
the other file as voided; the usage days of both stay open until CloseDay has
restated them by correction, at most once in REOPEN_DELAY.
Watch:
  stackusage hours list --cloud-id %[5]s
  stackusage days list --cloud-id %[5]s
Until IngestHour has done so, hours resolve --keep withdraws the decision.
`, h.Blob, h.DecisionReason, h.DecidedBy, stamp(h.DecidedAt), d.id.CloudID)
	return nil
}

// unresolved adds to the error of a decision where to look next.
func unresolved(err error) error {
	switch {
	case errors.Is(err, table.ErrNotFound):
		return fmt.Errorf("%w: no such file has a verdict, or none counts for the hour yet; stackusage hours list shows what landed, and the hours of a stack that is not registered count once it is", err)
	case errors.Is(err, ledger.ErrDecided):
		return fmt.Errorf("%w; stackusage hours list shows the verdict of each file", err)
	}
	return err
}

// announce has IngestHour read a file: it has the disk and the limits for it. Should the
// message get lost, Sweep or the same command sends it again.
func (a *app) announce(ctx context.Context, id ledger.HourID) error {
	name := landing.Name{CloudID: id.CloudID, Hour: id.Hour, SHA16: id.SHA16}
	if err := a.usage.Queues.Enqueue(ctx, queue.Landed, queue.LandedMessage(name), 0); err != nil {
		return fmt.Errorf("the decision is recorded, but not announced; run the command again: %w", err)
	}
	return nil
}
