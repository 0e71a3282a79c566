package review

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"stackusage/shared/content"
	"stackusage/shared/daybook"
	"stackusage/shared/registration"
	"stackusage/shared/settlement"
	"stackusage/shared/table"
	"stackusage/shared/usage"
)

// Kinds of findings.
const (
	Tenant         = "tenant"         // a later header names another tenant than the settled one
	Infrastructure = "infrastructure" // headers have another list of infrastructure subscriptions than the registration
	Unconfirmed    = "unconfirmed"    // the registration's list was recorded by CloseDay, and nobody has confirmed it
)

// Finding is something about who pays or what is free that an operator has to
// decide. Nothing is billed otherwise until he does.
type Finding struct {
	Kind     string
	CloudID  string
	Day      usage.Day // the usage day; of a list the first one that it is about
	Days     int       // how many closed days have the list; 0 if it is not about closed days
	Observed settlement.Observation
	Settled  string   // the tenant that is settled; empty: none was known
	List     []string // the headers' list, or the one to be confirmed
	Hash     string   // of the list
}

// String says what was found.
func (f Finding) String() string {
	switch f.Kind {
	case Tenant:
		settled := f.Settled
		if settled == "" {
			settled = "no tenant"
		}
		return fmt.Sprintf("subscription %s is settled as of %s, and was of %s at %s (input %s)", f.Observed.Subscription, settled,
			f.Observed.Tenant, usage.Point(f.Observed.ObservedAt), f.Observed.Input)
	case Infrastructure:
		return fmt.Sprintf("headers of %s have another list of infrastructure subscriptions than the registration: %s (hash %s, last in input %s)",
			usage.Count(f.Days, "day"), listText(f.List), f.Hash, f.Observed.Input)
	}
	return "the list of infrastructure subscriptions is not confirmed: " + listText(f.List)
}

func listText(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// Findings lists, registration by registration, what no operator has decided yet.
// It stops after limit; 0 is none.
func Findings(ctx context.Context, store table.Store, blobs content.Opener, histories []registration.History, limit int) ([]Finding, error) {
	var found []Finding
	for _, b := range histories {
		list, err := findingsOf(ctx, store, blobs, b, limit)
		if err != nil {
			return nil, fmt.Errorf("look for findings of %s: %w", b.CloudID, err)
		}
		if found = append(found, list...); limit > 0 && len(found) >= limit {
			return found[:limit], nil
		}
	}
	return found, nil
}

func findingsOf(ctx context.Context, store table.Store, blobs content.Opener, history registration.History, limit int) ([]Finding, error) {
	found := unconfirmed(history)
	confirmed, err := confirmedOf(ctx, store, history.CloudID)
	if err != nil {
		return nil, err
	}
	lists := map[string]*Finding{}
	var order []*Finding
	look := func(s *daybook.Entry) error {
		if s == nil || s.Findings == 0 {
			return nil
		}
		settled, err := daybook.ReadSettlement(ctx, blobs, s.Revision)
		if err != nil || settled == nil {
			return err
		}
		for _, o := range settled.Differs {
			if !confirmed[confirmedKey(s.Day, o)] {
				tenant := settled.Subscriptions[o.Subscription].Tenant
				found = append(found, Finding{Kind: Tenant, CloudID: history.CloudID, Day: s.Day, Observed: o, Settled: tenant})
			}
		}
		for _, seen := range settled.Seen {
			if infrastructureDecided(history, s.Day, seen.Hash) {
				continue
			}
			f, before := lists[seen.Hash]
			if !before {
				f = &Finding{Kind: Infrastructure, CloudID: history.CloudID, Day: s.Day, List: seen.Subscriptions, Hash: seen.Hash}
				lists[seen.Hash], order = f, append(order, f)
			}
			f.Days++
			f.Observed.Input = max(f.Observed.Input, seen.Input)
		}
		return nil
	}
	var last *daybook.Entry
	for s, err := range daybook.Entries(ctx, store, history.CloudID, 0, 0) {
		if err == nil && last != nil && last.Day != s.Day {
			err = look(last)
		}
		if err != nil {
			return nil, err
		}
		if limit > 0 && len(found) >= limit {
			return found, nil
		}
		last = &s
	}
	err = look(last)
	for _, f := range order {
		found = append(found, *f)
	}
	return found, err
}

// unconfirmed are the lists that hold from some day on and were recorded by
// CloseDay. That of a registration of which no hours are expected decides nothing
// that anybody pays for.
func unconfirmed(history registration.History) (found []Finding) {
	for i, e := range history.Infrastructure {
		last := i+1 == len(history.Infrastructure) || history.Infrastructure[i+1].EffectiveDay != e.EffectiveDay
		if held, err := history.On(e.EffectiveDay); err == nil && last && !e.Confirmed && !held.NoHoursExpected {
			day, _ := usage.ParseDay(e.EffectiveDay) // the history's own check
			found = append(found, Finding{Kind: Unconfirmed, CloudID: history.CloudID, Day: day, List: e.Subscriptions, Hash: registration.ListHash(e.Subscriptions)})
		}
	}
	return found
}

// infrastructureDecided reports whether an operator has confirmed the
// registration's list of a day against another one, or has made it that one.
func infrastructureDecided(history registration.History, day usage.Day, hash string) bool {
	parts, err := history.Parts(day.Compact())
	return err == nil && slices.ContainsFunc(parts, func(p registration.Part) bool {
		return slices.Contains(p.InfrastructureAgainst, hash) || p.InfrastructureKnown && registration.ListHash(p.Infrastructure) == hash
	})
}
