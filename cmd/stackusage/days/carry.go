package days

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/daybook"
	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

func carryForward(e *cli.Env) *cobra.Command {
	var day, to usage.Day
	var d cli.Decision
	cmd := cli.Command("carry-forward", "Bill declined usage on a later, open day", `A record that reaches commerce too late after its usage day is Expired: final, and not
billed. Others are Rejected, or in Conflict with what commerce has.
stackusage day list-declined shows the days of which commerce declined something.

The differences of --day, whatever their outcome was, are billed as part of the day
--to: records of kind carryForward that name the day of the usage and the reason. What
commerce was sent is never changed; the day itself gets a revision that records what
was carried.

The command waits until commerce has answered all of the day's last revision. A day
that expires again, in the day that it was carried to, can be carried on from there.

Set COMMERCE_LATENESS_LIMIT as the function app has it: a day that is too late to take
anything is then an error. Empty means that commerce takes every day.`, `
stackusage day carry-forward --day 2019-12-10 --reason "commerce was down for a week"`, func(ctx context.Context) error {
		if day == 0 {
			return errors.New("--day is missing; stackusage day list-declined shows what is declined")
		}
		lateness, err := latenessLimit(e)
		if err != nil {
			return err
		}
		storage, cloudID, err := d.CloudID(ctx)
		if err != nil {
			return err
		}
		if to == 0 {
			to = usage.HourOf(d.Why.At).Day()
		}
		return carry(ctx, e, storage, cloudID, day, to, lateness, d.Why)
	})
	d.Flags(e, cmd)
	cli.DayVar(cmd, &day, "day", "usage `day` of which commerce declined records (YYYY-MM-DD, UTC)")
	cli.DayVar(cmd, &to, "to", "open `day` that bills it instead (YYYY-MM-DD, UTC; default: today)")
	return cmd
}

func latenessLimit(e *cli.Env) (limit time.Duration, err error) {
	if text := e.Getenv("COMMERCE_LATENESS_LIMIT"); text != "" {
		if limit, err = time.ParseDuration(text); err != nil || limit < 0 {
			return 0, fmt.Errorf("setting COMMERCE_LATENESS_LIMIT: %q is not a duration like 72h", text)
		}
	}
	return limit, nil
}

func carry(ctx context.Context, e *cli.Env, storage *cli.Storage, cloudID string, day, to usage.Day, lateness time.Duration, why reasoned.Decision) error {
	if err := checkReports(ctx, storage, cloudID, to); err != nil {
		return fmt.Errorf("carry day %s of %s forward to %s: %w", day, cloudID, to, err)
	}
	mark, err := daybook.AskCarry(ctx, storage.Tables, cloudID, day, to, lateness, why)
	if err != nil {
		return orClosed(err)
	}
	if err := announce(ctx, storage, cloudID, day); err != nil {
		return err
	}
	return cli.Result(e, requestOf(cloudID, day, mark), `Usage day %s is to be carried forward to %s: %s (%s, %s).
CloseDay does so once commerce has answered all of its last revision. %[2]s bills it
when it closes or, if it is closed already, at most once in REOPEN_DELAY.
Watch:
  stackusage day list-declined --registration %[6]s
  stackusage day list --registration %[6]s --from %[1]s --to %[2]s
`, day, to, mark.RestateReason, mark.RestateBy, usage.Point(mark.RestateAt), storage.Name(ctx, cloudID))
}

// checkReports refuses a day of which nothing is forwarded: what is carried to it
// would be billed by nobody, and the day that it comes from would be closed.
func checkReports(ctx context.Context, s *cli.Storage, cloudID string, to usage.Day) error {
	history, err := s.Registry().History(ctx, cloudID)
	if err != nil {
		return err
	}
	on, err := history.Reporting(to.Compact())
	if err == nil && on == nil {
		err = fmt.Errorf("usage reporting is off on that day, and nothing of it is billed; name a day with reporting on by --to: %w", daybook.ErrNotCarried)
	}
	if errors.Is(err, registration.ErrUnknown) {
		return nil
	}
	return err
}

