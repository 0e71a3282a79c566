// Package tenants is stackusage tenant: directory tenants that are charged to Azure
// subscriptions of their own (CSP).
package tenants

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/registrar"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Command is stackusage tenant.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("tenant", "Map directory tenants to Azure subscriptions (CSP)", `
stackusage tenant list --registration hamburg
stackusage tenant map --tenant db1b3a0a-5e19-4f4c-8a3f-2b3a4f0c9d11 \
  --subscription 1f0c9d11-5e19-4f4c-8a3f-2b3a4f0c9d12 --from 2019-12-10 --reason "new customer"`,
		list(e), toMap(e), unmap(e))
}

// Row is one line of tenant list.
type Row struct {
	TenantID     string `json:"tenantId"`
	From         string `json:"effectiveDay"`
	Subscription string `json:"customerSubscription,omitempty"` // empty: the registration's
	By           string `json:"by,omitempty"`
	Reason       string `json:"reason,omitempty"`
}

func rowOf(m registration.Mapping) Row {
	return Row{m.TenantID, usage.ShowDay(m.EffectiveDay), m.SubscriptionID, m.By, m.Reason}
}

func list(e *cli.Env) *cobra.Command {
	var of *cli.Registration
	cmd := cli.Command("list", "List the mappings of a registration", `The last entry for a usage day is the one that holds.`, `
stackusage tenant list --registration hamburg`, func(ctx context.Context) error {
		_, history, err := of.History(ctx)
		if err != nil {
			return err
		}
		rows := make([]Row, len(history.Tenants))
		for i, m := range history.Tenants {
			rows[i] = rowOf(m)
		}
		return cli.List(e, cli.Each(rows), cli.Table[Row]{
			Head: []string{"TENANT", "FROM", "CHARGED TO", "WHY"},
			Cells: func(r Row) []any {
				charged := r.Subscription
				if charged == "" {
					charged = "the registration's"
				}
				return []any{r.TenantID, r.From, charged, cli.WhyOf(registration.Note{By: r.By, Reason: r.Reason})}
			},
			None: "no tenant was ever mapped",
		})
	})
	of = e.OneRegistration(cmd)
	return cmd
}

// change are the flags of a change.
type change struct {
	cli.Decision
	env                  *cli.Env
	tenant, subscription string
	day                  usage.Day
	confirm              *bool
}

func (c *change) flags(e *cli.Env, cmd *cobra.Command) {
	c.env = e
	c.Flags(e, cmd)
	cmd.Flags().StringVar(&c.subscription, "subscription", "", "the customer's Azure subscription, a `GUID`")
	cli.DayVar(cmd, &c.day, "from", "first usage `day` of the change (YYYY-MM-DD, UTC; default: today)")
	c.confirm = cli.ConfirmFlag(cmd)
}

// make checks the flags and makes the change by do.
func (c *change) make(ctx context.Context, do func(g *registrar.Registrar, name string) (registration.Mapping, string, error)) (err error) {
	if c.subscription, err = cli.GUID("--subscription", c.subscription); err != nil {
		return err
	}
	storage, history, err := c.History(ctx)
	if err != nil {
		return err
	}
	m, text, err := do(storage.Registrar(*c.confirm), history.Name())
	if err != nil {
		return err
	}
	if history, err = storage.Registry().History(ctx, history.CloudID); err != nil {
		return fmt.Errorf("the change is made; read for how long it holds: %w", err)
	}
	held := fmt.Sprintf("from %s on", usage.ShowDay(m.EffectiveDay))
	if end := history.Until(m); end != "" {
		held = fmt.Sprintf("from %s until %s, when another entry holds (stackusage tenant list)", usage.ShowDay(m.EffectiveDay), usage.ShowDay(end))
	}
	return cli.Results(c.env, []Row{rowOf(m)}, text+" "+held+".\n"+cli.RestatedText(*c.confirm))
}

func toMap(e *cli.Env) *cobra.Command {
	var c change
	cmd := cli.Command("map", "Charge a tenant's usage to an Azure subscription", `The mapping holds from --from on, until the day of a later entry if there is one
already; a second mapping replaces the first from its day on. A change that affects
closed usage days lists them and needs --confirm; they are restated after it.`, `
stackusage tenant map --tenant db1b3a0a-5e19-4f4c-8a3f-2b3a4f0c9d11 \
  --subscription 1f0c9d11-5e19-4f4c-8a3f-2b3a4f0c9d12 --from 2019-12-10 --reason "new customer"`, func(ctx context.Context) error {
		tenant, err := cli.GUID("--tenant", c.tenant)
		if err != nil {
			return err
		}
		return c.make(ctx, func(g *registrar.Registrar, name string) (registration.Mapping, string, error) {
			m, made, err := g.Map(ctx, name, registration.Mapping{TenantID: tenant, SubscriptionID: c.subscription, EffectiveDay: cli.CompactOr(c.day), Note: cli.NoteOf(c.Why)})
			when := "now"
			if made {
				when = "newly"
			}
			return m, fmt.Sprintf("Tenant %s is %s charged to %s", m.TenantID, when, m.SubscriptionID), err
		})
	})
	cmd.Flags().StringVar(&c.tenant, "tenant", "", "`GUID` of the directory tenant")
	c.flags(e, cmd)
	return cmd
}

func unmap(e *cli.Env) *cobra.Command {
	var c change
	cmd := cli.Command("unmap", "End the mapping to an Azure subscription", `From --from on the tenant's usage is charged to the registration's subscription.`, `
stackusage tenant unmap --subscription 1f0c9d11-5e19-4f4c-8a3f-2b3a4f0c9d12 --from 2020-01-20 --reason "customer left"`, func(ctx context.Context) error {
		return c.make(ctx, func(g *registrar.Registrar, name string) (registration.Mapping, string, error) {
			m, err := g.Unmap(ctx, name, c.subscription, cli.CompactOr(c.day), cli.NoteOf(c.Why))
			return m, fmt.Sprintf("Tenant %s is charged to the registration's subscription", m.TenantID), err
		})
	})
	c.flags(e, cmd)
	return cmd
}
