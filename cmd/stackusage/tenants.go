package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"stackusage/shared/ledger"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

const aboutTenants = `map directory tenants to Azure subscriptions (CSP)

  stackusage tenants list  --name hamburg
  stackusage tenants map   --name hamburg --tenant GUID --subscription GUID --from 2019-12-10 --reason TEXT
  stackusage tenants unmap --name hamburg --subscription GUID --from 2019-12-10 --reason TEXT`

func tenants(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "tenants", aboutTenants, args, map[string]verb{"list": listTenants, "map": mapTenant, "unmap": unmapTenant})
}

// listedTenant is one line of tenants list.
type listedTenant struct {
	TenantID     string `json:"tenantId"`
	From         string `json:"effectiveDay"`
	Subscription string `json:"customerSubscription,omitempty"` // empty: the registration's
	By           string `json:"by,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

func listTenants(ctx context.Context, env environment, args []string) error {
	book, asJSON, err := namedBook(ctx, env, "tenants list", "list the history of a registration's mappings; the last one for a day holds", args)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.stdout)
	w := newListing(env, "TENANT", "FROM", "CHARGED", "WHY")
	for _, m := range book.Tenants {
		if asJSON {
			if err := enc.Encode(listedTenant{m.TenantID, m.EffectiveDay, m.SubscriptionID, m.By, m.Reason}); err != nil {
				return err
			}
			continue
		}
		charged := m.SubscriptionID
		if charged == "" {
			charged = "the registration's"
		}
		w.row(m.TenantID, usage.ShowDay(m.EffectiveDay), charged, whyOf(m.Note))
	}
	if asJSON {
		return nil
	}
	return w.flush("no tenant was ever mapped")
}

// tenantChange are the flags of a change.
func tenantChange(env environment, verb, about string, args []string, tenant bool) (name string, m registration.Mapping, confirmed bool, err error) {
	fs := newFlags(env, "tenants "+verb, about)
	n := nameFlag(fs)
	var day usage.Day
	var why ledger.Reasoned
	if tenant {
		fs.StringVar(&m.TenantID, "tenant", "", "the directory tenant's `GUID`")
	}
	fs.StringVar(&m.SubscriptionID, "subscription", "", "the customer's Azure subscription, a `GUID` in lower case with dashes")
	dayVar(fs, &day, "from", "first usage `day` that this holds for (YYYY-MM-DD, UTC; default: today)")
	confirm := confirmFlag(fs)
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return "", m, false, err
	}
	if err := errors.Join(n.check(), reason()); err != nil {
		return "", m, false, err
	}
	m.TenantID, m.EffectiveDay, m.Note = strings.ToLower(m.TenantID), compactOr(day), noteOf(why)
	return n.text, m, *confirm, nil
}

func mapTenant(ctx context.Context, env environment, args []string) error {
	name, m, confirmed, err := tenantChange(env, "map", `charge a directory tenant's usage to an Azure subscription of its own

From --from on, until the day of a later entry if there is one already; a second
mapping takes the place of the first from its day on. A change that reaches closed
usage days lists them and needs --confirm; they are restated after it.`, args, true)
	if err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	m, made, err := app.changing(confirmed).Map(ctx, name, m)
	if err != nil {
		return err
	}
	held, err := heldFor(ctx, app, name, m)
	if err != nil {
		return err
	}
	said := "now"
	if made {
		said = "newly"
	}
	fmt.Fprintf(env.stdout, "Tenant %s is %s charged to %s %s.\n", m.TenantID, said, m.SubscriptionID, held)
	sayRestated(env, confirmed)
	return nil
}

func unmapTenant(ctx context.Context, env environment, args []string) error {
	name, m, confirmed, err := tenantChange(env, "unmap", `end the mapping to an Azure subscription: the tenant falls back to the registration's`, args, false)
	if err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	m, err = app.changing(confirmed).Unmap(ctx, name, m.SubscriptionID, m.EffectiveDay, m.Note)
	if err != nil {
		return err
	}
	held, err := heldFor(ctx, app, name, m)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Tenant %s is charged to the registration's subscription %s.\n", m.TenantID, held)
	sayRestated(env, confirmed)
	return nil
}

// heldFor says for which usage days an entry holds that was made.
func heldFor(ctx context.Context, app *app, name string, m registration.Mapping) (string, error) {
	book, err := app.registrar().Named(ctx, name)
	if err != nil {
		return "", fmt.Errorf("the change is made; read for how long it holds: %w", err)
	}
	if end := book.Until(m); end != "" {
		return fmt.Sprintf("from %s until %s, when another entry holds (stackusage tenants list)", usage.ShowDay(m.EffectiveDay), usage.ShowDay(end)), nil
	}
	return fmt.Sprintf("from %s on", usage.ShowDay(m.EffectiveDay)), nil
}
