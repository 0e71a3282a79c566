package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"time"

	"stackusage/handlers"
	"stackusage/shared/activation"
	"stackusage/shared/ledger"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const aboutRegister = `register a stamp, or change its registration from a usage day on

  stackusage register --name hamburg --cloud-id GUID --subscription GUID --kind EA --model PayAsYouUse --region local --reason TEXT

What is left out of a registration that is there, of region and start, stays.
Usage days before --from keep what held for them. Days that were stated already
are stated by the new rules when they are asked for (stackusage days restate),
and by themselves if usage reporting was off and is on now.`

// registrar makes changes by the rules of the registration API.
func (a *app) registrar() *registration.Registrar {
	return &registration.Registrar{Store: a.usage.Tables, Now: time.Now}
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
	fs.StringVar(&w.CloudID, "cloud-id", "", "the stamp's cloudId, a `GUID` in lower case with dashes")
	fs.StringVar(&w.SubscriptionID, "subscription", "", "the Azure subscription that is charged, a `GUID` in lower case with dashes")
	kind := fs.String("kind", "", "`kind` of that subscription: EA or CSP; for a Development Kit also PayAsYouGo or MSDN")
	fs.StringVar(&w.Cloud, "cloud", registration.AzureCloud, "`cloud` that the subscription is in")
	stamp := fs.String("stamp", string(registration.Integrated), "`kind` of stamp: integrated or ASDK")
	model := fs.String("model", "", "billing `model`: PayAsYouUse or Capacity; for a Development Kit Development")
	reporting := fs.String("reporting", "", "`on` or off; PayAsYouUse and Development report and Capacity does not if it is left out")
	fs.StringVar(&w.Region, "region", "", "the stamp's region `name`")
	dayVar(fs, &day, "from", "the first usage `day` that this holds for, 2019-12-10; today if it is left out")
	start := hourVar(fs, "start", "the first reported `hour` that is expected, 2019-12-10T19:00:00Z")
	end := hourVar(fs, "end", "the first reported `hour` that is not expected any more; none if it is left out")
	asJSON := fs.Bool("json", false, "print the registration as JSON")
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(name.check(), reason()); err != nil {
		return err
	}
	if *kind == "" || *model == "" {
		return errors.New("--kind and --model are missing: of what kind the charged subscription is, and how the stamp is billed")
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
	before, err := app.usage.Tables.Book(ctx, w.CloudID)
	if err != nil {
		return err
	}
	book, made, err := app.registrar().Put(ctx, w)
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
	return printHistory(env, book)
}

// name is the flag by which commands are told of which registration they are.
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

// hourVar adds a flag for a time.
func hourVar(fs *flag.FlagSet, name, about string) *time.Time {
	var t time.Time
	fs.Func(name, about, func(text string) (err error) {
		if t, err = time.Parse(time.RFC3339, text); err != nil {
			return errors.New("not of the form 2019-12-10T19:00:00Z")
		}
		return nil
	})
	return &t
}

// compactOr is a day as rows name it; empty if there is none.
func compactOr(day usage.Day) string {
	if day == 0 {
		return ""
	}
	return day.Compact()
}

func showJSON(env environment, book registration.Book) error {
	shown, err := handlers.ShowRegistration(book, time.Now())
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.stdout)
	enc.SetEscapeHTML(false)
	return enc.Encode(shown)
}

const aboutRegistrations = `list registrations, show one, end one, make the agent's activation key

  stackusage registrations list
  stackusage registrations show --name hamburg
  stackusage registrations end  --name hamburg --at 2020-02-01T00:00:00Z --reason TEXT
  stackusage registrations key  --name hamburg --domain azurestack.external --tenant-id GUID --client-id GUID --method clientSecret

stackusage register makes and changes them.`

func registrations(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "registrations", aboutRegistrations, args,
		map[string]verb{"list": listRegistrations, "show": showRegistration, "end": endRegistration, "key": registrationKey})
}

