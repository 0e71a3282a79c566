package registrations

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/reasoned"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// change are the flags of a new registration, and of a change to one.
type change struct {
	cmd       *cobra.Command
	wish      registrar.Change
	day       usage.Day
	reporting string
	watched   string
	end       string
	delivered string
	why       reasoned.Decision
	confirm   *bool
	reason    func() error
}

// flags adds the flags that create and update have in common. fresh: what is omitted
// has a default; else it keeps its value.
func (c *change) flags(cmd *cobra.Command, w *registrar.Change, fresh bool) {
	c.cmd = cmd
	f := cmd.Flags()
	byDefault := func(text string) string {
		if fresh {
			return " (default: " + text + ")"
		}
		return ""
	}
	f.StringVar(&w.SubscriptionID, "subscription", "", "billing subscription in Azure, a `GUID`")
	cli.EnumVar(cmd, &w.SubscriptionKind, "kind", "`kind` of the billing subscription", registration.EA, registration.CSP, registration.PayAsYouGo, registration.MSDN)
	f.StringVar(&w.Cloud, "cloud", "", "Azure `cloud` of the billing subscription"+byDefault(registration.AzureCloud))
	cli.EnumVar(cmd, &w.StackKind, "stack", "`kind` of stack"+byDefault(string(registration.Integrated)), registration.Integrated, registration.ASDK)
	cli.EnumVar(cmd, &w.BillingModel, "model", "billing `model`", registration.PayAsYouUse, registration.Capacity, registration.Development)
	cli.EnumVar(cmd, &c.reporting, "reporting", "usage reporting, a `switch`"+byDefault("on for PayAsYouUse and Development, off for Capacity"), "on", "off")
	f.StringVar(&w.Region, "region", "", "`name` of the stack's region")
	cli.DayVar(cmd, &c.day, "from", "first usage `day` of the change (YYYY-MM-DD, UTC; default: today)")
	cli.HourVar(cmd, &w.Start, "start", "first expected reported `hour`, for example 2019-12-10T19:00Z")
	f.StringVar(&c.end, "end", "", "first reported `hour` that is not expected any more, or none")
	f.BoolVar(&w.NoHoursExpected, "no-hours-expected", false, "no reported hour is ever missed; a day closes by the hours that come")
	f.StringVar(&c.delivered, "delivered-every", "", "longest `time` between deliveries of hours by hand, for example 30d; none: the agent uploads each hour"+byDefault("none"))
	cli.EnumVar(cmd, &c.watched, "watched", "alerts if the stack is silent, a `switch`"+byDefault("on"), "on", "off")
	c.confirm = cli.ConfirmFlag(cmd)
	c.reason = cli.ReasonFlags(cmd, &c.why)
}

// read completes what is wished by the flags that need more than their text.
func (c *change) read(w *registrar.Change) error {
	if err := c.reason(); err != nil {
		return err
	}
	if err := guids(map[string]*string{"--subscription": &w.SubscriptionID, "--cloud-id": &w.CloudID}); err != nil {
		return err
	}
	if c.reporting != "" {
		on := c.reporting == "on"
		w.Reporting = &on
	}
	w.Unwatched = c.watched == "off"
	if c.delivered != "" && c.delivered != "none" {
		days, isDays := strings.CutSuffix(c.delivered, "d")
		n, err := strconv.Atoi(days)
		if !isDays || err != nil || n < 1 {
			return fmt.Errorf("--delivered-every %q: want a number of days, for example 30d, or none", c.delivered)
		}
		w.DeliveredEvery = n
	}
	if c.end != "" && c.end != "none" {
		t, err := usage.ParsePoint(c.end)
		if err != nil {
			return fmt.Errorf("--end: %w, or none", err)
		}
		w.End = t
	}
	if c.day == 0 {
		c.day = cli.Today()
	}
	w.EffectiveDay, w.Note = c.day.Compact(), cli.NoteOf(c.why)
	return nil
}

