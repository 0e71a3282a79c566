package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"stackusage/shared/activation"
	"stackusage/shared/activation/issue"
	"stackusage/shared/ledger"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const aboutRegistrations = `list, show and end registrations; make activation keys

  stackusage registrations list
  stackusage registrations show --name hamburg
  stackusage registrations end  --name hamburg --at 2020-02-01T00:00:00Z --reason TEXT
  stackusage registrations key  --name hamburg --domain azurestack.external --tenant-id GUID --client-id GUID --method clientSecret
  stackusage registrations infrastructure list --name hamburg

stackusage register makes and changes them.`

func registrations(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "registrations", aboutRegistrations, args,
		map[string]verb{"list": listRegistrations, "show": showRegistration, "end": endRegistration, "key": registrationKey, "infrastructure": infrastructure})
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
	books, err := app.registry().Books(ctx)
	if err != nil {
		return err
	}
	w := newListing(env, "NAME", "CLOUD ID", "SUBSCRIPTION", "KIND", "STAMP", "MODEL", "REPORTING", "REGION", "START", "END", "HOURS", "TENANTS")
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
			onOff(held.Registration), held.Region, stampOr(known(held.Start)), stampOr(known(held.End)), hoursOf(held.Registration), strconv.Itoa(len(held.Tenants)))
	}
	if *asJSON {
		return nil
	}
	return w.flush("no stack is registered")
}

func onOff(r registration.Registration) string {
	if r.ReportingOff {
		return "off"
	}
	return "on"
}

// hoursOf says whether a registration's reported hours are missed where they do not come.
func hoursOf(r registration.Registration) string {
	if r.NoHoursExpected {
		return "not expected"
	}
	return "expected"
}

func showRegistration(ctx context.Context, env environment, args []string) error {
	book, asJSON, err := namedBook(ctx, env, "registrations show", "show the history of one registration", args)
	if err != nil {
		return err
	}
	if asJSON {
		return showJSON(env, book)
	}
	return printHistory(env, book)
}

// namedBook is what a command shows that is told only of which registration.
func namedBook(ctx context.Context, env environment, command, about string, args []string) (book registration.Book, asJSON bool, err error) {
	fs := newFlags(env, command, about)
	name := nameFlag(fs)
	fs.BoolVar(&asJSON, "json", false, "print JSON, one object a line")
	if err := parseFlags(fs, args); err != nil {
		return book, false, err
	}
	_, book, err = name.book(ctx, env)
	return book, asJSON, err
}

// printHistory lists the entries of a registration. The last one for a day holds.
func printHistory(env environment, book registration.Book) error {
	w := newListing(env, "FROM", "SUBSCRIPTION", "KIND", "STAMP", "MODEL", "REPORTING", "REGION", "START", "END", "HOURS", "WHY")
	for _, r := range book.Registrations {
		w.row(usage.ShowDay(r.EffectiveDay), r.SubscriptionID, string(r.SubscriptionKind), string(r.StampKind), string(r.BillingModel), onOff(r), r.Region,
			stampOr(known(r.Start)), stampOr(known(r.End)), hoursOf(r), whyOf(r.Note))
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

From --at on no reported hour is expected. The first SETTLING_HOURS hours after it are
still accepted, because they hold the last usage. If usage days after --at are closed
already, the command lists them and needs --confirm: the hours after the end then
leave the bill, and these days are restated.`)
	name := nameFlag(fs)
	at := hourVar(fs, "at", "first reported `hour` that is not expected any more (default: the next hour)")
	var why ledger.Reasoned
	confirm := confirmFlag(fs)
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(name.check(), reason()); err != nil {
		return err
	}
	if at.IsZero() {
		*at = registration.DefaultEnd(time.Now())
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	book, err := app.changing(*confirm).End(ctx, name.text, *at, noteOf(why), registration.Condition{})
	if err != nil {
		return err
	}
	last, err := book.Current()
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Registration %s ends at %s.\n", book.Name(), stamp(last.End))
	sayRestated(env, *confirm)
	return printHistory(env, book)
}

func registrationKey(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "registrations key", `make the activation key that configures the agent

The key holds no secret. The deployment must have made the stack's container. The
provider subscription is kept with the registration: its usage is free.`)
	name := nameFlag(fs)
	var req issue.Request
	fs.StringVar(&req.Identity.TenantID, "tenant-id", "", "`GUID` of the directory that the agent signs in to")
	fs.StringVar(&req.Identity.ClientID, "client-id", "", "`GUID` of the identity that the agent signs in as")
	fs.StringVar(&req.Identity.Method, "method", activation.ClientSecret, "`how` the agent signs in: clientSecret, clientCertificate or managedIdentity")
	fs.StringVar(&req.Stamp.Domain, "domain", "", "the stack's external domain `name`, such as azurestack.external")
	fs.StringVar(&req.Stamp.Endpoint, "endpoint", "", "`URL` of the stack's admin Resource Manager, if it is not adminmanagement.<region>.<domain>")
	fs.StringVar(&req.Stamp.ProviderSubscription, "provider-subscription", "", "`GUID` of the stack's default provider subscription")
	by := fs.String("by", "", "operator recorded in the audit trail (default: the signed-in user)")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := orLoggedIn(by); err != nil {
		return err
	}
	if err := name.check(); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	key, err := issue.Issuer{Registrar: app.registrar(), Containers: app.landing.Blobs, Service: app.landing.Blobs.Service()}.Key(ctx, name.text, req, *by)
	if err != nil {
		return err
	}
	fmt.Fprintln(env.stdout, key)
	return nil
}
