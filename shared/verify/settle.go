package verify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// settlement is all that decides who pays for a day and what of it is free.
// docs/formats/daily-files.md.
type settlement struct {
	Format        string                   `json:"format"`
	CloudID       string                   `json:"cloudId"`
	UsageDay      string                   `json:"usageDay"`
	Change        int64                    `json:"change"`
	Catalogue     string                   `json:"catalogue"`
	Parts         []part                   `json:"parts"`
	Inputs        []lookedAt               `json:"inputs"`
	Subscriptions map[string]settledTenant `json:"subscriptions"`
	Differs       []differing              `json:"differs"`
	Seen          []seenList               `json:"infrastructureSeen"`
}

type part struct {
	Until          time.Time         `json:"until,omitzero"`
	Registration   string            `json:"registration"`
	Billing        string            `json:"billingSubscriptionId"`
	Model          string            `json:"billingModel"`
	Region         string            `json:"region"`
	Reporting      string            `json:"reporting,omitempty"`
	Infrastructure []string          `json:"infrastructure"`
	Mappings       map[string]string `json:"mappings"`
}

type lookedAt struct {
	Input    string `json:"input"`
	Revision int    `json:"revision"`
}

type settledTenant struct {
	Tenant     string    `json:"tenant,omitempty"`
	ObservedAt time.Time `json:"observedAt,omitzero"`
	Input      string    `json:"input,omitempty"`
	Revision   int       `json:"revision"`
}

type differing struct {
	Subscription string    `json:"subscription"`
	Tenant       string    `json:"tenant"`
	ObservedAt   time.Time `json:"observedAt"`
	Input        string    `json:"input"`
}

type seenList struct {
	Subscriptions []string `json:"subscriptions"`
	Hash          string   `json:"hash"`
	Input         string   `json:"input"`
}

// observation is what a header says of a subscription.
type observation struct {
	Subscription, Tenant, Input string // GUIDs with dashes
	At                          time.Time
	Distance                    string // from the end of the day; what is not dated comes last
}

// compare puts the observation that decides first: the nearest to the end of the
// day, then the earlier one.
func (o observation) compare(p observation) int {
	return cmp.Or(cmp.Compare(o.Subscription, p.Subscription), cmp.Compare(o.Distance, p.Distance), o.At.Compare(p.At), cmp.Compare(o.Input, p.Input), cmp.Compare(o.Tenant, p.Tenant))
}

// observe takes in what the header of an input says of the stack.
func (l *look) observe(input string, h header) {
	in := l.inputs[input]
	if in == nil {
		return
	}
	in.region, in.own = h.Region, []string{}
	for _, id := range h.Providers {
		in.own = append(in.own, dashedGUID(id))
	}
	slices.Sort(in.own)
	in.own = slices.Compact(in.own)
	at := h.TenantsAt
	if at.IsZero() {
		at = h.CollectedAt
	}
	near, far, undated := at.UTC(), endOf(l.day), 0
	if h.TenantsStale && h.TenantsAt.IsZero() {
		undated = 1
	}
	if near.After(far) {
		near, far = far, near
	}
	seconds, nanoseconds := far.Unix()-near.Unix(), far.Nanosecond()-near.Nanosecond()
	if nanoseconds < 0 {
		seconds, nanoseconds = seconds-1, nanoseconds+1e9
	}
	for subscription, tenant := range h.Tenants {
		l.observed.put(observation{dashedGUID(subscription), dashedGUID(tenant), input, at.UTC(), fmt.Sprintf("%d %020d %09d", undated, seconds, nanoseconds)}, 300)
	}
}

