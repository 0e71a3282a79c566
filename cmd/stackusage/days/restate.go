package days

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/daybook"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// restated are the days that a restatement is asked for.
type restated struct {
	day       usage.Day
	days      cli.Range
	confirmed bool
}

func (r *restated) check() error {
	switch {
	case r.day != 0 && (r.days.First != 0 || r.days.Last != 0):
		return errors.New("--day is one usage day, --from and --to are a range: name one or the other")
	case r.day == 0 && (r.days.First == 0 || r.days.Last == 0):
		return errors.New("--day is missing, or --from and --to for a range of usage days")
	}
	return r.days.Check()
}

// list lists the closed days of the range; the one day, whether it is closed or not.
func (r *restated) list(ctx context.Context, tables table.Store, cloudID string) (days []usage.Day, err error) {
	if r.day != 0 {
		return []usage.Day{r.day}, nil
	}
	for s, err := range daybook.Entries(ctx, tables, cloudID, r.days.First, r.days.Last) {
		if err != nil {
			return nil, err
		}
		if !slices.Contains(days, s.Day) {
			days = append(days, s.Day)
		}
	}
	if len(days) == 0 {
		return nil, fmt.Errorf("no usage day from %s to %s was closed; stackusage day list shows which were", r.days.First, r.days.Last)
	}
	if !r.confirmed {
		texts := make([]string, len(days))
		for i, d := range days {
			texts[i] = d.String()
		}
		return nil, fmt.Errorf("%s would be restated: %s; repeat with --confirm", cli.Count(len(days), "closed usage day"), strings.Join(texts, ", "))
	}
	return days, nil
}

func restate(e *cli.Env) *cobra.Command {
	var r restated
	var d cli.Decision
	cmd := cli.Command("restate", "Restate usage days by the current settings", `The next revision goes by the registration, the catalogue of meters and the stack's
tenants as they are now, and bills the difference to what commerce accepted. It is
made once, and its row records who asked and why. A range lists its closed days, and
needs --confirm.`, `
stackusage day restate --day 2019-12-10 --reason "tenant mapped late"
stackusage day restate --from 2019-12-01 --to 2019-12-31 --reason "tenant mapped late" --confirm`, func(ctx context.Context) error {
		if err := r.check(); err != nil {
			return err
		}
		storage, cloudID, err := d.CloudID(ctx)
		if err != nil {
			return err
		}
		days, err := r.list(ctx, storage.Tables, cloudID)
		if err != nil {
			return err
		}
		var asked []Request
		var text strings.Builder
		for _, day := range days {
			mark, err := daybook.AskRestate(ctx, storage.Tables, cloudID, day, d.Why)
			if err != nil {
				return orClosed(err)
			}
			if err := announce(ctx, storage, cloudID, day); err != nil {
				return err
			}
			asked = append(asked, requestOf(cloudID, day, mark))
			fmt.Fprintf(&text, "Usage day %s is to be restated: %s (%s, %s).\n", day, mark.RestateReason, mark.RestateBy, usage.Point(mark.RestateAt))
		}
		fmt.Fprintf(&text, `CloseDay does so once commerce has answered all of its last revision.
Watch:
  stackusage day list --registration %s --from %s --to %s
`, storage.Name(ctx, cloudID), days[0], days[len(days)-1])
		return cli.Results(e, asked, text.String())
	})
	d.Flags(e, cmd)
	cli.DayVar(cmd, &r.day, "day", "usage `day` (YYYY-MM-DD, UTC)")
	r.days.Flags(cmd, "usage `day` of a range")
	cmd.Flags().BoolVar(&r.confirmed, "confirm", false, "restate all closed usage days of the range")
	return cmd
}

func settle(e *cli.Env) *cobra.Command {
	var day usage.Day
	var d cli.Decision
	cmd := cli.Command("settle", "Leave declined usage of a day out of the bill", `For a usage day in the state declined. Its next revision has no records; each line
records how much was waived, and the revision's row who decided and why. Later
revisions bill only what is new, until stackusage day restate drops the decision.
To have another day bill it instead: stackusage day carry-forward.`, `
stackusage day settle --day 2019-12-10 --reason "credited by hand"`, func(ctx context.Context) error {
		if day == 0 {
			return errors.New("--day is missing; stackusage day list shows which days are declined")
		}
		storage, cloudID, err := d.CloudID(ctx)
		if err != nil {
			return err
		}
		mark, err := daybook.AskSettle(ctx, storage.Tables, cloudID, day, d.Why)
		if err != nil {
			return orClosed(err)
		}
		if err := announce(ctx, storage, cloudID, day); err != nil {
			return err
		}
		return cli.Result(e, requestOf(cloudID, day, mark), `What commerce declined of usage day %s is not billed: %s (%s, %s).
CloseDay records that in the next revision once commerce has answered all of the last one.
Watch:
  stackusage day list --registration %s --from %[1]s --to %[1]s
`, day, mark.RestateReason, mark.RestateBy, usage.Point(mark.RestateAt), storage.Name(ctx, cloudID))
	})
	d.Flags(e, cmd)
	cli.DayVar(cmd, &day, "day", "usage `day` (YYYY-MM-DD, UTC)")
	return cmd
}
