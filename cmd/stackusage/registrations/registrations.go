// Package registrations is stackusage registration: which stacks report, and who pays.
package registrations

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/activation"
	"stackusage/shared/activation/issue"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/registration/resource"
	"stackusage/shared/usage"
)

// Command is stackusage registration.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("registration", "Create, change, show and end registrations", `
stackusage registration list
stackusage registration update --registration hamburg --model Capacity --from 2020-02-01 --reason "new contract"`,
		create(e), update(e), list(e), show(e), end(e), issueKey(e))
}

func list(e *cli.Env) *cobra.Command {
	return cli.Command("list", "List what is registered today", `Shows what holds today of each registration. stackusage registration show has its history.`, `
stackusage registration list
stackusage registration list --output csv`, func(ctx context.Context) error {
		storage, err := e.Storage()
		if err != nil {
			return err
		}
		histories, err := storage.Registry().Histories(ctx)
		if err != nil {
			return err
		}
		today := time.Now().UTC().Format("20060102")
		if !e.Tables() {
			return cli.List(e, resources(histories, today), cli.Table[resource.Registration]{})
		}
		var shown []registration.Effective
		names := map[string]string{}
		for _, b := range histories {
			held, err := b.On(today)
			if errors.Is(err, registration.ErrUnknown) {
				continue
			}
			if err != nil {
				return err
			}
			shown, names[held.CloudID] = append(shown, held), b.Name()
		}
		return cli.List(e, cli.Each(shown), cli.Table[registration.Effective]{
			Head: []string{"NAME", "CLOUD ID", "SUBSCRIPTION", "KIND", "STACK", "MODEL", "REPORTING", "REGION", "START", "END", "HOURS", "TENANTS"},
			Cells: func(h registration.Effective) []any {
				return []any{names[h.CloudID], h.CloudID, h.SubscriptionID, h.SubscriptionKind, h.StackKind, h.BillingModel,
					onOff(h.Registration), h.Region, cli.PointOr(cli.Known(h.Start)), cli.PointOr(cli.Known(h.End)), hoursOf(h.Registration), len(h.Tenants)}
			},
			None: "no stack is registered",
		})
	})
}

// resources are the registrations as the API shows them.
func resources(histories []registration.History, today string) func(yield func(resource.Registration, error) bool) {
	return func(yield func(resource.Registration, error) bool) {
		for _, b := range histories {
			if _, err := b.On(today); errors.Is(err, registration.ErrUnknown) {
				continue
			}
			shown, err := resource.Of(b, time.Now())
			if !yield(shown, err) {
				return
			}
		}
	}
}

func onOff(r registration.Registration) string {
	if r.ReportingOff {
		return "off"
	}
	return "on"
}

// hoursOf tells whether a registration's reported hours are missed where they do not come.
func hoursOf(r registration.Registration) string {
	switch {
	case r.NoHoursExpected:
		return "not expected"
	case r.Unwatched:
		return "not watched"
	case r.DeliveredEvery > 0:
		return fmt.Sprintf("by hand, every %d d", r.DeliveredEvery)
	}
	return "expected"
}

func show(e *cli.Env) *cobra.Command {
	var of *cli.Registration
	cmd := cli.Command("show", "Show the history of a registration", `The last entry for a usage day is the one that holds.`, `
stackusage registration show --registration hamburg`, func(ctx context.Context) error {
		_, history, err := of.History(ctx)
		if err != nil {
			return err
		}
		return printHistory(e, history, "")
	})
	of = e.OneRegistration(cmd)
	return cmd
}

// printHistory prints the entries of a registration under a text; the last entry for a day
// holds.
func printHistory(e *cli.Env, history registration.History, text string) error {
	if !e.Tables() {
		shown, err := resource.Of(history, time.Now())
		if err != nil {
			return err
		}
		return cli.List(e, cli.Each([]resource.Registration{shown}), cli.Table[resource.Registration]{})
	}
	if _, err := io.WriteString(e.Stdout, text); err != nil {
		return err
	}
	return cli.List(e, cli.Each(history.Registrations), cli.Table[registration.Registration]{
		Head: []string{"FROM", "SUBSCRIPTION", "KIND", "STACK", "MODEL", "REPORTING", "REGION", "START", "END", "HOURS", "WHY"},
		Cells: func(r registration.Registration) []any {
			return []any{usage.ShowDay(r.EffectiveDay), r.SubscriptionID, r.SubscriptionKind, r.StackKind, r.BillingModel, onOff(r), r.Region,
				cli.PointOr(cli.Known(r.Start)), cli.PointOr(cli.Known(r.End)), hoursOf(r), cli.WhyOf(r.Note)}
		},
	})
}

func end(e *cli.Env) *cobra.Command {
	var at time.Time
	var d cli.Decision
	var confirm *bool
	cmd := cli.Command("end", "End a registration, and keep its history", `From --at on no reported hour is expected. The first SETTLING_HOURS hours after it are
