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

// said is what a header says of a subscription, and the revision that looked at it
// first or settled it; GUIDs with dashes.
type said struct {
	Subscription string    `json:"subscription,omitempty"`
	Tenant       string    `json:"tenant,omitempty"`
	ObservedAt   time.Time `json:"observedAt,omitzero"`
	Input        string    `json:"input,omitempty"`
	Revision     int       `json:"revision,omitempty"`
}

// Add keeps one of what was said twice.
func (s said) Add(said) said { return s }

type seenList struct {
	Subscriptions []string `json:"subscriptions"`
	Hash          string   `json:"hash"`
	Input         string   `json:"input"`
}

// hashOf names a list of subscriptions.
func hashOf(list []string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(strings.Join(list, ","))))[:16]
}

// dashed is a list of subscriptions in its one form.
func dashed(ids ...string) (list []string) {
	for _, id := range ids {
		list = append(list, dashedGUID(id))
	}
	return listOf(list)
}

// observe reads what the header of an input says of the stack. That decides first
// which is nearest to the end of the day, then the earlier one; what is not dated
// comes last.
func (l *look) observe(in *input, h header) {
	at := h.TenantsAt
	if at.IsZero() {
		at = h.CollectedAt
	}
	at = at.UTC()
	nanoseconds := new(big.Int).Mul(big.NewInt(at.Unix()-endOf(l.day).Unix()), big.NewInt(1e9)) // a time.Duration ends at 292 years
	nanoseconds.Abs(nanoseconds.Add(nanoseconds, big.NewInt(int64(at.Nanosecond()))))
	undated := map[bool]int{true: 1}[h.TenantsStale && h.TenantsAt.IsZero()]
	in.region, in.own = h.Region, dashed(h.ProviderSubscriptions...)
	in.distance = fmt.Sprintf("%d %030d %s %s", undated, nanoseconds, at.Format("2006-01-02T15:04:05.000000000"), in.Key)
	for subscription, tenant := range h.Tenants {
		o := said{Subscription: dashedGUID(subscription), Tenant: dashedGUID(tenant), ObservedAt: at, Input: in.Key}
		l.observed.put(keyOf(o.Subscription, in.distance, o.Tenant), o, 0)
	}
}

