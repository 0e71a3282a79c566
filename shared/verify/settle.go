package verify

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// settlement is all that decides who pays for a day and what of it is free.
// docs/formats/daily-files.md.
type settlement struct {
	Format        string          `json:"format"`
	CloudID       string          `json:"cloudId"`
	UsageDay      string          `json:"usageDay"`
	Change        int64           `json:"change"`
	Catalogue     string          `json:"catalogue"`
	Parts         []part          `json:"parts"`
	Inputs        []said          `json:"inputs"`
	Subscriptions map[string]said `json:"subscriptions"`
	Differs       []said          `json:"differs"`
	Seen          []seenList      `json:"infrastructureSeen"`
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

// said is what a header says of a subscription, and the revision that looked at it
// first or settled it; GUIDs with dashes.
type said struct {
	Subscription string    `json:"subscription,omitempty"`
	Tenant       string    `json:"tenant,omitempty"`
	ObservedAt   time.Time `json:"observedAt,omitzero"`
	Input        string    `json:"input,omitempty"`
	Revision     int       `json:"revision,omitempty"`
}

func (s said) add(said) said { return s }

type seenList struct {
	Subscriptions []string `json:"subscriptions"`
	Hash          string   `json:"hash"`
	Input         string   `json:"input"`
}

// hashOf names a list of subscriptions.
func hashOf(list []string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(list, ","))))[:16]
}