// DeclinedDay is one day of day list-declined.
type DeclinedDay struct {
	CloudID  string          `json:"cloudId"`
	Day      string          `json:"usageDay"`
	Revision int             `json:"revision"`
	Records  int64           `json:"records"`
	Meters   []DeclinedMeter `json:"meters"`
	State    string          `json:"state"` // declined, asked, carried
	To       string          `json:"carriedTo,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	By       string          `json:"by,omitempty"`
}

// DeclinedMeter is what commerce declined of one meter.
type DeclinedMeter struct {
	Payer    string         `json:"billingSubscriptionId"`
	MeterID  string         `json:"meterId"`
	Name     string         `json:"meterName"`
	Class    string         `json:"meterClass"`
	Unit     string         `json:"unit"`
	Records  int64          `json:"records"`
	Quantity usage.Quantity `json:"quantity"`
}

func listDeclined(e *cli.Env) *cobra.Command {
	var only *cli.Registration
	cmd := cli.Command("list-declined", "List usage that commerce declined, by day and meter", `STATE is declined, asked (an operator asked to carry it forward) or carried (to the day
that bills it instead). stackusage day carry-forward and stackusage day settle decide
what becomes of it.`, `
stackusage day list-declined
stackusage day list-declined --registration hamburg --output json`, func(ctx context.Context) error {
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		days, err := daybook.DeclinedDays(ctx, storage.Tables, cloudID)
		if err != nil {
			return err
		}
		rows := make([]DeclinedDay, len(days))
		for i, d := range days {
			rows[i] = declinedOf(d)
		}
		if e.Tables() {
			return printDeclined(ctx, e, storage, rows)
		}
		return cli.List(e, cli.Each(rows), cli.Table[DeclinedDay]{})
	})
	only = e.AnyRegistration(cmd)
	return cmd
}

// printDeclined prints a line for each meter.
func printDeclined(ctx context.Context, e *cli.Env, storage *cli.Storage, days []DeclinedDay) error {
	grid := cli.Grid{Head: []string{"REGISTRATION", "USAGE DAY", "REV", "RECORDS", "SUBSCRIPTION", "METER", "CLASS", "QUANTITY", "UNIT", "STATE", "WHY"}}
	for _, d := range days {
		state, why := d.State, ""
		if d.To != "" {
			state += " to " + d.To
		}
		if d.Reason != "" {
			why = d.By + ": " + d.Reason
		}
		for _, m := range d.Meters {
			grid.Row(storage.Name(ctx, d.CloudID), d.Day, d.Revision, m.Records, m.Payer, cmp.Or(m.Name, m.MeterID), m.Class, m.Quantity, m.Unit, state, why)
		}
	}
	if len(days) == 0 {
		_, err := fmt.Fprintln(e.Stdout, "no record is declined")
		return err
	}
	return grid.Print(e.Stdout)
}

func declinedOf(d daybook.DeclinedDay) DeclinedDay {
	line := DeclinedDay{CloudID: d.CloudID, Day: d.Day.String(), Revision: d.Revision, Records: d.Records, State: "declined", Meters: []DeclinedMeter{}}
	for _, m := range d.Meters {
		line.Meters = append(line.Meters, DeclinedMeter{m.Payer, m.MeterID, m.MeterName, m.Class, m.Unit, m.Records, m.Quantity})
	}
	to := ""
	switch {
	case d.Carried != nil:
		line.State, to, line.Reason, line.By = "carried", d.Carried.CarriedTo, d.Carried.Reason, d.Carried.By
	case d.Asked != nil:
		line.State, to, line.Reason, line.By = "asked", d.Asked.CarryTo, d.Asked.RestateReason, d.Asked.RestateBy
	}
	if day, err := usage.ParseDay(to); err == nil {
		line.To = day.String()
	}
	return line
}
