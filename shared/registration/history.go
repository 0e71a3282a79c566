package registration

import (
	"cmp"
	"slices"
	"time"
)

// Mapping is one entry of the history of a directory tenant: from its effective
// day on, the tenant's usage is charged to an Azure subscription of its own.
type Mapping struct {
	CloudID      string
	TenantID     string // directory tenant, lower case with dashes
	EffectiveDay string // 20191210: the first usage day this entry holds for
	Note
	SubscriptionID string // lower case with dashes; empty: the registration's again
}

func (m Mapping) compare(n Mapping) int {
	return cmp.Or(cmp.Compare(m.EffectiveDay, n.EffectiveDay), cmp.Compare(m.Number, n.Number))
}

// History is everything that was ever said of one cloudId.
type History struct {
	CloudID        string
	Registrations  []Registration        // by effective day and number
	Tenants        []Mapping             // by tenant, effective day and number
	Infrastructure []InfrastructureEntry // by effective day and number
	Providers      []string              // provider subscriptions of activation keys, lower case with dashes, ascending
	Version        int                   // changes so far; those of rows that were put by hand are not counted
}

// At is the history as it was after its first n changes. What was put by hand is of
// every version; provider subscriptions have none.
func (b History) At(n int) History {
	at := History{CloudID: b.CloudID, Providers: b.Providers, Version: min(n, b.Version)}
	at.Registrations = keep(b.Registrations, func(r Registration) bool { return r.Change <= n })
	at.Tenants = keep(b.Tenants, func(m Mapping) bool { return m.Change <= n })
	at.Infrastructure = keep(b.Infrastructure, func(e InfrastructureEntry) bool { return e.Change <= n })
	return at
}

