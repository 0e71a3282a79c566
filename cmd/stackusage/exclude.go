package main

import (
	"context"
	"fmt"
)

const aboutExclude = `exclude an hour from the bill

--sha16 names the file that counts. Its usage is reversed by correction, and no file
takes its place: the hour is decided, and no usage day waits for it. A later file of
the hour is a conflict, which hours resolve --supersede lets in; the excluded file can
be let back in the same way. Run the command again if it was interrupted.`

func excludeHour(ctx context.Context, env environment, args []string) error {
	var d decision
	if err := d.parse(newFlags(env, "hours exclude", aboutExclude), args); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	verdict, err := app.ledger.Exclude(ctx, d.id, d.why, false)
	if err != nil {
		return unresolved(err)
	}
	h, err := app.ledger.Hour(ctx, d.id)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, `%s is %s: %s (%s, %s).
Its usage days are closed again without it, by correction, at most once in REOPEN_DELAY:
  stackusage days list --cloud-id %s
`, h.Blob, verdict, h.DecisionReason, h.DecidedBy, stamp(h.DecidedAt), d.id.CloudID)
	return nil
}

const aboutReingest = `ingest a rejected file again

The file is read by the current rules and limits, as if it had just landed. Use it
after the rules or the settings of the function app were fixed. stackusage hours list
shows the new verdict.`

func reingestHour(ctx context.Context, env environment, args []string) error {
	var d decision
	if err := d.parse(newFlags(env, "hours reingest", aboutReingest), args); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	h, err := app.ledger.AskReingest(ctx, d.id, d.why)
	if err != nil {
		return unresolved(err)
	}
	if err := app.announce(ctx, d.id); err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "%s is to be ingested again: %s (%s, %s). Watch:\n  stackusage hours list --cloud-id %s\n",
		h.Blob, h.DecisionReason, h.DecidedBy, stamp(h.DecidedAt), d.id.CloudID)
	return nil
}
