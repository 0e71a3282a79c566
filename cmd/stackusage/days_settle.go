package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/usage"
)

const aboutDaysSettle = `decide not to bill what commerce declines of a usage day

For a usage day in the state declined. Its next revision has no records; each line
keeps how much was waived, and the revision's row who decided and why. Later
revisions bill only what is new, until stackusage days restate drops the decision.
To have another day bill it instead: stackusage carry-forward.`

// decideDay reads the flags of a decision about one usage day; which says where to
// find the day.
func decideDay(fs *flag.FlagSet, args []string, which string) (cloudID string, day usage.Day, why ledger.Reasoned, err error) {
	fs.StringVar(&cloudID, "cloud-id", "", "the registration's `GUID`")
	dayVar(fs, &day, "day", "usage `day` (YYYY-MM-DD, UTC)")
	reason := reasonFlags(fs, &why)
	if err = parseFlags(fs, args); err == nil {
		err = checkCloudID(cloudID)
	}
	if err == nil && day == 0 {
		err = errors.New("--day is missing; " + which)
	}
	if err == nil {
		err = reason()
	}
	return cloudID, day, why, err
}

func settleDay(ctx context.Context, env environment, args []string) error {
	cloudID, day, why, err := decideDay(newFlags(env, "days settle", aboutDaysSettle), args, "stackusage days list shows which days are declined")
	if err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	asked, err := app.ledger.AskSettle(ctx, cloudID, day, why)
	if err != nil {
		return orClosed(err)
	}
	// Should the message get lost, or commerce still owe answers, Sweep asks again.
	if err := app.usage.Queues.Enqueue(ctx, queue.Days, queue.DayMessage(cloudID, day), 0); err != nil {
		return fmt.Errorf("the request is recorded, and Sweep will find it: %w", err)
	}
	fmt.Fprintf(env.stdout, `What commerce declined of usage day %s is not billed: %s (%s, %s).
CloseDay writes the revision that says so once commerce has answered all of the last one.
Watch:
  stackusage days list --cloud-id %s --from %[1]s --to %[1]s
`, day, asked.RestateReason, asked.RestateBy, stamp(asked.RestateAt), cloudID)
	return nil
}
