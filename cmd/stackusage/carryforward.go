package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"stackusage/shared/ledger"
	"stackusage/shared/queue"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const aboutCarryForward = `bill declined usage on a later, open day

  stackusage carry-forward --list
  stackusage carry-forward --cloud-id GUID --day 2019-12-10 --reason TEXT

A record that reaches commerce too late after its usage day is Expired: final, and
billed nowhere. Others are Rejected, or in Conflict with what commerce has. --list
shows the days of which commerce declined something. Without it, the differences of
--day, whatever their outcome was, are billed as part of the day --to (default:
today): records of kind carryForward that name the day of the usage
and the reason. What commerce was sent is never changed; the day itself gets a
revision that says what was carried.

Waits until commerce has answered all of the day's last revision. A day that
expires again, in the day that it was carried to, can be carried on from there.

Set COMMERCE_LATENESS_LIMIT as the function app has it: a day that is too late to
take anything is then an error. Empty means that commerce takes every day.`

// carryForward is stackusage carry-forward.
func carryForward(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "carry-forward", aboutCarryForward)
	list := fs.Bool("list", false, "list the days of which commerce declined records")
	asJSON := fs.Bool("json", false, "with --list: print one JSON object a line")
	cloudID := fs.String("cloud-id", "", "the registration's `GUID`; with --list, only this one")
	var day, to usage.Day
	dayVar(fs, &day, "day", "usage `day` of which commerce declined records (YYYY-MM-DD, UTC)")
	dayVar(fs, &to, "to", "open `day` that bills it instead (YYYY-MM-DD, UTC; default: today)")
	var why ledger.Reasoned
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *cloudID != "" || !*list {
		if err := checkCloudID(*cloudID); err != nil {
			return err
		}
	}
	if *list {
		if day != 0 || to != 0 || why.Reason != "" {
			return errors.New("--list shows all days and decides nothing: leave out --day, --to and --reason")
		}
		return listDeclined(ctx, env, *cloudID, *asJSON)
	}
	if *asJSON {
		return errors.New("--json is for --list")
	}
	if day == 0 {
		return errors.New("--day is missing; --list shows what is declined")
	}
	if err := reason(); err != nil {
		return err
	}
	var lateness time.Duration
	if text := env.getenv("COMMERCE_LATENESS_LIMIT"); text != "" {
		var err error
		if lateness, err = time.ParseDuration(text); err != nil || lateness < 0 {
			return fmt.Errorf("setting COMMERCE_LATENESS_LIMIT: %q is not a duration like 72h", text)
		}
	}
	if to == 0 {
		to = usage.HourOf(why.At).Day()
	}
	return askCarry(ctx, env, *cloudID, day, to, lateness, why)
}

func askCarry(ctx context.Context, env environment, cloudID string, day, to usage.Day, lateness time.Duration, why ledger.Reasoned) error {
	app, err := env.app()
	if err != nil {
		return err
	}
	if err := checkReports(ctx, app, cloudID, to); err != nil {
		return fmt.Errorf("carry day %s of %s forward to %s: %w", day, cloudID, to, err)
	}
	asked, err := app.ledger.AskCarry(ctx, cloudID, day, to, lateness, why)
	if err != nil {
		return orClosed(err)
	}
	// Should the message get lost, or commerce still owe answers, Sweep asks again.
	if err := app.usage.Queues.Enqueue(ctx, queue.Days, queue.DayMessage(cloudID, day), 0); err != nil {
		return fmt.Errorf("the request is recorded, and Sweep will find it: %w", err)
	}
	fmt.Fprintf(env.stdout, `Usage day %s is to be carried forward to %s: %s (%s, %s).
CloseDay does so once commerce has answered all of its last revision. %[2]s bills it
when it closes or, if it is closed already, at most once in REOPEN_DELAY.
Watch:
  stackusage carry-forward --list --cloud-id %[6]s
  stackusage days list --cloud-id %[6]s --from %[1]s --to %[2]s
`, day, to, asked.RestateReason, asked.RestateBy, stamp(asked.RestateAt), cloudID)
	return nil
}

// checkReports refuses a day of which nothing is forwarded: what is carried to it
// would be billed by nobody, and the day that it comes from would be closed.
func checkReports(ctx context.Context, app *app, cloudID string, to usage.Day) error {
	book, err := app.registry().Book(ctx, cloudID)
	if err != nil {
		return err
	}
	on, err := book.Reporting(to.Compact())
	if err == nil && on == nil {
		err = fmt.Errorf("usage reporting is off on that day, and nothing of it is billed; name a day with reporting on by --to: %w", ledger.ErrNotCarried)
	}
	if errors.Is(err, registration.ErrUnknown) {
		return nil
	}
	return err
}

// declinedDay is one day of carry-forward --list.
type declinedDay struct {
	CloudID  string          `json:"cloudId"`
	Day      string          `json:"usageDay"`
	Revision int             `json:"revision"`
	Records  int64           `json:"records"`
	Meters   []declinedMeter `json:"meters"`
	State    string          `json:"state"` // declined, asked, carried
	To       string          `json:"carriedTo,omitempty"`
	Reason   string          `json:"reason,omitempty"`
	By       string          `json:"by,omitempty"`
}

type declinedMeter struct {
	Payer    string         `json:"billingSubscriptionId"`
	MeterID  string         `json:"meterId"`
	Name     string         `json:"meterName"`
	Class    string         `json:"meterClass"`
	Unit     string         `json:"unit"`
	Records  int64          `json:"records"`
	Quantity usage.Quantity `json:"quantity"`
}

func listDeclined(ctx context.Context, env environment, cloudID string, asJSON bool) error {
	app, err := env.app()
	if err != nil {
		return err
	}
	days, err := app.ledger.DeclinedDays(ctx, cloudID)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.stdout)
	enc.SetEscapeHTML(false)
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	if !asJSON && len(days) > 0 {
		fmt.Fprintln(w, "CLOUD ID\tUSAGE DAY\tREV\tRECORDS\tSUBSCRIPTION\tMETER\tCLASS\tQUANTITY\tUNIT\tSTATE\tWHY")
	}
	for _, d := range days {
		line := listedDeclined(d)
		if asJSON {
			if err := enc.Encode(line); err != nil {
				return err
			}
			continue
		}
		state, why := line.State, ""
		if line.To != "" {
			state += " to " + line.To
		}
		if line.Reason != "" {
			why = line.By + ": " + line.Reason
		}
		for _, m := range line.Meters {
			name := m.Name
			if name == "" {
				name = m.MeterID
			}
			fmt.Fprintf(w, "%s\t%s\t%d\t%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", line.CloudID, line.Day, line.Revision, m.Records, m.Payer, name, m.Class, m.Quantity, m.Unit, state, why)
		}
	}
	if !asJSON && len(days) == 0 {
		fmt.Fprintln(env.stdout, "no record is declined")
	}
	return w.Flush()
}

func listedDeclined(d ledger.DeclinedDay) declinedDay {
	line := declinedDay{CloudID: d.CloudID, Day: d.Day.String(), Revision: d.Revision, Records: d.Records, State: "declined", Meters: []declinedMeter{}}
	for _, m := range d.Meters {
		line.Meters = append(line.Meters, declinedMeter{m.Payer, m.MeterID, m.MeterName, m.Class, m.Unit, m.Records, m.Quantity})
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
