package hours

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/hourlog"
	"stackusage/shared/usage"
)

func resolve(e *cli.Env) *cobra.Command {
	var d decision
	var keep, supersede bool
	cmd := cli.Command("resolve", "Resolve a conflicting hour", `--sha16 names the file that is not accepted, as hour list shows it.
  --keep       the accepted file stays. A file in conflict is kept out for good, and
               a file that is about to replace the accepted one does not
  --supersede  the named file replaces the accepted one, and the usage days of both
               are restated by correction. Use it also to accept a file that was voided
               or excluded, or a duplicate for the sake of its header
Who, when and why are recorded with both files.`, `
stackusage hour resolve --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --keep --reason "sent twice"
stackusage hour resolve --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --supersede --reason "complete file"`, func(ctx context.Context) error {
		if keep == supersede {
			return errors.New("--keep or --supersede is missing, or both are given: name one of them")
		}
		storage, err := d.begin(ctx)
		if err != nil {
			return err
		}
		if keep {
			h, err := hourlog.KeepOut(ctx, storage.Tables, d.id, d.Why)
			if err != nil {
				return unresolved(err)
			}
			return d.done(h, "%s is %s: %s (%s, %s). No bill changes.\n", h.Blob, h.Verdict, h.DecisionReason, h.DecidedBy, usage.Point(h.DecidedAt))
		}
		h, err := hourlog.AskTakeOver(ctx, storage.Tables, d.id, d.Why)
		if err != nil {
			return unresolved(err)
		}
		if !h.TakesOver() {
			return d.done(h, "%s is accepted already; nothing is left to do.\n", h.Blob)
		}
		if err := announce(ctx, storage, d.id); err != nil {
			return err
		}
		return d.done(h, `%s will replace the accepted file: %s (%s, %s).
IngestHour reads it again now. When it is done, hour list shows it as accepted and
the other file as voided; the usage days of both stay open until CloseDay has
restated them by correction, at most once in REOPEN_DELAY.
Watch:
  stackusage hour list --registration %[5]s
  stackusage day list --registration %[5]s
Until IngestHour has done so, hour resolve --keep withdraws the decision.
`, h.Blob, h.DecisionReason, h.DecidedBy, usage.Point(h.DecidedAt), storage.Name(ctx, d.id.CloudID))
	})
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the accepted file")
	cmd.Flags().BoolVar(&supersede, "supersede", false, "replace the accepted file by the one that --sha16 names")
	d.flags(e, cmd)
	return cmd
}

func exclude(e *cli.Env) *cobra.Command {
	var d decision
	cmd := cli.Command("exclude", "Exclude an hour from the bill", `--sha16 names the accepted file. Its usage is reversed by correction, and no file
replaces it: the hour is decided, and no usage day waits for it. A later file of the
hour is a conflict, which hour resolve --supersede accepts; the excluded file can be
accepted again in the same way. Run the command again if it was interrupted.`, `
stackusage hour exclude --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --reason "test stack"`, func(ctx context.Context) error {
		storage, err := d.begin(ctx)
		if err != nil {
			return err
		}
		verdict, err := hourlog.Exclude(ctx, storage.Tables, d.id, d.Why, false)
		if err != nil {
			return unresolved(err)
		}
		h, err := hourlog.Read(ctx, storage.Tables, d.id)
		if err != nil {
			return err
		}
		return d.done(h, `%s is %s: %s (%s, %s).
Its usage days are closed again without it, by correction, at most once in REOPEN_DELAY:
  stackusage day list --registration %s
`, h.Blob, verdict, h.DecisionReason, h.DecidedBy, usage.Point(h.DecidedAt), storage.Name(ctx, d.id.CloudID))
	})
	d.flags(e, cmd)
	return cmd
}

func reingest(e *cli.Env) *cobra.Command {
	var d decision
	cmd := cli.Command("reingest", "Ingest a rejected file again", `The file is read by the current rules and limits, as if it had just landed. Use it
after the rules or the settings of the function app were fixed. stackusage hour list
shows the new verdict.`, `
stackusage hour reingest --hour 2019-12-10T19:00Z --sha16 0123456789abcdef --reason "limit raised"`, func(ctx context.Context) error {
		storage, err := d.begin(ctx)
		if err != nil {
			return err
		}
		h, err := hourlog.AskReingest(ctx, storage.Tables, d.id, d.Why)
		if err != nil {
			return unresolved(err)
		}
		if err := announce(ctx, storage, d.id); err != nil {
			return err
		}
		return d.done(h, "%s is to be ingested again: %s (%s, %s). Watch:\n  stackusage hour list --registration %s\n",
			h.Blob, h.DecisionReason, h.DecidedBy, usage.Point(h.DecidedAt), storage.Name(ctx, d.id.CloudID))
	})
	d.flags(e, cmd)
	return cmd
}
