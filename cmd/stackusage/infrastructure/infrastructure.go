// Package infrastructure is stackusage infrastructure: a stack's own subscriptions, of
// which usage is free.
package infrastructure

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Command is stackusage infrastructure.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("infrastructure", "List, set and confirm free subscriptions of a stack", `
stackusage infrastructure list --registration hamburg
stackusage infrastructure confirm --day 2019-12-10 --reason "checked on the stack"`,
		list(e), set(e), confirm(e))
}

// Row is one line of infrastructure list.
type Row struct {
	From          string   `json:"effectiveDay"`
	Subscriptions []string `json:"subscriptions"`
	Hash          string   `json:"hash"`
	Confirmed     bool     `json:"confirmed"`
	Against       []string `json:"against,omitempty"`
	By            string   `json:"by,omitempty"`
	Reason        string   `json:"reason,omitempty"`
}

func rowOf(e registration.InfrastructureEntry) Row {
	return Row{usage.ShowDay(e.EffectiveDay), registration.NormalList(e.Subscriptions), registration.ListHash(e.Subscriptions), e.Confirmed, e.Against, e.By, e.Reason}
}

func list(e *cli.Env) *cobra.Command {
	var of *cli.Registration
	cmd := cli.Command("list", "List infrastructure subscriptions by usage day", `Usage of a stack's own subscriptions is free. Where a registration has no list of them
when a usage day is closed, CloseDay records one from the activation key's provider
subscription and the headers of the day's hours.`, `
stackusage infrastructure list --registration hamburg`, func(ctx context.Context) error {
		_, history, err := of.History(ctx)
		if err != nil {
			return err
		}
		rows := make([]Row, len(history.Infrastructure))
		for i, entry := range history.Infrastructure {
			rows[i] = rowOf(entry)
		}
		return cli.List(e, cli.Each(rows), cli.Table[Row]{
			Head: []string{"FROM", "HASH", "CONFIRMED", "SUBSCRIPTIONS", "WHY"},
			Cells: func(r Row) []any {
				confirmed := "no"
				if r.Confirmed {
					confirmed = strings.TrimSpace("yes " + strings.Join(r.Against, " "))
				}
				return []any{r.From, r.Hash, confirmed, strings.Join(r.Subscriptions, " "), cli.WhyOf(registration.Note{By: r.By, Reason: r.Reason})}
			},
			None: "no infrastructure subscriptions are recorded",
		})
	})
	of = e.OneRegistration(cmd)
	return cmd
}

func set(e *cli.Env) *cobra.Command {
	var entry registration.InfrastructureEntry
	var subscriptions []string
	var none bool
	var day usage.Day
	var d cli.Decision
	var confirm *bool
	cmd := cli.Command("set", "Set a stack's infrastructure subscriptions", `The list replaces the one before. It holds from --from on, until the day of a later
entry if there is one.`, `
stackusage infrastructure set --subscription 1f0c9d11-5e19-4f4c-8a3f-2b3a4f0c9d12 --from 2019-12-10 --reason "from the stack's portal"
stackusage infrastructure set --none --reason "test stack"`, func(ctx context.Context) error {
		if none == (len(subscriptions) > 0) {
			return errors.New("--subscription and --none are missing, or both are given: name each subscription, or use --none")
		}
		for _, text := range subscriptions {
			id, err := cli.GUID("--subscription", text)
			if err != nil {
				return err
			}
			entry.Subscriptions = append(entry.Subscriptions, id)
		}
		storage, history, err := d.History(ctx)
		if err != nil {
			return err
		}
		entry.EffectiveDay, entry.Note = cli.CompactOr(day), cli.NoteOf(d.Why) // History fills in who decides
		entry, err = storage.Registrar(*confirm).SetInfrastructure(ctx, history.Name(), entry)
		if err != nil {
			return err
		}
		return cli.Results(e, []Row{rowOf(entry)}, fmt.Sprintf("From %s on these subscriptions are infrastructure: %s.\n",
			usage.ShowDay(entry.EffectiveDay), orNone(entry.Subscriptions))+cli.RestatedText(*confirm))
	})
	d.Flags(e, cmd)
	cmd.Flags().StringSliceVar(&subscriptions, "subscription", nil, "infrastructure subscription, a `GUID` (repeatable)")
	cmd.Flags().BoolVar(&none, "none", false, "the stack has no infrastructure subscriptions")
	cli.DayVar(cmd, &day, "from", "first usage `day` of the list (YYYY-MM-DD, UTC; default: today)")
	confirm = cli.ConfirmFlag(cmd)
	return cmd
}

func confirm(e *cli.Env) *cobra.Command {
	var day usage.Day
	var against string
	var d cli.Decision
	cmd := cli.Command("confirm", "Confirm a stack's infrastructure subscriptions", `Confirms the list that holds on --day. A finding about a list in the header of an hour
names the hash of that list. --against keeps the registration's list against it, and
ends the finding.`, `
stackusage infrastructure confirm --day 2019-12-10 --reason "checked on the stack"`, func(ctx context.Context) error {
		storage, history, err := d.History(ctx)
		if err != nil {
			return err
		}
		if day == 0 {
			day = cli.Today()
		}
		entry, err := storage.Registrar(false).ConfirmInfrastructure(ctx, history.Name(), day.Compact(), against, cli.NoteOf(d.Why))
		if err != nil {
			return err
		}
		return cli.Result(e, rowOf(entry), "Confirmed for usage day %s: from %s on these subscriptions are infrastructure: %s.\n",
			day, usage.ShowDay(entry.EffectiveDay), orNone(entry.Subscriptions))
	})
	d.Flags(e, cmd)
	cli.DayVar(cmd, &day, "day", "usage `day` that the list holds for (YYYY-MM-DD, UTC; default: today)")
	cmd.Flags().StringVar(&against, "against", "", "`hash` of the list in a header that differs")
	return cmd
}

func orNone(subscriptions []string) string {
	if len(subscriptions) == 0 {
		return "none"
	}
	return strings.Join(subscriptions, ", ")
}
