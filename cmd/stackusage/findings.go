package main

import (
	"context"
	"fmt"
	"slices"

	"stackusage/shared/registration"
)

const aboutFindings = `list observations that differ from what is settled

A usage day is charged by what was settled when it was first closed. What the
stack reports differently later changes nothing until you decide.

KIND says what to do:
  tenant          a later header names another tenant for a subscription.
                  stackusage days confirm keeps what is settled,
                  stackusage days restate settles the day anew
  infrastructure  headers have another list of infrastructure subscriptions than
                  the registration: stackusage registrations infrastructure set
                  changes its list, confirm --against HASH keeps it
  unconfirmed     CloseDay recorded the registration's list, since it had none:
                  stackusage registrations infrastructure confirm, or set

Exit code: 0 there is none, 2 there are some, 1 anything else.`

// listedFinding is one line of days findings.
type listedFinding struct {
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

func listFindings(ctx context.Context, env environment, args []string) error {
	fs := newFlags(env, "days findings", aboutFindings)
	cloudID := fs.String("cloud-id", "", "only the registration with this `GUID`")
	asJSON := fs.Bool("json", false, "print one JSON object a line")
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if *cloudID != "" {
		if err := checkCloudID(*cloudID); err != nil {
			return err
		}
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	books, err := app.registry().Books(ctx)
	if err != nil {
		return err
	}
	if *cloudID != "" {
		books = slices.DeleteFunc(books, func(b registration.Book) bool { return b.CloudID != *cloudID })
	}
	if *cloudID != "" && len(books) == 0 {
		if err := checkStored(ctx, app, *cloudID); err != nil {
			return err
		}
	}
	found, err := app.ledger.Findings(ctx, app.usage.Blobs, books, 0)
	if err != nil {
		return err
	}
	lines := make([]listedFinding, len(found))
	for i, f := range found {
		lines[i] = listedFinding{CloudID: f.CloudID, Day: f.Day.String(), Kind: f.Kind, Text: f.String(),
			Subscription: f.Observed.Subscription, Settled: f.Settled, Seen: f.Observed.Tenant, List: f.List, Hash: f.Hash}
	}
	if *asJSON {
		err = jsonLines(env.stdout, lines)
	} else {
		w := newListing(env, "CLOUD ID", "USAGE DAY", "KIND", "FINDING")
		for _, l := range lines {
			w.row(l.CloudID, l.Day, l.Kind, l.Text)
		}
		err = w.flush("there are no findings")
	}
	if err == nil && len(found) > 0 {
		err = errDifferences
	}
	return err
}

const aboutConfirm = `confirm what a usage day is charged by

Ends the findings of kind tenant that the day has now, and changes no bill. A later
header that names another tenant, or the same one at a moment nearer to the end of the
day, is a finding again. stackusage days findings lists what there is to confirm.`

func confirmDay(ctx context.Context, env environment, args []string) error {
	cloudID, day, why, err := decideDay(newFlags(env, "days confirm", aboutConfirm), args, "stackusage days findings shows which days there is something to confirm of")
	if err != nil {
		return err
	}
	app, err := env.app()
	if err != nil {
		return err
	}
	confirmed, err := app.ledger.ConfirmDay(ctx, app.usage.Blobs, cloudID, day, why)
	if err != nil {
		return orClosed(err)
	}
	if len(confirmed) == 0 {
		fmt.Fprintf(env.stdout, "Usage day %s has no finding of kind tenant to confirm.\n", day)
		return nil
	}
	fmt.Fprintf(env.stdout, "Usage day %s stays as it is settled (%s: %s). These are no findings any more:\n", day, why.By, why.Reason)
	for _, o := range confirmed {
		fmt.Fprintf(env.stdout, "  subscription %s of tenant %s, observed %s\n", o.Subscription, o.Tenant, stamp(o.ObservedAt))
	}
	return nil
}
