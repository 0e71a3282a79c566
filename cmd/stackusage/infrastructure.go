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

const aboutInfrastructure = `list, set and confirm free subscriptions of the stack

  stackusage registrations infrastructure list    --name hamburg
  stackusage registrations infrastructure set     --name hamburg --subscription GUID --from 2019-12-10 --reason TEXT
  stackusage registrations infrastructure confirm --name hamburg --day 2019-12-10 --reason TEXT

Usage of a stack's own subscriptions is free. Where a registration has no list of them
when a usage day is closed, CloseDay records one from the activation key's provider
subscription and the headers of the day's hours. set replaces the list: repeat
--subscription for each. confirm keeps the list that holds on --day; with --against it
also ends the finding about a list in headers that differs.`

func infrastructure(ctx context.Context, env environment, args []string) error {
	return verbs(ctx, env, "registrations infrastructure", aboutInfrastructure, args,
		map[string]verb{"list": listInfrastructure, "set": setInfrastructure, "confirm": confirmInfrastructure})
}

// listedInfrastructure is one line of registrations infrastructure list.
type listedInfrastructure struct {
	From          string   `json:"effectiveDay"`
	Subscriptions []string `json:"subscriptions"`
	Hash          string   `json:"hash"`
	Confirmed     bool     `json:"confirmed"`
	Against       []string `json:"against,omitempty"`
	By            string   `json:"by,omitempty"`
	Reason        string   `json:"reason,omitempty"`
}

func listInfrastructure(ctx context.Context, env environment, args []string) error {
	book, asJSON, err := namedBook(ctx, env, "registrations infrastructure list", "list infrastructure subscriptions by usage day", args)
	if err != nil {
		return err
	}
	enc := json.NewEncoder(env.stdout)
	w := newListing(env, "FROM", "HASH", "CONFIRMED", "SUBSCRIPTIONS", "WHY")
	for _, e := range book.Infrastructure {
		line := listedInfrastructure{e.EffectiveDay, registration.NormalList(e.Subscriptions), registration.ListHash(e.Subscriptions), e.Confirmed, e.Against, e.By, e.Reason}
		if asJSON {
			if err := enc.Encode(line); err != nil {
				return err
			}
			continue
		}
		confirmed := "no"
		if line.Confirmed {
			confirmed = strings.TrimSpace("yes " + strings.Join(line.Against, " "))
		}
		w.row(usage.ShowDay(e.EffectiveDay), line.Hash, confirmed, strings.Join(line.Subscriptions, " "), whyOf(e.Note))
	}
	if asJSON {
		return nil
	}
	return w.flush("no infrastructure subscriptions are recorded")
}

func setInfrastructure(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "registrations infrastructure set", `set a stack's infrastructure subscriptions from a usage day on

The list holds from --from on, until the day of a later entry if there is one.`)
	name := nameFlag(fs)
	var e registration.InfrastructureEntry
	var day usage.Day
	var why ledger.Reasoned
	fs.Func("subscription", "an infrastructure subscription, a `GUID`; repeat the flag for each", func(text string) error {
		e.Subscriptions = append(e.Subscriptions, text)
		return nil
	})
	none := fs.Bool("none", false, "the stack has no infrastructure subscriptions")
	dayVar(fs, &day, "from", "first usage `day` that the list holds for (YYYY-MM-DD, UTC; default: today)")
	confirm := confirmFlag(fs)
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(name.check(), reason()); err != nil {
		return err
	}
	if *none == (len(e.Subscriptions) > 0) {
		return errors.New("--subscription and --none are missing, or both are given: name each subscription, or use --none")
	}
	e.EffectiveDay, e.Note = compactOr(day), noteOf(why)
	app, err := env.app()
	if err != nil {
		return err
	}
	e, err = app.changing(*confirm).SetInfrastructure(ctx, name.text, e)
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "From %s on these subscriptions are infrastructure: %s.\n", usage.ShowDay(e.EffectiveDay), orNone(e.Subscriptions))
	sayRestated(env, *confirm)
	return nil
}

func confirmInfrastructure(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "registrations infrastructure confirm", `confirm the infrastructure subscriptions that hold on a usage day

A finding about a list in the header of an hour names the hash of that list. --against
keeps the registration's list against it, and ends the finding.`)
	name := nameFlag(fs)
	var day usage.Day
	var why ledger.Reasoned
	dayVar(fs, &day, "day", "usage `day` that the list holds for (YYYY-MM-DD, UTC; default: today)")
	against := fs.String("against", "", "`hash` of the list in a header that differs")
	reason := reasonFlags(fs, &why)
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := errors.Join(name.check(), reason()); err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	e, err := app.registrar().ConfirmInfrastructure(ctx, name.text, compactOr(day), *against, noteOf(why))
	if err != nil {
		return err
	}
	fmt.Fprintf(env.stdout, "Confirmed: from %s on these subscriptions are infrastructure: %s.\n", usage.ShowDay(e.EffectiveDay), orNone(e.Subscriptions))
	return nil
}

func orNone(subscriptions []string) string {
	if len(subscriptions) == 0 {
		return "none"
	}
	return strings.Join(subscriptions, ", ")
}