// listOf is a list of subscriptions in its one form.
func listOf(ids []string) []string {
	list := []string{}
	for _, id := range ids {
		list = append(list, dashedGUID(id))
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// observe takes in what the header of an input says of the stack. That decides first
// which is nearest to the end of the day, then the earlier one; what is not dated
// comes last.
func (l *look) observe(in *input, h header) {
	at := h.TenantsAt
	if at.IsZero() {
		at = h.CollectedAt
	}
	at = at.UTC()
	near, far, undated := at, endOf(l.day), h.TenantsStale && h.TenantsAt.IsZero()
	if near.After(far) {
		near, far = far, near
	}
	nanoseconds := new(big.Int).Mul(big.NewInt(far.Unix()-near.Unix()), big.NewInt(1e9)) // a time.Duration ends at 292 years
	nanoseconds.Add(nanoseconds, big.NewInt(int64(far.Nanosecond()-near.Nanosecond())))
	in.region, in.own = h.Region, listOf(h.Providers)
	in.distance = fmt.Sprintf("%d %030d %s %s", map[bool]int{true: 1}[undated], nanoseconds, at.Format("2006-01-02T15:04:05.000000000"), in.Key)
	for subscription, tenant := range h.Tenants {
		o := said{Subscription: dashedGUID(subscription), Tenant: dashedGUID(tenant), ObservedAt: at, Input: in.Key}
		l.observed.put(keyOf(o.Subscription, in.distance, o.Tenant), o, 0)
	}
}

// settle is the settlement that a revision must have, but for what the registration
// says: what was settled before stays.
func (l *look) settle(r *revision, number int, before settlement, parts []part) settlement {
	s := settlement{Format: "stackusage-settlement/1", CloudID: l.cloudID, UsageDay: dashedDay(l.day), Parts: parts, Inputs: []said{},
		Subscriptions: map[string]said{}, Differs: []said{}, Seen: []seenList{}}
	looked, in, lists := map[string]int{}, map[string]int{}, map[string]seenList{} // looked, in: the revision that looked at it first
	for _, i := range before.Inputs {
		looked[i.Input] = i.Revision
	}
	for _, i := range r.Inputs {
		key, own := i.key(), l.inputs[i.key()].own
		in[key], lists[hashOf(own)] = cmp.Or(looked[key], number), seenList{own, hashOf(own), key}
		s.Inputs = append(s.Inputs, said{Input: key, Revision: in[key]})
	}
	for u := range l.usageIn(r) { // nobody may have named them
		s.Subscriptions[dashedGUID(u.Shown[subscriptionID])] = said{Revision: number}
	}
	maps.Copy(s.Subscriptions, before.Subscriptions)
	for _, o := range l.observed.all() {
		old, is := before.Subscriptions[o.Subscription]
		now, used := s.Subscriptions[o.Subscription]
		free := !slices.ContainsFunc(parts, func(p part) bool { return !slices.Contains(p.Infrastructure, o.Subscription) })
		again := slices.ContainsFunc(s.Differs, func(d said) bool { return d.Subscription == o.Subscription && d.Tenant == o.Tenant })
		switch {
		case in[o.Input] == 0:
		case is && in[o.Input] > old.Revision && o.Tenant != old.Tenant && !free && !again:
			s.Differs = append(s.Differs, o)
		case used && !is && now.Tenant == "":
			s.Subscriptions[o.Subscription] = said{Tenant: o.Tenant, ObservedAt: o.ObservedAt, Input: o.Input, Revision: number}
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(lists)) {
		if !slices.ContainsFunc(parts, func(p part) bool { return hashOf(p.Infrastructure) == hash }) {
			s.Seen = append(s.Seen, lists[hash])
		}
	}
	return s
}

// rulesOf is what a revision was settled by, held against what the headers say and
// what was settled before.
func (l *look) rulesOf(r *revision, number int) rules {
	before, off, path := l.settled, r.text("reporting") == "off", r.text("settlement")
	by := rules{cloudID: l.cloudID, day: l.day, number: number, tenants: map[string]string{}, incomplete: r.text("missingHours") != "", off: off}
	if path == "" {
		need(off, r.where, "settlement is absent")
		by.unsettled, by.parts = true, []part{{Model: r.text("billingModel"), Billing: r.text("billingSubscriptionId")}}
		return by
	}
	var got settlement
	content := l.readObject(path, r.text("settlementSha256"), &got)
	need(len(got.Parts) > 0, path, "it has no parts")
	l.settled = got
	settle := r.text("settle")
	if settle == "all" && !off {
		before = settlement{}
	}
	anew := !off && (before.Format == "" || settle != "") // by the registration as of that change
	parts := before.Parts
	if anew {
		parts = l.book.at(got.Change).parts(l.cloudID, l.day)
		l.checkRecorded(r, got.Change)
	}
	want := l.settle(r, number, before, parts)
	if want.Change, want.Catalogue = before.Change, cmp.Or(before.Catalogue, got.Catalogue); anew {
		want.Change = got.Change
	}
	if !off { // else it is the one before, and says nothing of later inputs
		l.sameJSON(path, content, append(encode(want), '\n'))
	}
	last := got.Parts[len(got.Parts)-1]
	l.same(r.where, r.Props, props{"change": got.Change, "catalogue": got.Catalogue, "findings": len(got.Differs) + len(got.Seen),
		"billingModel": last.Model, "billingSubscriptionId": last.Billing})
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

// maxList is how many infrastructure subscriptions a registration can hold.
const maxList = 500

// checkRecorded: the list of infrastructure subscriptions that CloseDay recorded when
// it closed the day is that of the activation keys and of the header nearest to the
// day's end, of those that are not too long. Where an operator has confirmed the list
// of that day since, he has looked at it.
func (l *look) checkRecorded(r *revision, change int64) {
	for i, e := range l.book.lists {
		seeded := e.text("by") == "CloseDay" && e.count("change") == change && strings.Contains(e.text("reason"), dashedDay(l.day))
		if !seeded || slices.ContainsFunc(l.book.lists[i:], func(f entry) bool { return f.day == e.day && f.Props["confirmed"] == true }) {
			continue
		}
		var nearest *input
		for _, i := range r.Inputs {
			if in := l.inputs[i.key()]; len(in.own) <= maxList && (nearest == nil || in.distance < nearest.distance) {
				nearest = in
			}
		}
		var providers []string
		for _, p := range l.book.at(change).providers {
			providers = append(providers, p.of)
		}
		list := listOf(providers)
		if nearest != nil {
			if all := listOf(append(providers, nearest.own...)); len(all) <= maxList {
				list = all
			}
		}
		l.same(e.where, e.Props, props{"subscriptions": strings.Join(list, ",")})
	}
}

// catalogue reads the catalogue of meters that a day was settled by, docs/meters.md.
func (l *look) catalogue(sum string) map[string]meter {
	path := "daily/catalogue/" + sum + ".csv"
	rows, err := csv.NewReader(bytes.NewReader(l.readFile(path, sum))).ReadAll()
	need(err == nil && len(rows) > 0, path, "it is not a catalogue of meters")
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
	var confirmed []string
	for r := range l.list(table.Decisions, l.cloudID, "confirm_"+l.day) {
		confirmed = append(confirmed, strings.Split(r.text("what"), ",")...)
	}
	for _, e := range l.book.lists {
		confirmed = append(append(confirmed, strings.Split(e.text("against"), ",")...), hashOf(e.subscriptions()))
	}
	where := l.revisions[len(l.revisions)-1].where
	for _, d := range l.settled.Differs {
		l.waits(slices.Contains(confirmed, d.Subscription+"="+d.Tenant+"@"+d.ObservedAt.UTC().Format(time.RFC3339Nano)), where, "subscription %s is charged as of tenant %q; the stack said %s at %s",
			d.Subscription, l.settled.Subscriptions[d.Subscription].Tenant, d.Tenant, show(d.ObservedAt))
	}
	for _, s := range l.settled.Seen {
		l.waits(slices.Contains(confirmed, s.Hash), where, "the stack named other infrastructure subscriptions than the registration: %s (hash %s)", strings.Join(s.Subscriptions, ", "), s.Hash)
	}
}

// unconfirmed: a list of infrastructure subscriptions that was recorded when a day was
// closed asks to be confirmed.
func (a *auditor) unconfirmed(cloudID string) (open []Finding) {
	book := a.book(cloudID)
	for i, e := range book.lists {
		holds := i+1 == len(book.lists) || book.lists[i+1].day != e.day                              // the last one of its day
		if holds && e.Props["confirmed"] == false && book.on(e.day).Props["expectsHours"] != false { // the canary's decides nothing
			open = append(open, Finding{e.where, "nobody has confirmed these infrastructure subscriptions, whose usage is free: " + e.text("subscriptions")})
		}
	}
	return open
}
