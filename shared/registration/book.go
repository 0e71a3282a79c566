package registration

import (
	"cmp"
	"slices"
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

// Book is everything that was ever said of one cloudId.
type Book struct {
	CloudID       string
	Registrations []Registration // by effective day and number
	Tenants       []Mapping      // by tenant, effective day and number
	Version       int            // changes so far; those of rows that were put by hand are not counted
}

// Holding is what holds on a usage day.
type Holding struct {
	Registration
	Tenants map[string]string // directory tenant -> the Azure subscription it is mapped to, both lower case with dashes
}

// On is what holds on a usage day. Tenants are mapped only under CSP and
// pay-as-you-use: under anything else the mappings rest.
func (b Book) On(usageDay string) (Holding, error) {
	r, err := On(b.Registrations, usageDay)
	h := Holding{Registration: r}
	if err == nil && mappable(r) {
		h.Tenants = b.Mapped(usageDay)
	}
	return h, err
}

func mappable(r Registration) bool {
	return r.SubscriptionKind == CSP && r.BillingModel == PayAsYouUse
}

// Mapped is the subscription of each tenant that has one on a usage day.
func (b Book) Mapped(usageDay string) map[string]string {
	latest := map[string]Mapping{}
	for _, m := range b.Tenants {
		have, seen := latest[m.TenantID]
		if m.EffectiveDay <= usageDay && (!seen || have.compare(m) < 0) {
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

// Current is the last entry in the history: what was said of the latest day.
func (b Book) Current() (Registration, error) { return On(b.Registrations, "99991231") }

// Name is the name that the registration has now; empty if there is none.
func (b Book) Name() string {
	r, err := b.Current()
	if err != nil {
		return ""
	}
	return r.Name
}

// over reports whether the registration had an end that a usage day is past.
func (b Book) over(usageDay string) bool {
	r, err := b.Current()
	return err == nil && !r.End.IsZero() && usageDay >= dayOf(r.End)
}

// later lists the days after a usage day for which the registration says
// something, in order.
func (b Book) later(usageDay string) (days []string) {
	for _, r := range b.Registrations {
		if r.EffectiveDay > usageDay && !slices.Contains(days, r.EffectiveDay) {
			days = append(days, r.EffectiveDay)
		}
	}
	slices.Sort(days)
	return days
}

// Sort puts a book's entries into their order.
func (b Book) Sort() {
	slices.SortFunc(b.Registrations, func(a, c Registration) int { return a.compare(c) })
	slices.SortFunc(b.Tenants, func(a, c Mapping) int { return cmp.Or(cmp.Compare(a.TenantID, c.TenantID), a.compare(c)) })
}