func keep[E any](all []E, wanted func(E) bool) (kept []E) {
	for _, e := range all {
		if wanted(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

// With is the history with what a change adds to it.
func (b History) With(added Added) History {
	b.Registrations = slices.Concat(b.Registrations, added.Registrations)
	b.Tenants = slices.Concat(b.Tenants, added.Tenants)
	b.Infrastructure = slices.Concat(b.Infrastructure, added.Infrastructure)
	b.Providers = slices.Clone(b.Providers)
	for _, p := range added.Providers {
		b.Providers = append(b.Providers, p.Subscription)
	}
	b.Version++
	b.Sort()
	return b
}

// Effective is what holds on a usage day.
type Effective struct {
	Registration
	Tenants                 map[string]string // directory tenant -> the Azure subscription it is mapped to, both lower case with dashes
	Infrastructure          []string          // the stack's own subscriptions, lower case with dashes, ascending
	InfrastructureKnown     bool              // false: nobody has said so, and no day was closed that needed it
	InfrastructureConfirmed bool              // by an operator
	InfrastructureAgainst   []string          // ListHash of each list of a header that an operator confirmed it against
	FirstDay                string            // 20191210: the first usage day of the registration, by its name
}

// On is what holds on a usage day. Where a registration ends on the day and
// another one begins, it is what holds at the end of the day: Parts has both.
// Tenants are mapped only under CSP and pay-as-you-use: under anything else the
// mappings rest.
func (b History) On(usageDay string) (Effective, error) {
	r, err := On(b.Registrations, usageDay)
	if err != nil {
		return Effective{Registration: r}, err
	}
	return b.holding(r, usageDay), nil
}

// Mapped is the subscription of each tenant that has one on a usage day. Mappings
// belong to a registration: one by another name makes its own.
func (b History) Mapped(usageDay string) map[string]string {
	return b.mapped(usageDay, b.tenure(b.heldOn(usageDay)))
}

func (b History) mapped(usageDay string, of tenure) map[string]string {
	latest := map[string]Mapping{}
	for _, m := range b.Tenants {
		have, seen := latest[m.TenantID]
		if m.EffectiveDay <= usageDay && of.has(m.EffectiveDay, m.Note) && (!seen || have.compare(m) < 0) {
			latest[m.TenantID] = m
		}
	}
	mapped := map[string]string{}
	for tenant, m := range latest {
		if m.SubscriptionID != "" {
			mapped[tenant] = m.SubscriptionID
		}
	}
	return mapped
}

// Until is the first usage day after an entry's own on which its tenant is charged
// to another subscription; empty if there is none so far.
func (b History) Until(m Mapping) string {
	var days []string
	for _, have := range b.Tenants {
		if have.TenantID == m.TenantID {
			days = append(days, have.EffectiveDay)
		}
	}
	for _, r := range b.Registrations {
		days = append(days, r.EffectiveDay)
	}
	slices.Sort(days)
	for _, day := range days {
		if day > m.EffectiveDay && b.Mapped(day)[m.TenantID] != m.SubscriptionID {
			return day
		}
	}
	return ""
}

// Endings are the entries that end each mapping to a subscription that holds on a
// usage day, or begins after it.
func (b History) Endings(subscription, usageDay string, why Note) (ends []Mapping) {
	end := func(tenant, day string) {
		ends = append(ends, Mapping{CloudID: b.CloudID, TenantID: tenant, EffectiveDay: day, Note: why})
	}
	for tenant, mapped := range b.Mapped(usageDay) {
		if mapped == subscription {
			end(tenant, usageDay)
		}
	}
	for i, m := range b.Tenants {
		last := i+1 == len(b.Tenants) || b.Tenants[i+1].TenantID != m.TenantID || b.Tenants[i+1].EffectiveDay != m.EffectiveDay
		if last && m.EffectiveDay > usageDay && m.SubscriptionID == subscription && b.tenure(b.heldOn(m.EffectiveDay)).has(m.EffectiveDay, m.Note) {
			end(m.TenantID, m.EffectiveDay)
		}
	}
	return ends
}

// clash finds another tenant that is mapped to the subscription of a mapping on a
// day for which that one is to hold; empty if there is none.
func (b History) clash(m Mapping) (tenant, day string) {
	next := "99999999" // the day from which the tenant has another mapping
	days := []string{m.EffectiveDay}
	for _, have := range b.Tenants {
		if have.EffectiveDay <= m.EffectiveDay {
			continue
		}
		if days = append(days, have.EffectiveDay); have.TenantID == m.TenantID {
			next = min(next, have.EffectiveDay)
		}
	}
	slices.Sort(days)
	for _, day := range days {
		for tenant, subscription := range b.Mapped(day) {
			if day < next && subscription == m.SubscriptionID && tenant != m.TenantID {
				return tenant, day
			}
		}
	}
	return "", ""
}

// Current is the last entry in the history: what was said of the latest day.
func (b History) Current() (Registration, error) { return On(b.Registrations, "99991231") }

// Name is the name that the registration has now; empty if there is none.
func (b History) Name() string {
	r, err := b.Current()
	if err != nil {
		return ""
	}
	return r.Name
}

// over reports whether the registration had an end that a usage day is past.
func (b History) over(usageDay string) bool {
	r, err := b.Current()
	return err == nil && !r.End.IsZero() && usageDay >= DayOf(r.End)
}

// Later lists the days after a usage day for which the registration says
// something, in order.
func (b History) Later(usageDay string) (days []string) {
	for _, r := range b.Registrations {
		if r.EffectiveDay > usageDay && !slices.Contains(days, r.EffectiveDay) {
			days = append(days, r.EffectiveDay)
		}
	}
	slices.Sort(days)
	return days
}

// Next is the number of the next entry for a day.
func (b History) Next(day string) (number int) {
	for _, have := range b.Registrations {
		if have.EffectiveDay == day {
			number = max(number, have.Number+1)
		}
	}
	return number
}

// ends reports whether an entry says no more than that the registration is over.
func (r Registration) ends() bool { return !r.End.IsZero() && DayOf(r.End) <= r.EffectiveDay }

// End is the first hour that is not expected any more, as it is known on a usage
// day: also where the entry that says so begins later. Zero: none.
func (b History) End(usageDay string) time.Time {
	held, err := On(b.Registrations, usageDay)
	if err != nil || !held.End.IsZero() {
		return held.End
	}
	for _, day := range b.Later(usageDay) {
		if r, _ := On(b.Registrations, day); r.ends() {
			return r.End
		}
	}
	return time.Time{}
}

// Revised are the entries of later days as they have to be once r holds from its
// day on. An entry that says no more than that the registration ends, or goes on,
// follows r; a change that was to come stands, and ends when r does.
func (b History) Revised(r Registration) (entries []Registration) {
	all := append(slices.Clone(b.Registrations), r)
	for _, day := range b.Later(r.EffectiveDay) {
		before := DayOf(DayTime(day).AddDate(0, 0, -1))
		was, _ := On(b.Registrations, day) // there is a history
		followed, _ := On(b.Registrations, before)
		said := was
		follows := day > b.Registrations[0].EffectiveDay && was.until(time.Time{}).SaysSame(followed.until(time.Time{}))
		if follows {
			said, _ = On(all, before)
		} else if !was.ends() {
			continue
		}
		said.Name, said.EffectiveDay, said.Note, said.End = r.Name, day, r.Note, r.End
		if !said.SaysSame(was) {
			said.Number = b.Next(day)
			entries = append(entries, said)
			all = append(all, said)
		}
	}
	return entries
}

// until is r with another end.
func (r Registration) until(end time.Time) Registration {
	r.End = end
	return r
}

// Sort puts a history's entries into their order.
func (b History) Sort() {
	slices.SortFunc(b.Registrations, func(a, c Registration) int { return a.compare(c) })
	slices.SortFunc(b.Tenants, func(a, c Mapping) int { return cmp.Or(cmp.Compare(a.TenantID, c.TenantID), a.compare(c)) })
	slices.SortFunc(b.Infrastructure, func(a, c InfrastructureEntry) int { return a.compare(c) })
	slices.Sort(b.Providers)
}
