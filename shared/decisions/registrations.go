package decisions

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"stackusage/shared/reasoned"
	"stackusage/shared/registration"
	"stackusage/shared/registry"
	"stackusage/shared/usage"
)

// registrations reads the changes of registrations.
func (r *run) registrations() error {
	entries := registry.Registry{Tables: r.tables}
	var histories []registration.History
	var err error
	if r.q.CloudID == "" {
		histories, err = entries.Histories(r.ctx)
	} else {
		var one registration.History
		one, err = entries.History(r.ctx, r.q.CloudID)
		histories = []registration.History{one}
	}
	if err != nil {
		return err
	}
	providers, err := entries.Providers(r.ctx, r.q.CloudID)
	if err != nil {
		return err
	}
	for _, p := range providers {
		r.changed(p.CloudID, p.Note, RegistrationIssueKey, "names provider subscription "+p.Subscription)
	}
	for _, h := range histories {
		r.changes(h)
	}
	return nil
}

func (r *run) changed(cloudID string, n registration.Note, kind Kind, detail string) {
	d := Decision{Decision: reasoned.Decision{By: n.By, Reason: n.Reason, At: n.At}, Kind: kind, CloudID: cloudID, Detail: detail}
	if !byApp(d.Decision) {
		r.add(d)
	}
}

// changes lists the changes of one history. An entry that was put by hand is a change of
// its own.
func (r *run) changes(h registration.History) {
	last := 0 // number of the change that was listed last
	byChange := slices.SortedStableFunc(slices.Values(h.Registrations), func(a, b registration.Registration) int { return cmp.Compare(a.Change, b.Change) })
	for i, e := range byChange {
		if e.Change > 0 && e.Change == last {
			continue // what the same change makes of later days
		}
		last = e.Change
		before := h.At(e.Change - 1)
		if e.Change == 0 {
			before = registration.History{CloudID: h.CloudID, Registrations: byChange[:i]}
		}
		kind, detail := difference(before, e)
		r.changed(h.CloudID, e.Note, kind, detail)
	}
	for _, m := range h.Tenants {
		if m.SubscriptionID == "" {
			r.changed(h.CloudID, m.Note, TenantUnmap, fmt.Sprintf("%s from %s", m.TenantID, usage.ShowDay(m.EffectiveDay)))
		} else {
			r.changed(h.CloudID, m.Note, TenantMap, fmt.Sprintf("%s to %s from %s", m.TenantID, m.SubscriptionID, usage.ShowDay(m.EffectiveDay)))
		}
	}
	for _, e := range h.Infrastructure {
		if !e.Confirmed {
			continue // CloseDay recorded it
		}
		from := "from " + usage.ShowDay(e.EffectiveDay)
		held, known := h.At(e.Change - 1).InfrastructureOn(e.EffectiveDay)
		if e.Change > 0 && known && slices.Equal(held.Subscriptions, e.Subscriptions) {
			if n := len(e.Against); n > len(held.Against) {
				from += " against " + e.Against[n-1]
			}
			r.changed(h.CloudID, e.Note, InfrastructureConfirm, from)
			continue
		}
		r.changed(h.CloudID, e.Note, InfrastructureSet, from+": "+cmp.Or(strings.Join(e.Subscriptions, ", "), "none"))
	}
}

// difference says what an entry changes of the history before it.
func difference(before registration.History, e registration.Registration) (Kind, string) {
	from := "from " + usage.ShowDay(e.EffectiveDay)
	held, err := registration.On(before.Registrations, e.EffectiveDay)
	if err != nil {
		return RegistrationCreate, fmt.Sprintf("%s: %s, billed to %s", from, e.BillingModel, e.SubscriptionID)
	}
	held, e = held.Filled(), e.Filled()
	if end := before.End(e.EffectiveDay); held.End.IsZero() {
		held.End = end
	}
	kind := RegistrationUpdate
	if ended := held; !e.End.IsZero() {
		ended.End = e.End
		if ended.SaysSame(e) && !held.SaysSame(e) {
			kind = RegistrationEnd
		}
	}
	var changes []string
	for _, c := range []struct{ name, was, is string }{
		{"name", held.Name, e.Name}, {"billed to", held.SubscriptionID, e.SubscriptionID}, {"kind", string(held.SubscriptionKind), string(e.SubscriptionKind)},
		{"cloud", held.Cloud, e.Cloud}, {"stack", string(held.StackKind), string(e.StackKind)}, {"model", string(held.BillingModel), string(e.BillingModel)},
		{"reporting", onOff(!held.ReportingOff), onOff(!e.ReportingOff)}, {"region", held.Region, e.Region}, {"start", point(held.Start), point(e.Start)},
		{"end", point(held.End), point(e.End)}, {"hours expected", onOff(!held.NoHoursExpected), onOff(!e.NoHoursExpected)},
		{"days between deliveries", fmt.Sprint(held.DeliveredEvery), fmt.Sprint(e.DeliveredEvery)}, {"watched", onOff(!held.Unwatched), onOff(!e.Unwatched)},
	} {
		if c.was != c.is {
			changes = append(changes, fmt.Sprintf("%s %s in place of %s", c.name, cmp.Or(c.is, "none"), cmp.Or(c.was, "none")))
		}
	}
	if len(changes) == 0 {
		changes = []string{"no value changes"}
	}
	return kind, from + ": " + strings.Join(changes, ", ")
}

func onOff(is bool) string {
	if is {
		return "on"
	}
	return "off"
}

func point(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return usage.Point(t)
}