func create(e *cli.Env) *cobra.Command {
	var c change
	w := &c.wish
	cmd := cli.Command("create", "Register a stack", `--cloud-id is the stack's own: Get-AzureStackStampInformation shows it. A stack that is
registered already is changed by stackusage registration update.`, `
stackusage registration create --name hamburg --cloud-id b31316d4-de02-43a4-903d-eb74f8258b01 \
  --subscription 7a1f6e0c-2a53-4a8e-9a43-0c2d4c9f1b11 --kind EA --model PayAsYouUse \
  --region local --reason "stack is live"`, func(ctx context.Context) error {
		if w.Name == "" || w.CloudID == "" || w.SubscriptionID == "" || w.SubscriptionKind == "" || w.BillingModel == "" {
			return errors.New("--name, --cloud-id, --subscription, --kind or --model is missing")
		}
		if err := c.read(w); err != nil {
			return err
		}
		storage, err := e.Storage()
		if err != nil {
			return err
		}
		before, err := storage.Registry().History(ctx, w.CloudID)
		if err != nil {
			return err
		}
		if len(before.Registrations) > 0 {
			return fmt.Errorf("create registration %s: cloudId %s is registered as %s; change it by stackusage registration update --registration %[3]s", w.Name, w.CloudID, before.Name())
		}
		w.Match.New = true
		history, _, err := storage.Registrar(*c.confirm).Put(ctx, *w)
		if err != nil {
			return err
		}
		return printHistory(e, history, fmt.Sprintf("Registration %s is created, from usage day %s on.\n", history.Name(), c.day)+cli.RestatedText(*c.confirm))
	})
	cmd.Flags().StringVar(&w.Name, "name", "", "`name` of the new registration")
	cmd.Flags().StringVar(&w.CloudID, "cloud-id", "", "the stack's cloudId, a `GUID`")
	c.flags(cmd, w, true)
	return cmd
}

func update(e *cli.Env) *cobra.Command {
	var c change
	var given registrar.Change
	var of *cli.Registration
	cmd := cli.Command("update", "Change a registration from a usage day on", `Omitted flags keep the values that hold on the day --from; --end none removes an end.
Omitted --reporting keeps its value, too, unless --model changes the model. Usage days
before --from keep what holds for them. A change that affects closed usage days lists
them and needs --confirm; they are restated after it. Days that were closed with usage
reporting off and have it on now need no confirmation.`, `
stackusage registration update --registration hamburg --model Capacity --from 2020-02-01 --reason "new contract"
stackusage registration update --registration hamburg --end none --reason "stack stays"`, func(ctx context.Context) error {
		if err := c.read(&given); err != nil {
			return err
		}
		storage, before, err := of.History(ctx)
		if err != nil {
			return err
		}
		w, err := c.over(before, given)
		if err != nil {
			return err
		}
		history, _, err := storage.Registrar(*c.confirm).Put(ctx, w)
		if err != nil {
			return err
		}
		if history.Version == before.Version {
			return printHistory(e, history, fmt.Sprintf("Registration %s has these values on usage day %s already; nothing is changed.\n", history.Name(), c.day))
		}
		return printHistory(e, history, fmt.Sprintf("Registration %s is changed from usage day %s on.\n", history.Name(), c.day)+cli.RestatedText(*c.confirm))
	})
	of = e.OneRegistration(cmd)
	cmd.Flags().StringVar(&given.Name, "name", "", "new `name` of the registration")
	c.flags(cmd, &given, false)
	return cmd
}

// over lays the flags that are given over what holds on the day of the change.
func (c *change) over(history registration.History, given registrar.Change) (registrar.Change, error) {
	day := given.EffectiveDay
	held, err := history.On(day)
	if err != nil {
		return given, err
	}
	w := registrar.Change{Registration: held.Registration, Match: registrar.Condition{Version: &history.Version}}
	w.EffectiveDay, w.Note, w.End = given.EffectiveDay, given.Note, history.End(day)
	keep := !held.ReportingOff
	w.Reporting = &keep
	if given.Reporting != nil || given.BillingModel != "" && given.BillingModel != held.BillingModel {
		w.Reporting = given.Reporting
	}
	for flag, set := range map[string]func(){
		"name":              func() { w.Name = given.Name },
		"subscription":      func() { w.SubscriptionID = given.SubscriptionID },
		"kind":              func() { w.SubscriptionKind = given.SubscriptionKind },
		"cloud":             func() { w.Cloud = given.Cloud },
		"stack":             func() { w.StackKind = given.StackKind },
		"model":             func() { w.BillingModel = given.BillingModel },
		"region":            func() { w.Region = given.Region },
		"start":             func() { w.Start = given.Start },
		"end":               func() { w.End = given.End },
		"no-hours-expected": func() { w.NoHoursExpected = given.NoHoursExpected },
		"delivered-every":   func() { w.DeliveredEvery = given.DeliveredEvery },
		"watched":           func() { w.Unwatched = given.Unwatched },
	} {
		if c.cmd.Flags().Changed(flag) {
			set()
		}
	}
	return w, nil
}