// settle is the settlement that a revision must have, but for what the registration
// says: what was settled before stays.
func (l *look) settle(r *revision, before settlement, parts []part) settlement {
	s := settlement{Format: "stackusage-settlement/1", CloudID: l.cloudID, UsageDay: dashedDay(l.day), Parts: parts, Inputs: []lookedAt{},
		Subscriptions: map[string]settledTenant{}, Differs: []differing{}, Seen: []seenList{}}
	maps.Copy(s.Subscriptions, before.Subscriptions)
	first, lists := map[string]int{}, map[string]seenList{}
	for _, i := range before.Inputs {
		first[i.Input] = i.Revision
	}
	in := map[string]int{}
	for _, i := range r.Inputs {
		key := i.key()
		in[key] = cmp.Or(first[key], r.number)
		s.Inputs = append(s.Inputs, lookedAt{key, in[key]})
		own := l.inputs[key].own
		lists[hashOf(own)] = seenList{own, hashOf(own), key}
	}
	used := map[string]bool{}
	for u := range l.usageIn(r) {
		used[dashedGUID(u.Shown[subscriptionID])] = true
	}
	for o := range l.observed.all() {
		settled, is := before.Subscriptions[o.Subscription]
		own := !slices.ContainsFunc(parts, func(p part) bool { return !slices.Contains(p.Infrastructure, o.Subscription) })
		d := differing{o.Subscription, o.Tenant, o.At, o.Input}
		_, named := s.Subscriptions[o.Subscription]
		switch {
		case in[o.Input] == 0:
		case is && in[o.Input] > settled.Revision && o.Tenant != settled.Tenant && !own:
			if again := slices.ContainsFunc(s.Differs, func(e differing) bool { return e.Subscription == d.Subscription && e.Tenant == d.Tenant }); !again {
				s.Differs = append(s.Differs, d)
			}
		case !is && !named && used[o.Subscription]:
			s.Subscriptions[o.Subscription] = settledTenant{o.Tenant, o.At, o.Input, r.number}
		}
	}
	for id := range used {
		if _, named := s.Subscriptions[id]; !named {
			s.Subscriptions[id] = settledTenant{Revision: r.number}
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(lists)) {
		if !slices.ContainsFunc(parts, func(p part) bool { return hashOf(p.Infrastructure) == hash }) {
			s.Seen = append(s.Seen, lists[hash])
		}
	}
	return s
}

// hashOf names a list of subscriptions.
func hashOf(list []string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(list, ","))))[:16]
}

// rulesOf is what a revision was settled by, held against what the headers say and
// what was settled before.
func (l *look) rulesOf(r *revision) rules {
	p, before := r.Props, l.settled
	by := rules{cloudID: l.cloudID, day: l.day, number: r.number, tenants: map[string]string{}, incomplete: text(p, "missingHours") != "", off: text(p, "reporting") == "off"}
	path := text(p, "settlement")
	if path == "" {
		if !by.off {
			damaged(r.where, "settlement is absent")
		}
		by.unsettled, by.parts = true, []part{{Model: text(p, "billingModel"), Billing: text(p, "billingSubscriptionId")}}
		return by
	}
	content := l.readFile(path, text(p, "settlementSha256"))
	var got settlement
	if json.Unmarshal(content, &got) != nil || len(got.Parts) == 0 {
		damaged(path, "it is not the JSON of a settlement")
	}
	l.settled = got
	settle := text(p, "settle")
	if settle == "all" && !by.off {
		before = settlement{}
	}
	parts := got.Parts
	if !by.off && (before.Format == "" || settle != "") { // by the registration as of that change
		parts = l.book.at(got.Change).parts(l.cloudID, l.day)
	}
	want := l.settle(r, before, parts)
	if want.Change, want.Catalogue = got.Change, got.Catalogue; before.Format != "" {
		want.Catalogue = before.Catalogue
		if settle == "" || by.off {
			want.Change, want.Parts = before.Change, before.Parts
		}
	}
	if !by.off { // else it is the one before, and says nothing of later inputs
		l.sameJSON(path, content, append(encode(want), '\n'))
	}
	l.same(r.where, "change", count(p, "change"), got.Change)
	l.same(r.where, "catalogue", text(p, "catalogue"), got.Catalogue)
	l.same(r.where, "findings", count(p, "findings"), len(got.Differs)+len(got.Seen))
	last := got.Parts[len(got.Parts)-1]
	l.same(r.where, "billingModel", text(p, "billingModel"), last.Model)
	l.same(r.where, "billingSubscriptionId", text(p, "billingSubscriptionId"), last.Billing)
	by.parts, by.region = got.Parts, last.Region
	if n := len(r.Inputs); n > 0 {
		by.region = cmp.Or(l.inputs[r.Inputs[n-1].key()].region, by.region)
	}
	for id, s := range want.Subscriptions {
		by.tenants[plainGUID(id)] = s.Tenant
	}
	by.meters = l.catalogue(got.Catalogue)
	return by
}

