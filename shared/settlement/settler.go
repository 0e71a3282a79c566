package settlement

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/daily"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Settler settles the tenants of a day's subscriptions by what the headers of
// its counted inputs say. What was settled before stays. It holds what it needs
// of each subscription, not the headers.
type Settler struct {
	settled  Settlement
	revision int
	end      time.Time
	looked   map[string]int                 // input -> the revision that looked at it first, as settled before
	nearest  map[string]observed            // by subscription in normal form, of those not settled before
	differ   map[string]map[string]observed // by subscription that was settled before, and tenant
	seen     map[string]SeenInfrastructure  // by hash
	list     observedList                   // the list of the header nearest to the day's end
	now      map[string]SettledSubscription // settled by this revision, by subscription in normal form
}

// observed is what one header says of one subscription.
type observed struct {
	undated bool // a stale map that does not say when it was read
	at      time.Time
	input   string
	tenant  string
}

type observedList struct {
	observed
	subscriptions []string
	known         bool
}

// NewSettler begins with what is settled; where nothing is, By says the rest.
func NewSettler(settled Settlement, revision int) *Settler {
	s := &Settler{
		settled: settled, revision: revision, end: settled.UsageDay.End(), looked: map[string]int{},
		nearest: map[string]observed{}, differ: map[string]map[string]observed{}, seen: map[string]SeenInfrastructure{},
		now: map[string]SettledSubscription{},
	}
	for _, in := range settled.Inputs {
		s.looked[in.Input] = in.Revision
	}
	for id, sub := range settled.Subscriptions {
		s.now[usage.NormalGUID(id)] = sub
	}
	s.settled.Inputs = []SettledInput{}
	return s
}

// Observe reads the header of a counted input. Inputs come in order.
func (s *Settler) Observe(input string, h daily.PartialHeader) {
	first, before := s.looked[input]
	if !before {
		first = s.revision
	}
	s.settled.Inputs = append(s.settled.Inputs, SettledInput{Input: input, Revision: first})
	o := observed{undated: h.TenantsStale && h.TenantsAt.IsZero(), at: h.TenantsAt, input: input}
	if o.at.IsZero() {
		o.at = h.CollectedAt
	}
	o.at = o.at.UTC()
	for id, tenant := range h.Tenants {
		if usage.CheckGUID(tenant) != nil {
			continue
		}
		o.tenant = usage.DashedGUID(tenant)
		s.tenant(usage.NormalGUID(id), o, first)
	}
	list := registration.NormalList(h.ProviderSubscriptions)
	hash := registration.ListHash(list)
	s.seen[hash] = SeenInfrastructure{Subscriptions: list, Hash: hash, Input: input} // the latest input stays
	if o.tenant = ""; registration.KeepsList(list) && (!s.list.known || s.compare(o, s.list.observed) < 0) {
		s.list = observedList{observed: o, subscriptions: list, known: true}
	}
}

func (s *Settler) tenant(subscription string, o observed, first int) {
	settled, before := s.now[subscription]
	if !before {
		if have, named := s.nearest[subscription]; !named || s.compare(o, have) < 0 {
			s.nearest[subscription] = o
		}
		return
	}
	if first <= settled.Revision || o.tenant == settled.Tenant {
		return
	}
	if s.differ[subscription] == nil {
		s.differ[subscription] = map[string]observed{}
	}
	if have, named := s.differ[subscription][o.tenant]; !named || s.compare(o, have) < 0 {
		s.differ[subscription][o.tenant] = o
	}
}

// compare is the rule: dated before undated, then the nearest to the end of the
// usage day, then the earlier one. What is left decides between observations of
// the same moment, so that the order of reading never does.
func (s *Settler) compare(a, b observed) int {
	if a.undated != b.undated {
		if b.undated {
			return -1
		}
		return 1
	}
	return cmp.Or(distance(a.at, s.end).compare(distance(b.at, s.end)), a.at.Compare(b.at), strings.Compare(a.input, b.input), strings.Compare(a.tenant, b.tenant))
}

// apart is how far two moments are from each other. A time.Duration ends at 292
// years, and a stack's clock may be anywhere.
type apart struct {
	seconds     int64
	nanoseconds int
}

func distance(a, b time.Time) apart {
	if a.After(b) {
		a, b = b, a
	}
	d := apart{b.Unix() - a.Unix(), b.Nanosecond() - a.Nanosecond()}
	if d.nanoseconds < 0 {
		d.seconds, d.nanoseconds = d.seconds-1, d.nanoseconds+int(time.Second)
	}
	return d
}

func (d apart) compare(e apart) int {
	return cmp.Or(cmp.Compare(d.seconds, e.seconds), cmp.Compare(d.nanoseconds, e.nanoseconds))
}

// By settles what the registration says as of one of its changes, and the
// catalogue of meters by its hash.
func (s *Settler) By(change int, catalogue string, parts []SettledPart) {
	s.settled.Change, s.settled.Catalogue, s.settled.Parts = change, catalogue, parts
}

// Infrastructure is the list of the header nearest to the end of the day, by the
// rule of tenants, of those that a registration can hold; empty if there is none.
func (s *Settler) Infrastructure() []string { return s.list.subscriptions }

// Tenant settles a subscription with usage on the day, unless it is, and returns
// its tenant; empty if none is known. Both are in normal form.
func (s *Settler) Tenant(subscription string) string {
	settled, before := s.now[subscription]
	if !before {
		settled.Revision = s.revision
		if o, named := s.nearest[subscription]; named {
			settled.Tenant, settled.ObservedAt, settled.Input = o.tenant, o.at, o.input
		}
		s.now[subscription] = settled
	}
	return usage.NormalGUID(settled.Tenant)
}

// Settle is the settlement after all usage of the day was asked for.
func (s *Settler) Settle() Settlement {
	out := s.settled
	out.Subscriptions = make(map[string]SettledSubscription, len(s.now))
	for id, sub := range s.now {
		out.Subscriptions[usage.DashedGUID(id)] = sub
	}
	out.Differs = []Observation{}
	for _, id := range slices.Sorted(maps.Keys(s.differ)) {
		if s.infrastructure(id) {
			continue
		}
		byTenant := slices.SortedFunc(maps.Values(s.differ[id]), s.compare)
		for _, o := range byTenant {
			out.Differs = append(out.Differs, Observation{Subscription: usage.DashedGUID(id), Tenant: o.tenant, ObservedAt: o.at, Input: o.input})
		}
	}
	out.Seen = []SeenInfrastructure{}
	for _, hash := range slices.Sorted(maps.Keys(s.seen)) {
		if !slices.ContainsFunc(out.Parts, func(p SettledPart) bool { return registration.ListHash(p.Infrastructure) == hash }) {
			out.Seen = append(out.Seen, s.seen[hash])
		}
	}
	return out
}

// infrastructure reports whether a subscription is the stack's own all day: then
// it is of no tenant, whatever a header says.
func (s *Settler) infrastructure(subscription string) bool {
	id := usage.DashedGUID(subscription)
	return !slices.ContainsFunc(s.settled.Parts, func(p SettledPart) bool { return !slices.Contains(p.Infrastructure, id) })
}
