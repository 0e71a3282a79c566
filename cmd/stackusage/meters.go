package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"stackusage/shared/meter"
)

const aboutMeters = `list and explain the stack's meters

  stackusage meters list [--search TEXT]
  stackusage meters show --meter ID
  stackusage meters seen --from 2019-12-01 --to 2019-12-31 [--cloud-id GUID] [--meter ID]

list and show read the catalogue that is built in, and need no storage. Each of
them has a --help that says more.`

// meters is stackusage meters.
func meters(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "meters", aboutMeters, args, map[string]verb{"list": listMeters, "show": showMeter, "seen": seenMeters})
}

const aboutMetersList = `list the meters of the catalogue

CLASS is full (may cost something) or informational (never does). The same meter
under one of the stack's own subscriptions is an admin meter, at price zero.`

// listedMeter is one meter in JSON.
type listedMeter struct {
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

func listedMeterOf(m meter.Meter) listedMeter {
	return listedMeter{m.ID, m.Name, m.Unit, m.Service, string(m.Class), m.Deprecated, m.CommerceID, m.AdminCommerceID, m.Note, m.Trap()}
}

func listMeters(_ context.Context, env environment, args []string) error {
	fs := newFlags(env, "meters list", aboutMetersList)
	search := fs.String("search", "", "only meters with these `words` in name, service, unit or id")
	class := fs.String("class", "", "only this `class`: full or informational")
	deprecated := fs.Bool("deprecated", false, "only meters that newer stacks do not report")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *class != "" && *class != string(meter.Full) && *class != string(meter.Informational) {
		return fmt.Errorf("--class %q: full or informational", *class)
	}
	catalogue, err := meter.BuiltIn()
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.stdout)
	w := newListing(env, "METER ID", "SERVICE", "NAME", "UNIT", "CLASS", "DEPRECATED")
	for _, m := range catalogue.Search(*search) {
		if *class != "" && *class != string(m.Class) || *deprecated && !m.Deprecated {
			continue
		}
		if *asJSON {
			if err := enc.Encode(listedMeterOf(m)); err != nil {
				return err
			}
			continue
		}
		old := ""
		if m.Deprecated {
			old = "yes"
		}
		w.row(m.ID, m.Service, m.Name, m.Unit, m.Class, old)
	}
	if *asJSON {
		return nil
	}
	return w.flush("no such meter is in the catalogue")
}

const aboutMetersShow = `say what one meter means

--meter takes an id in any form (upper or lower case, with or without dashes, the
stack's or commerce's), or words that only one meter has.`

func showMeter(_ context.Context, env environment, args []string) error {
	fs := newFlags(env, "meters show", aboutMetersShow)
	text := fs.String("meter", "", "the meter's `id`, or words that only one has")
	asJSON := fs.Bool("json", false, "print a JSON object")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	m, err := oneMeter(*text)
	if err != nil {
		return err
	}
	if *asJSON {
		enc := json.NewEncoder(env.stdout)
		enc.SetIndent("", "  ")
		return enc.Encode(listedMeterOf(m))
	}
	w := tabwriter.NewWriter(env.stdout, 0, 0, 2, ' ', 0)
	class := map[meter.Class]string{
		meter.Full:          "full: may cost something; under the stack's own subscriptions admin, at price zero",
		meter.Informational: "informational: sent, so that every row is accounted for, and never charged",
	}[m.Class]
	if m.Deprecated {
		class += "; deprecated"
	}
	unit := m.Unit
	if unit == "" {
		unit = "not documented"
	}
	lines := [][2]string{{"meter", m.ID}, {"name", m.Name}, {"service", m.Service}, {"unit", unit}, {"class", class},
		{"commerce's meter", orNotPublic(m.CommerceID)}, {"commerce's admin meter", orNotPublic(m.AdminCommerceID)}}
	if m.Note != "" {
		lines = append(lines, [2]string{"note", m.Note})
	}
	if trap := m.Trap(); trap != "" {
		lines = append(lines, [2]string{"beware", trap})
	}
	for _, l := range lines {
		fmt.Fprintf(w, "%s\t%s\n", l[0], l[1])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.stdout, "\nWhere it was seen:\n  stackusage meters seen --meter %s --from DAY --to DAY\n", m.ID)
	return err
}

func orNotPublic(id string) string {
	if id == "" {
		return "not public"
	}
	return id
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
		return meter.Meter{}, fmt.Errorf("--meter %q: not in the catalogue; custom App Service worker tiers have ids of their own, which stackusage meters seen shows", text)
	case 1:
		return found[0], nil
	}
	return meter.Meter{}, fmt.Errorf("--meter %q: %d meters have that; stackusage meters list --search %q lists them", text, len(found), text)
}
