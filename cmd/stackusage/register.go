package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"time"

	"stackusage/handlers"
	"stackusage/shared/ledger"
	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
	"stackusage/shared/usage"
)

const aboutRegister = `register a stack or change its registration

  stackusage register --name hamburg --cloud-id GUID --subscription GUID --kind EA --model PayAsYouUse --region local --reason TEXT

Omitted --region and --start keep their current values; without --end the
registration has no end, and an earlier one is taken back. Usage days before --from keep
what held for them. A change that reaches closed usage days lists them and needs
--confirm; they are restated after it. Days that were closed with usage reporting
off and have it on now need no confirmation.`

// registrar makes changes by the rules of the registration API.
func (a *app) registrar() *registration.Registrar {
	return &registration.Registrar{Store: a.registry(), Now: time.Now, Closed: handlers.ClosedDays(a.ledger), Grace: a.settling}
}

// changing is the registrar of a change that may reach closed days.
func (a *app) changing(confirmed bool) *registration.Registrar {
	g := a.registrar()
	g.Confirmed = confirmed
	return g
}

func confirmFlag(fs *flag.FlagSet) *bool {
	return fs.Bool("confirm", false, "make the change although it reaches closed usage days, and restate these")
}

// sayRestated tells who confirmed a change what follows from it, and where to see it.
func sayRestated(env environment, confirmed bool) {
	if confirmed {
		fmt.Fprintln(env.stdout, "Sweep has the closed usage days that the change reaches restated within about an hour. Watch: stackusage days list")
	}
}

func noteOf(why ledger.Reasoned) registration.Note {
	return registration.Note{By: why.By, Reason: why.Reason}
}

func register(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "register", aboutRegister)
	var w registration.Wish
	var day usage.Day
	var why ledger.Reasoned
	name := nameFlag(fs)
	fs.StringVar(&w.CloudID, "cloud-id", "", "the stack's cloudId, a `GUID` in lower case with dashes")
	fs.StringVar(&w.SubscriptionID, "subscription", "", "the Azure subscription that is charged, a `GUID` in lower case with dashes")
	kind := fs.String("kind", "", "`kind` of that subscription: EA or CSP; for a Development Kit also PayAsYouGo or MSDN")
	fs.StringVar(&w.Cloud, "cloud", registration.AzureCloud, "`cloud` that the subscription is in")
	stamp := fs.String("stamp", string(registration.Integrated), "`kind` of stack: integrated or ASDK")
	model := fs.String("model", "", "billing `model`: PayAsYouUse or Capacity; for a Development Kit Development")
	reporting := fs.String("reporting", "", "`on` or off (default: on for PayAsYouUse and Development, off for Capacity)")
	fs.StringVar(&w.Region, "region", "", "the stack's region `name`")
	dayVar(fs, &day, "from", "first usage `day` that this holds for (YYYY-MM-DD, UTC; default: today)")
	start := hourVar(fs, "start", "the first reported `hour` that is expected, 2019-12-10T19:00:00Z")
	end := hourVar(fs, "end", "first reported `hour` that is not expected any more (default: none)")
	fs.BoolVar(&w.NoHoursExpected, "no-hours-expected", false, "no reported hour is ever missed; a day closes by the hours that come")
	confirm := confirmFlag(fs)
	asJSON := fs.Bool("json", false, "print the registration as JSON")
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(name.check(), reason()); err != nil {
		return err
	}
	if *kind == "" || *model == "" {
		return errors.New("--kind and --model are missing: of what kind the charged subscription is, and how the stack is billed")
	}
	if *reporting != "" {
		on := *reporting == "on"
		if !on && *reporting != "off" {
			return fmt.Errorf("--reporting %q: must be on or off", *reporting)
		}
		w.Reporting = &on
	}
	w.Name, w.SubscriptionKind, w.StampKind, w.BillingModel = name.text, registration.SubscriptionKind(*kind), registration.StampKind(*stamp), registration.BillingModel(*model)
	w.Start, w.End, w.Note = *start, *end, noteOf(why)
	w.EffectiveDay = compactOr(day)
	app, err := env.app()
	if err != nil {
		return err
	}
	before, err := app.registry().Book(ctx, w.CloudID)
	if err != nil {
		return err
	}
	book, made, err := app.changing(*confirm).Put(ctx, w)
	if err != nil {
		return err
	}
	if *asJSON {
		return showJSON(env, book)
	}
	said := "is changed"
	switch {
	case made:
		said = "is made"
	case book.Version == before.Version:
		said = "says so already; nothing is changed"
	}
	fmt.Fprintf(env.stdout, "Registration %s %s.\n", book.Name(), said)
	sayRestated(env, *confirm && book.Version != before.Version)
	return printHistory(env, book)
}

// nameFlagValue is the flag by which commands are told of which registration they are.
type nameFlagValue struct{ text string }

func nameFlag(fs *flag.FlagSet) *nameFlagValue {
	var n nameFlagValue
	fs.StringVar(&n.text, "name", "", "the registration's `name`")
	return &n
}

func (n *nameFlagValue) check() error {
	if n.text == "" {
		return errors.New("--name is missing: the registration's name, as registrations list shows it")
	}
	return nil
}

// book reads the registration that a command is about.
func (n *nameFlagValue) book(ctx context.Context, env environment) (*app, registration.Book, error) {
	if err := n.check(); err != nil {
		return nil, registration.Book{}, err
	}
	app, err := env.app()
	if err != nil {
		return nil, registration.Book{}, err
	}
	book, err := app.registrar().Named(ctx, n.text)
	return app, book, err
}

// hourVar adds a flag for a time.
func hourVar(fs *flag.FlagSet, name, about string) *time.Time {
	var t time.Time
	fs.Func(name, about, func(text string) (err error) {
		if t, err = time.Parse(time.RFC3339, withSeconds(text)); err != nil {
			return errors.New("not of the form 2019-12-10T19:00:00Z")
		}
		return nil
	})
	return &t
}

// withSeconds adds the seconds to a time that is written as lists show it, so
// that every flag reads it back.
func withSeconds(text string) string {
	if t, err := time.Parse("2006-01-02T15:04Z07:00", text); err == nil {
		return t.Format(time.RFC3339)
	}
	return text
}

// parseHour reads flag --hour.
func parseHour(text string) (usage.Hour, error) {
	if text == "" {
		return 0, errors.New("--hour is missing: the reported hour, for example 2019-12-10T19:00:00Z")
	}
	hour, err := usage.ParseHour(withSeconds(text))
	if err != nil {
		return 0, fmt.Errorf("--hour: %w; want for example 2019-12-10T19:00:00Z", err)
	}
	return hour, nil
}

// compactOr is a day as rows name it; empty if there is none.
func compactOr(day usage.Day) string {
	if day == 0 {
		return ""
	}
	return day.Compact()
}

func showJSON(env environment, book registration.Book) error {
	shown, err := resource.Of(book, time.Now())
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(shown)
}