still accepted, because they hold the last usage. If usage days after --at are closed
already, the command lists them and needs --confirm: the hours after the end then
leave the bill, and these days are restated.`, `
stackusage registration end --registration hamburg --at 2020-02-01T00:00Z --reason "stack is dismantled"`, func(ctx context.Context) error {
		if at.IsZero() {
			at = registrar.DefaultEnd(time.Now())
		}
		storage, history, err := d.History(ctx)
		if err != nil {
			return err
		}
		history, err = storage.Registrar(*confirm).End(ctx, history.Name(), at, cli.NoteOf(d.Why), registrar.Condition{})
		if err != nil {
			return err
		}
		last, err := history.Current()
		if err != nil {
			return err
		}
		return printHistory(e, history, fmt.Sprintf("Registration %s ends at %s.\n", history.Name(), usage.Point(last.End))+cli.RestatedText(*confirm))
	})
	d.Flags(e, cmd)
	cli.HourVar(cmd, &at, "at", "first reported `hour` that is not expected any more (default: the next hour)")
	confirm = cli.ConfirmFlag(cmd)
	return cmd
}

// Key is an activation key.
type Key struct {
	Key string `json:"activationKey"`
}

func issueKey(e *cli.Env) *cobra.Command {
	var req issue.Request
	var by string
	var of *cli.Registration
	var check func() error
	cmd := cli.Command("issue-key", "Issue the activation key that configures the agent", `The key holds no secret. The deployment must have made the stack's container. The
provider subscription is recorded with the registration: its usage is free.`, `
stackusage registration issue-key --registration hamburg --domain azurestack.external \
  --tenant-id 39c82aed-b2b7-4a66-abdb-611de00bf11e --client-id 39c82aed-b2b7-4a66-abdb-611de00bf11f`, func(ctx context.Context) error {
		if err := check(); err != nil {
			return err
		}
		storage, history, err := of.History(ctx)
		if err != nil {
			return err
		}
		issuer := issue.Issuer{Registrar: storage.Registrar(false), Containers: storage.Landing.Blobs, Service: storage.Landing.Blobs.Service()}
		key, err := issuer.Key(ctx, history.Name(), req, by)
		if err != nil {
			return err
		}
		return cli.Result(e, Key{key}, "%s\n", key)
	})
	of = e.OneRegistration(cmd)
	f := cmd.Flags()
	f.StringVar(&req.Identity.TenantID, "tenant-id", "", "`GUID` of the directory that the agent signs in to")
	f.StringVar(&req.Identity.ClientID, "client-id", "", "`GUID` of the identity that the agent signs in as")
	req.Identity.Method = activation.ClientSecret
	cli.EnumVar(cmd, &req.Identity.Method, "method", "sign-in `method` of the agent", activation.ClientSecret, activation.ClientCertificate, activation.ManagedIdentity)
	f.StringVar(&req.Stack.Domain, "domain", "", "external domain `name` of the stack, for example azurestack.external")
	f.StringVar(&req.Stack.Endpoint, "endpoint", "", "`URL` of the stack's admin Resource Manager (default: adminmanagement.<region>.<domain>)")
	f.StringVar(&req.Stack.ProviderSubscription, "provider-subscription", "", "`GUID` of the stack's default provider subscription")
	check = cli.ByFlag(cmd, &by)
	return cmd
}

// guids brings flags that hold GUIDs into their one form.
func guids(flags map[string]*string) error {
	for name, into := range flags {
		if strings.TrimSpace(*into) == "" {
			continue
		}
		dashed, err := cli.GUID(name, *into)
		if err != nil {
			return err
		}
		*into = dashed
	}
	return nil
}
