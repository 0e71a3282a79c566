// Package meters is stackusage meter: the catalogue of meters, and where they are used.
package meters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/meter"
)

// Command is stackusage meter.
func Command(e *cli.Env) *cobra.Command {
	return cli.Group("meter", "List and explain meters, and show where they are used", `
stackusage meter list --search windows
stackusage meter show --meter 9cd92d4c
stackusage meter seen --from 2019-12-01 --to 2019-12-31`,
		list(e), show(e), seen(e))
}

// Meter is one meter of the catalogue.
type Meter struct {
	MeterID         string `json:"meterId"`
	Name            string `json:"name"`
	Unit            string `json:"unit"`
	Service         string `json:"service"`
	Class           string `json:"class"`
	Deprecated      bool   `json:"deprecated"`
	CommerceMeterID string `json:"commerceMeterId,omitempty"`
	AdminMeterID    string `json:"adminCommerceMeterId,omitempty"`
	Note            string `json:"note,omitempty"`
	Trap            string `json:"trap,omitempty"`
}

func meterOf(m meter.Meter) Meter {
	return Meter{m.ID, m.Name, m.Unit, m.Service, string(m.Class), m.Deprecated, m.CommerceID, m.AdminCommerceID, m.Note, m.Trap()}
}

func list(e *cli.Env) *cobra.Command {
	var search string
	var class meter.Class
	var deprecated bool
	cmd := cli.Command("list", "List the meters of the catalogue", `CLASS is full (may cost something) or informational (never does). The same meter
under one of the stack's own subscriptions is an admin meter, at price zero. The
catalogue is built in: the command needs no storage.`, `
stackusage meter list --search windows
stackusage meter list --deprecated --output csv`, func(context.Context) error {
		catalogue, err := meter.BuiltIn()
		if err != nil {
			return err
		}
		return cli.List(e, func(yield func(Meter, error) bool) {
			for _, m := range catalogue.Search(search) {
				if (class == "" || class == m.Class) && (!deprecated || m.Deprecated) && !yield(meterOf(m), nil) {
					return
				}
			}
		}, cli.Table[Meter]{
			Head: []string{"METER ID", "SERVICE", "NAME", "UNIT", "CLASS", "DEPRECATED"},
			Cells: func(m Meter) []any {
				old := ""
				if m.Deprecated {
					old = "yes"
				}
				return []any{m.MeterID, m.Service, m.Name, m.Unit, m.Class, old}
			},
			None: "no such meter is in the catalogue",
		})
	})
	cmd.Flags().StringVar(&search, "search", "", "only meters with these `words` in name, service, unit or id")
	cli.EnumVar(cmd, &class, "class", "only this `class`", meter.Full, meter.Informational)
	cmd.Flags().BoolVar(&deprecated, "deprecated", false, "only meters that newer stacks do not report")
	return cmd
}

func show(e *cli.Env) *cobra.Command {
	var text string
	cmd := cli.Command("show", "Explain one meter", `--meter takes an id in any form (upper or lower case, with or without dashes, the
stack's or commerce's), or words that only one meter has. The catalogue is built in:
the command needs no storage.`, `
stackusage meter show --meter 9cd92d4c-bafd-4492-b278-bedc2de8232a
stackusage meter show --meter windows`, func(context.Context) error {
		m, err := oneMeter(text)
		if err != nil {
			return err
		}
		if !e.Tables() {
			return cli.List(e, cli.Each([]Meter{meterOf(m)}), cli.Table[Meter]{})
		}
		if err := explain(m).Print(e.Stdout); err != nil {
			return err
		}
		_, err = fmt.Fprintf(e.Stdout, "\nWhere it is used:\n  stackusage meter seen --meter %s --from DAY --to DAY\n", m.ID)
		return err
	})
	cmd.Flags().StringVar(&text, "meter", "", "`id` of the meter, or words that only one meter has")
	return cmd
}

func explain(m meter.Meter) *cli.Grid {
	class := map[meter.Class]string{
		meter.Full:          "full: may cost something; under the stack's own subscriptions admin, at price zero",
		meter.Informational: "informational: sent, so that every row is accounted for, and never charged",
	}[m.Class]
	if m.Deprecated {
		class += "; deprecated"
	}
	var grid cli.Grid
	for _, l := range [][2]string{
		{"meter", m.ID}, {"name", m.Name}, {"service", m.Service}, {"unit", cmp.Or(m.Unit, "not documented")}, {"class", class},
		{"commerce's meter", cmp.Or(m.CommerceID, "not public")}, {"commerce's admin meter", cmp.Or(m.AdminCommerceID, "not public")},
		{"note", m.Note}, {"beware", m.Trap()},
	} {
		if l[1] != "" {
			grid.Row(l[0], l[1])
		}
	}
	return &grid
}

// oneMeter finds the one meter that text stands for.
func oneMeter(text string) (meter.Meter, error) {
	if strings.TrimSpace(text) == "" {
		return meter.Meter{}, errors.New("--meter is missing: an id, or words that only one meter has")
	}
	catalogue, err := meter.BuiltIn()
	if err != nil {
		return meter.Meter{}, err
	}
	if m, ok := catalogue.Find(text); ok {
		return m, nil
	}
	found := catalogue.Search(text)
	switch len(found) {
	case 0:
		return meter.Meter{}, fmt.Errorf("--meter %q: not in the catalogue; custom App Service worker tiers have ids of their own, which stackusage meter seen shows", text)
	case 1:
		return found[0], nil
	}
	return meter.Meter{}, fmt.Errorf("--meter %q: %d meters have that; stackusage meter list --search %q lists them", text, len(found), text)
}