func listRegistrations(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "registrations list", "list what holds today of every registration")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	books, err := app.usage.Tables.Books(ctx)
	if err != nil {
		return err
	}
	w := newTable(env, "NAME", "CLOUD ID", "SUBSCRIPTION", "KIND", "STAMP", "MODEL", "REPORTING", "REGION", "START", "END", "TENANTS")
	today := time.Now().UTC().Format("20060102")
	for _, b := range books {
		held, err := b.On(today)
		if errors.Is(err, registration.ErrUnknown) {
			continue
		}
		if err != nil {
			return err
		}
		if *asJSON {
			if err := showJSON(env, b); err != nil {
				return err
			}
			continue
		}
		w.row(b.Name(), b.CloudID, held.SubscriptionID, string(held.SubscriptionKind), string(held.StampKind), string(held.BillingModel),
			onOff(held.Registration), held.Region, stampOr(known(held.Start)), stampOr(known(held.End)), strconv.Itoa(len(held.Tenants)))
	}
	if *asJSON {
		return nil
	}
	return w.flush("no stamp is registered")
}

func onOff(r registration.Registration) string {
	if r.ReportingOff {
		return "off"
	}
	return "on"
}

func showRegistration(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "registrations show", "show the history of one registration")
	name := nameFlag(fs)
	asJSON := fs.Bool("json", false, "print it as JSON")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := name.check(); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	book, err := app.registrar().Named(ctx, name.text)
	if err != nil {
		return err
	}
	if *asJSON {
		return showJSON(env, book)
	}
	return printHistory(env, book)
}

// printHistory lists the entries of a registration. The last one for a day holds.
func printHistory(env environment, book registration.Book) error {
	w := newTable(env, "FROM", "SUBSCRIPTION", "KIND", "STAMP", "MODEL", "REPORTING", "REGION", "START", "END", "WHY")
	for _, r := range book.Registrations {
		w.row(r.EffectiveDay, r.SubscriptionID, string(r.SubscriptionKind), string(r.StampKind), string(r.BillingModel), onOff(r), r.Region,
			stampOr(known(r.Start)), stampOr(known(r.End)), whyOf(r.Note))
	}
	return w.flush("")
}

func whyOf(n registration.Note) string {
	if n.By == "" && n.Reason == "" {
		return ""
	}
	return n.By + ": " + n.Reason
}

func endRegistration(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "registrations end", `end a registration; its history stays

From --at on no reported hour is expected, and none counts but the first few, which
hold the last usage.`)
	name := nameFlag(fs)
	at := hourVar(fs, "at", "the first reported `hour` that is not expected any more; the next one if it is left out")
	var why ledger.Reasoned
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(name.check(), reason()); err != nil {
		return err
	}
	if at.IsZero() {
		*at = handlers.NextHour(time.Now())
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	book, err := app.registrar().End(ctx, name.text, *at, noteOf(why), registration.Condition{})
	if err != nil {
		return err
	}
	last, err := book.Current()
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Registration %s ends at %s.\n", book.Name(), stamp(last.End))
	return printHistory(env, book)
}

func registrationKey(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "registrations key", `make the activation key that configures the agent

The key holds no secret. The deployment must have made the stamp's container.`)
	name := nameFlag(fs)
	var req handlers.KeyRequest
	fs.StringVar(&req.Identity.TenantID, "tenant-id", "", "`GUID` of the directory that the agent signs in to")
	fs.StringVar(&req.Identity.ClientID, "client-id", "", "`GUID` of the identity that the agent signs in as")
	fs.StringVar(&req.Identity.Method, "method", activation.ClientSecret, "`how` the agent signs in: clientSecret, clientCertificate or managedIdentity")
	fs.StringVar(&req.Stamp.Domain, "domain", "", "the stamp's external domain `name`, such as azurestack.external")
	fs.StringVar(&req.Stamp.Endpoint, "endpoint", "", "`URL` of the stamp's admin Resource Manager, if it is not adminmanagement.<region>.<domain>")
	fs.StringVar(&req.Stamp.ProviderSubscription, "provider-subscription", "", "`GUID` of the stamp's default provider subscription")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := name.check(); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	book, err := app.registrar().Named(ctx, name.text)
	if err != nil {
		return err
	}
	key, err := handlers.ActivationKey(ctx, book, app.landing.Blobs, app.landing.Blobs.Service(), time.Now(), req)
	if err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, key)
	return nil
}