// catalogue reads the catalogue of meters that a day was settled by, docs/meters.md.
func (l *look) catalogue(sum string) map[string]meter {
	path := "daily/catalogue/" + sum + ".csv"
	rows, err := csv.NewReader(bytes.NewReader(l.readFile(path, sum))).ReadAll()
	if err != nil || len(rows) == 0 {
		damaged(path, "it is not a catalogue of meters")
	}
	meters := map[string]meter{}
	for _, row := range rows[1:] {
		at := func(name string) string { return row[slices.Index(rows[0], name)] }
		meters[plainGUID(at("meter_id"))] = meter{at("name"), at("unit"), at("class"), at("commerce_meter_id"), at("admin_commerce_meter_id"), at("deprecated") == "yes"}
	}
	return meters
}

// checkConfirmed: what the stack said otherwise than the last revision was settled by
// waits for an operator, unless one has confirmed it.
func (l *look) checkConfirmed() {
	if len(l.settled.Differs)+len(l.settled.Seen) == 0 {
		return
	}
	confirmed := map[string]bool{}
	for row := range l.list(table.Decisions, l.cloudID, "confirm_"+l.day) {
		for _, what := range strings.Split(text(row.Props, "what"), ",") {
			confirmed[what] = true
		}
	}
	for row := range l.list(table.Registrations, l.cloudID, "infrastructure") {
		for _, hash := range strings.Split(text(row.Props, "against"), ",") {
			confirmed[hash] = true
		}
		confirmed[hashOf(strings.Split(text(row.Props, "subscriptions"), ","))] = true
	}
	where := l.revisions[len(l.revisions)-1].where
	for _, d := range l.settled.Differs {
		if !confirmed[d.Subscription+"="+d.Tenant] {
			l.waits(where, "subscription %s is charged as of tenant %q; the stack said %s at %s", d.Subscription, l.settled.Subscriptions[d.Subscription].Tenant, d.Tenant, show(d.ObservedAt))
		}
	}
	for _, s := range l.settled.Seen {
		if !confirmed[s.Hash] {
			l.waits(where, "the stack named other infrastructure subscriptions than the registration: %s (hash %s)", strings.Join(s.Subscriptions, ", "), s.Hash)
		}
	}
}

// unconfirmed: a list of infrastructure subscriptions that was recorded when a day was
// closed asks to be confirmed.
func (a *auditor) unconfirmed(cloudID string) (open []Finding) {
	last, book := map[string]table.Row{}, a.book(cloudID)
	for row := range a.list(table.Registrations, cloudID, "infrastructure") {
		last[row.Key[:min(len(row.Key), len("infrastructure_20191210"))]] = row // the last one of its day holds
	}
	for _, key := range slices.Sorted(maps.Keys(last)) {
		day, _, _ := strings.Cut(strings.TrimPrefix(key, "infrastructure_"), "_")
		if row := last[key]; row.Props["confirmed"] == false && book.on(day).Props["expectsHours"] != false { // the canary's decides nothing
			open = append(open, Finding{place(table.Registrations, row), "nobody has confirmed these infrastructure subscriptions, whose usage is free: " + text(row.Props, "subscriptions")})
		}
	}
	return open
}
