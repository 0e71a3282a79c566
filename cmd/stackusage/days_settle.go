package main

import (
	"context"
	"errors"
	"fmt"

	"stackusage/handlers"
	"stackusage/shared/ledger"
	"stackusage/shared/usage"
)

const aboutDaysSettle = `decide not to bill what commerce declines of a usage day

For a usage day in the state declined. Its next revision has no records; each line
keeps how much was waived, and the revision's row who decided and why. Later
revisions bill only what is new, until stackusage days restate drops the decision.
To have another day bill it instead: stackusage carry-forward.`

func settleDay(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "days settle", aboutDaysSettle)
	cloudID := fs.String("cloud-id", "", "the registration's `GUID`")
	var day usage.Day
	dayVar(fs, &day, "day", "usage `day` (YYYY-MM-DD, UTC)")
	var why ledger.Reasoned
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := checkCloudID(*cloudID); err != nil {
		return err
	}
	if day == 0 {
		return errors.New("--day is missing; stackusage days list shows which days are declined")
	}
	if err := reason(); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	asked, err := app.ledger.AskSettle(ctx, *cloudID, day, why)
	if err != nil {
		return orClosed(err)
	}
	// Should the message get lost, or commerce still owe answers, Sweep asks again.
	if err := app.usage.Queues.Enqueue(ctx, handlers.QueueDays, handlers.DayMessage(*cloudID, day), 0); err != nil {
		return fmt.Errorf("the request is recorded, and Sweep will find it: %w", err)
	}
	fmt.Fprintf(env.stdout, `What commerce declined of usage day %s is not billed: %s (%s, %s).
CloseDay writes the revision that says so once commerce has answered all of the last one.
Watch:
  stackusage days list --cloud-id %s --from %[1]s --to %[1]s
`, day, asked.RestateReason, asked.RestateBy, stamp(asked.RestateAt), *cloudID)
	return nil
}
