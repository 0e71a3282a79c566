package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/usage"
)

const aboutRestate = `close usage days again and settle anew who pays

  stackusage days restate --cloud-id GUID --day 2019-12-10 --reason TEXT
  stackusage days restate --cloud-id GUID --from 2019-12-01 --to 2019-12-31 --reason TEXT --confirm

The next revision goes by the registration, the catalogue of meters and the
stack's tenants as they are now, and bills the difference to what commerce
accepted. It is made once, and its row keeps who asked and why. A range lists its
closed days, and needs --confirm.`

// restated are the days that a restatement is asked for.
type restated struct {
	day, first, last usage.Day
	confirmed        bool
}

func (r restated) check() error {
	switch {
	case r.day != 0 && (r.first != 0 || r.last != 0):
		return errors.New("--day is one usage day, --from and --to are a range: name one or the other")
	case r.day == 0 && (r.first == 0 || r.last == 0):
		return errors.New("--day is missing, or --from and --to for a range of usage days")
	case r.last < r.first:
		return fmt.Errorf("--to %s is before --from %s", r.last, r.first)
	}
	return nil
}

// days lists the closed days of the range; the one day, whether it is closed or not.
func (r restated) days(ctx context.Context, app *app, cloudID string) (days []usage.Day, err error) {
	if r.day != 0 {
		return []usage.Day{r.day}, nil
	}
	for s, err := range app.ledger.Statements(ctx, cloudID, r.first, r.last) {
		if err != nil {
			return nil, err
		}
		if !slices.Contains(days, s.Day) {
			days = append(days, s.Day)
		}
	}
	if len(days) == 0 {
		return nil, fmt.Errorf("no usage day from %s to %s was closed; stackusage days list shows which were", r.first, r.last)
	}
	if !r.confirmed {
		texts := make([]string, len(days))
		for i, d := range days {
			texts[i] = d.String()
		}
		return nil, fmt.Errorf("%d closed usage days would be restated: %s; repeat with --confirm", len(days), strings.Join(texts, ", "))
	}
	return days, nil
}

func restateDay(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "days restate", aboutRestate)
	cloudID := fs.String("cloud-id", "", "the registration's `GUID`")
	var r restated
	dayVar(fs, &r.day, "day", "usage `day` (YYYY-MM-DD, UTC)")
	dayVar(fs, &r.first, "from", "first usage `day` of a range (YYYY-MM-DD, UTC)")
	dayVar(fs, &r.last, "to", "last usage `day` of a range (YYYY-MM-DD, UTC)")
	fs.BoolVar(&r.confirmed, "confirm", false, "restate all closed usage days of the range")
	var why ledger.Reasoned
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(checkCloudID(*cloudID), r.check()); err != nil {
		return err
	}
	if err := reason(); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	days, err := r.days(ctx, app, *cloudID)
	if err != nil {
		return err
	}
	for _, day := range days {
		asked, err := app.ledger.AskRestate(ctx, *cloudID, day, why)
		if err != nil {
			return orClosed(err)
		}
		// Should the message get lost, or commerce still owe answers, Sweep asks again.
		if err := app.usage.Queues.Enqueue(ctx, queue.Days, queue.DayMessage(*cloudID, day), 0); err != nil {
			return fmt.Errorf("the request is recorded, and Sweep will find it: %w", err)
		}
		fmt.Fprintf(env.stdout, "Usage day %s is to be restated: %s (%s, %s).\n", day, asked.RestateReason, asked.RestateBy, stamp(asked.RestateAt))
	}
	fmt.Fprintf(env.stdout, `CloseDay does so once commerce has answered all of its last revision.
Watch:
  stackusage days list --cloud-id %s --from %s --to %s
`, *cloudID, days[0], days[len(days)-1])
	return nil
}