// settlement is the one that a revision must have, but for what the registration says:
// what was settled before stays.
func (r *revision) settlement(before settlement, parts []part) settlement {
	s := settlement{Format: "stackusage-settlement/1", CloudID: r.cloudID, UsageDay: dashedDay(r.day), Parts: parts, Inputs: []said{},
		Subscriptions: map[string]said{}, Differs: []said{}, Seen: []seenList{}}
	looked, in, lists := map[string]int{}, map[string]int{}, map[string]seenList{} // looked, in: the revision that looked at it first
	for _, i := range before.Inputs {
		looked[i.Input] = i.Revision
	}
	for _, key := range r.keys[:len(r.Inputs)] {
		own := r.inputs[key].own
		in[key], lists[hashOf(own)] = cmp.Or(looked[key], r.number), seenList{own, hashOf(own), key}
		s.Inputs = append(s.Inputs, said{Input: key, Revision: in[key]})
	}
	for u := range r.usage() { // nobody may have named them
		s.Subscriptions[dashedGUID(u.SubscriptionID)] = said{Revision: r.number}
	}
	maps.Copy(s.Subscriptions, before.Subscriptions)
	for _, o := range r.observed.all() {
		old, is := before.Subscriptions[o.Subscription]
		now, used := s.Subscriptions[o.Subscription]
		free := !slices.ContainsFunc(parts, func(p part) bool { return !slices.Contains(p.Infrastructure, o.Subscription) })
		again := slices.ContainsFunc(s.Differs, func(d said) bool { return d.Subscription == o.Subscription && d.Tenant == o.Tenant })
		switch {
		case in[o.Input] == 0:
		case is && in[o.Input] > old.Revision && o.Tenant != old.Tenant && !free && !again:
			s.Differs = append(s.Differs, o)
		case used && !is && now.Tenant == "":
			s.Subscriptions[o.Subscription] = said{Tenant: o.Tenant, ObservedAt: o.ObservedAt, Input: o.Input, Revision: r.number}
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(lists)) {
		if !slices.ContainsFunc(parts, func(p part) bool { return hashOf(p.Infrastructure) == hash }) {
			s.Seen = append(s.Seen, lists[hash])
		}
	}
	return s
}

// settle finds what a revision was settled by, held against what the headers say and
// what was settled before.
func (r *revision) settle() {
	before, path, settle := r.settled, r.text("settlement"), r.text("settle")
	if path == "" {
		need(r.off, r.where, "settlement is absent")
		return
	}
	var got settlement
	content := r.readFile(path, r.text("settlementSha256"), &got)
	need(len(got.Parts) > 0, path, "it has no parts")
	if r.look.settled = got; settle == "all" && !r.off {
		before = settlement{}
	}
	parts, change := before.Parts, before.Change
	if !r.off && (before.Format == "" || settle != "") { // anew, by the registration as of that change
		parts, change = r.book.at(got.Change).parts(r.dayID), got.Change
		r.checkRecorded(change)
	}
	want := r.settlement(before, parts)
	want.Change, want.Catalogue = change, cmp.Or(before.Catalogue, got.Catalogue)
	if !r.off { // else it is the one before, and says nothing of later inputs
		r.sameJSON(path, content, append(encode(want), '\n'))
	}
	last := got.Parts[len(got.Parts)-1]
	r.same(r.where, r.Props, props{"change": got.Change, "catalogue": got.Catalogue, "findings": len(got.Differs) + len(got.Seen),
		"billingModel": last.Model, "billingSubscriptionId": last.Billing})
	r.parts, r.region, r.meters = got.Parts, last.Region, r.catalogue(got.Catalogue)
	if n := len(r.Inputs); n > 0 {
		r.region = cmp.Or(r.inputs[r.keys[n-1]].region, last.Region)
	}
	for id, s := range want.Subscriptions {
		r.tenants[plainGUID(id)] = s.Tenant
	}
}

// maxList is how many infrastructure subscriptions a registration can hold.
const maxList = 500

// checkRecorded: the list of infrastructure subscriptions that CloseDay recorded when
// it closed the day is that of the activation keys and of the header nearest to the
// day's end, of those that are not too long. Where an operator has confirmed the list
// of that day since, he has looked at it.
func (r *revision) checkRecorded(change int64) {
	for i, e := range r.book["infrastructure"] {
		seeded := e.text("by") == "CloseDay" && e.count("change") == change && strings.Contains(e.text("reason"), dashedDay(r.day))
		if !seeded || slices.ContainsFunc(r.book["infrastructure"][i:], func(f entry) bool { return f.day == e.day && f.Props["confirmed"] == true }) {
			continue
		}
		var nearest *input
		for _, key := range r.keys[:len(r.Inputs)] {
			if in := r.inputs[key]; len(in.own) <= maxList && (nearest == nil || in.distance < nearest.distance) {
				nearest = in
			}
		}
		var providers []string
		for _, p := range r.book.at(change)["provider"] {
			providers = append(providers, p.of)
		}
		list := dashed(providers...)
		if nearest != nil {
			if all := dashed(append(providers, nearest.own...)...); len(all) <= maxList {
				list = all
			}
		}
		r.same(e.where, e.Props, props{"subscriptions": strings.Join(list, ",")})
	}
}

// catalogue reads the catalogue of meters that a day was settled by, docs/meters.md.
func (l *look) catalogue(sum string) map[string]meter {
	path := "daily/catalogue/" + sum + ".csv"
	rows, err := csv.NewReader(bytes.NewReader(l.readFile(path, sum, nil))).ReadAll()
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
func (l *look) checkConfirmed(where string) {
	var confirmed []string
	for r := range l.list(table.Decisions, l.cloudID, "confirm_"+l.day) {
		confirmed = append(confirmed, strings.Split(r.text("what"), ",")...)
	}
	for _, p := range l.book.parts(l.dayID) { // the list that holds for the day by now, not one of another day, or of before
		if p.list.found() {
			confirmed = append(append(confirmed, strings.Split(p.list.text("against"), ",")...), hashOf(p.list.subscriptions()))
		}
	}
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
	for i, e := range book["infrastructure"] {
		holds := i+1 == len(book["infrastructure"]) || book["infrastructure"][i+1].day != e.day                       // the last one of its day
		if holds && e.Props["confirmed"] == false && on(book["registration"], e.day).Props["expectsHours"] != false { // the canary's decides nothing
			open = append(open, Finding{e.where, "nobody has confirmed these infrastructure subscriptions, whose usage is free: " + e.text("subscriptions")})
		}
	}
	return open
}
