// Package findings is stackusage finding: observations that differ from what is
// settled.
package findings

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/registration"
	"stackusage/shared/review"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Command is stackusage finding.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("finding", "List observations that differ, and confirm days", `
stackusage finding list
stackusage finding confirm --day 2019-12-10 --reason "tenant moved on 2019-12-11"`,
		list(e), confirm(e))
}

// Row is one line of finding list.
type Row struct {
	CloudID      string   `json:"cloudId"`
	Day          string   `json:"usageDay"`
	Kind         string   `json:"kind"`
	Text         string   `json:"text"`
	Subscription string   `json:"subscription,omitempty"`
	Settled      string   `json:"settledTenant,omitempty"`
	Seen         string   `json:"seenTenant,omitempty"`
	List         []string `json:"subscriptions,omitempty"`
	Hash         string   `json:"hash,omitempty"`
}

func list(e *cli.Env) *cobra.Command {
	var only *cli.Registration
	cmd := cli.Command("list", "List observations that differ from what is settled", `A usage day is charged by what was settled when it was first closed. What the stack
reports differently later changes nothing until you decide.

KIND tells what to do:
  tenant          a later header names another tenant for a subscription.
                  stackusage finding confirm keeps what is settled,
                  stackusage day restate settles the day anew
  infrastructure  headers have another list of infrastructure subscriptions than
                  the registration: stackusage infrastructure set changes its list,
                  stackusage infrastructure confirm --against HASH keeps it
  unconfirmed     CloseDay recorded the registration's list, since it had none:
                  stackusage infrastructure confirm, or set

Exit code: 0 there is none, 2 there are some, 1 anything else.`, `
stackusage finding list
stackusage finding list --registration hamburg --output json`, func(ctx context.Context) error {
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		histories, err := storage.Registry().Histories(ctx)
		if err != nil {
			return err
		}
		if cloudID != "" {
			histories = slices.DeleteFunc(histories, func(b registration.History) bool { return b.CloudID != cloudID })
		}
		found, err := review.Findings(ctx, storage.Tables, storage.Usage.Blobs, histories, 0)
		if err != nil {
			return err
		}
		rows := make([]Row, len(found))
		for i, f := range found {
			rows[i] = Row{CloudID: f.CloudID, Day: f.Day.String(), Kind: f.Kind, Text: f.String(),
				Subscription: f.Observed.Subscription, Settled: f.Settled, Seen: f.Observed.Tenant, List: f.List, Hash: f.Hash}
		}
		err = cli.List(e, cli.Each(rows), cli.Table[Row]{
			Head:  []string{"REGISTRATION", "USAGE DAY", "KIND", "FINDING"},
			Cells: func(r Row) []any { return []any{storage.Name(ctx, r.CloudID), r.Day, r.Kind, r.Text} },
			None:  "there are no findings",
		})
		if err == nil && len(found) > 0 {
			err = cli.ErrDifferences
		}
		return err
	})
	only = e.AnyRegistration(cmd)
	return cmd
}

// Confirmed is an observation that is no finding any more.
type Confirmed struct {
	CloudID      string `json:"cloudId"`
	Day          string `json:"usageDay"`
	Subscription string `json:"subscription"`
	Tenant       string `json:"tenant"`
	ObservedAt   string `json:"observedAt"`
	Reason       string `json:"reason"`
	By           string `json:"by"`
}

func confirm(e *cli.Env) *cobra.Command {
	var day usage.Day
	var d cli.Decision
	cmd := cli.Command("confirm", "Confirm the tenants that a usage day is charged by", `Ends the findings of kind tenant that the day has now, and changes no bill. A later
header that names another tenant, or the same one at a moment nearer to the end of the
day, is a finding again. stackusage finding list shows what there is to confirm.`, `
stackusage finding confirm --day 2019-12-10 --reason "tenant moved on 2019-12-11"`, func(ctx context.Context) error {
		if day == 0 {
			return errors.New("--day is missing; stackusage finding list shows the days with something to confirm")
		}
		storage, cloudID, err := d.CloudID(ctx)
		if err != nil {
			return err
		}
		confirmed, err := review.Confirm(ctx, storage.Tables, storage.Usage.Blobs, cloudID, day, d.Why)
		if errors.Is(err, table.ErrNotFound) {
			err = fmt.Errorf("%w; stackusage day list shows which usage days were closed", err)
		}
		if err != nil {
			return err
		}
		text := strings.Builder{}
		fmt.Fprintf(&text, "Usage day %s has no finding of kind tenant to confirm.\n", day)
		if len(confirmed) > 0 {
			text.Reset()
			fmt.Fprintf(&text, "Usage day %s stays as it is settled (%s: %s). These are no findings any more:\n", day, d.Why.By, d.Why.Reason)
		}
		rows := make([]Confirmed, len(confirmed))
		for i, o := range confirmed {
			rows[i] = Confirmed{cloudID, day.String(), o.Subscription, o.Tenant, usage.Point(o.ObservedAt), d.Why.Reason, d.Why.By}
			fmt.Fprintf(&text, "  subscription %s of tenant %s, observed %s\n", o.Subscription, o.Tenant, rows[i].ObservedAt)
		}
		return cli.Results(e, rows, text.String())
	})
	d.Flags(e, cmd)
	cli.DayVar(cmd, &day, "day", "usage `day` (YYYY-MM-DD, UTC)")
	return cmd
}
