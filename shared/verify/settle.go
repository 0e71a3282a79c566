package verify

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/verify/billing"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/extsort"
	"stackusage/shared/verify/form"
	"stackusage/shared/verify/history"
	"stackusage/shared/verify/hourblob"
)

// settlement is all that decides who pays for a day and what of it is free.
// docs/formats/daily-files.md.
type settlement struct {
	Format        string          `json:"format"`
	CloudID       string          `json:"cloudId"`
	UsageDay      string          `json:"usageDay"`
	Change        int64           `json:"change"`
	Catalogue     string          `json:"catalogue"`
	Parts         []history.Part  `json:"parts"`
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
		list = append(list, form.DashedGUID(id))
	}
	return form.ListOf(list)
}

// observe reads what the header of an input says of the stack. That decides first
// which is nearest to the end of the day, then the earlier one; what is not dated
// comes last.
func (l *look) observe(in *input, h hourblob.Header) {
	at := h.TenantsAt
	if at.IsZero() {
		at = h.CollectedAt
	}
	at = at.UTC()
	nanoseconds := new(big.Int).Mul(big.NewInt(at.Unix()-form.EndOf(l.day).Unix()), big.NewInt(1e9)) // a time.Duration ends at 292 years
	nanoseconds.Abs(nanoseconds.Add(nanoseconds, big.NewInt(int64(at.Nanosecond()))))
	undated := map[bool]int{true: 1}[h.TenantsStale && h.TenantsAt.IsZero()]
	in.region, in.own = h.Region, dashed(h.ProviderSubscriptions...)
	in.distance = fmt.Sprintf("%d %030d %s %s", undated, nanoseconds, at.Format("2006-01-02T15:04:05.000000000"), in.Key)
	for subscription, tenant := range h.Tenants {
		o := said{Subscription: form.DashedGUID(subscription), Tenant: form.DashedGUID(tenant), ObservedAt: at, Input: in.Key}
		l.observed.Put(extsort.KeyOf(o.Subscription, in.distance, o.Tenant), o, 0)
	}
}

// settlement is the one that a revision must have, but for what the registration says:
// what was settled before stays.
func (r *revision) settlement(before settlement, parts []history.Part) settlement {
	s := settlement{Format: "stackusage-settlement/1", CloudID: r.CloudID, UsageDay: form.DashedDay(r.Day), Parts: parts, Inputs: []said{},
		Subscriptions: map[string]said{}, Differs: []said{}, Seen: []seenList{}}
	looked, in, lists := map[string]int{}, map[string]int{}, map[string]seenList{} // looked, in: the revision that looked at it first
	for _, i := range before.Inputs {
		looked[i.Input] = i.Revision
	}
	for _, key := range r.keys[:len(r.Inputs)] {
		own := r.inputs[key].own
		in[key], lists[hashOf(own)] = cmp.Or(looked[key], r.Number), seenList{own, hashOf(own), key}
		s.Inputs = append(s.Inputs, said{Input: key, Revision: in[key]})
	}
	for u := range r.usage() { // nobody may have named them
		s.Subscriptions[form.DashedGUID(u.SubscriptionID)] = said{Revision: r.Number}
	}
	maps.Copy(s.Subscriptions, before.Subscriptions)
	for _, o := range r.observed.All() {
		old, is := before.Subscriptions[o.Subscription]
		now, used := s.Subscriptions[o.Subscription]
		free := !slices.ContainsFunc(parts, func(p history.Part) bool { return !slices.Contains(p.Infrastructure, o.Subscription) })
		again := slices.ContainsFunc(s.Differs, func(d said) bool { return d.Subscription == o.Subscription && d.Tenant == o.Tenant })
		switch {
		case in[o.Input] == 0:
		case is && in[o.Input] > old.Revision && o.Tenant != old.Tenant && !free && !again:
			s.Differs = append(s.Differs, o)
		case used && !is && now.Tenant == "":
			s.Subscriptions[o.Subscription] = said{Tenant: o.Tenant, ObservedAt: o.ObservedAt, Input: o.Input, Revision: r.Number}
		}
	}
	for _, hash := range slices.Sorted(maps.Keys(lists)) {
		if !slices.ContainsFunc(parts, func(p history.Part) bool { return hashOf(p.Infrastructure) == hash }) {
			s.Seen = append(s.Seen, lists[hash])
		}
	}
	return s
}

// settle finds what a revision was settled by, held against what the headers say and
// what was settled before.
func (r *revision) settle() {
	before, path, settle := r.settled, r.Text("settlement"), r.Text("settle")
	if path == "" {
		evidence.Need(r.off, r.Where, "settlement is absent")
		return
	}
	var got settlement
	content := r.ReadFile(path, r.Text("settlementSha256"), &got)
	evidence.Need(len(got.Parts) > 0, path, "it has no parts")
	if r.look.settled = got; settle == "all" && !r.off {
		before = settlement{}
	}
	parts, change := before.Parts, before.Change
	if !r.off && (before.Format == "" || settle != "") { // anew, by the registration as of that change
		parts, change = r.book.At(got.Change).Parts(r.CloudID, r.Day), got.Change
		r.checkRecorded(change)
	}
	want := r.settlement(before, parts)
	want.Change, want.Catalogue = change, cmp.Or(before.Catalogue, got.Catalogue)
	if !r.off { // else it is the one before, and says nothing of later inputs
		r.SameJSON(path, content, append(form.Encode(want), '\n'))
	}
	last := got.Parts[len(got.Parts)-1]
	r.Same(r.Where, r.Props, evidence.Props{"change": got.Change, "catalogue": got.Catalogue, "findings": len(got.Differs) + len(got.Seen),
		"billingModel": last.Model, "billingSubscriptionId": last.Billing})
	r.Parts, r.Region, r.Meters = got.Parts, last.Region, r.catalogue(got.Catalogue)
	if n := len(r.Inputs); n > 0 {
		r.Region = cmp.Or(r.inputs[r.keys[n-1]].region, last.Region)
	}
	for id, s := range want.Subscriptions {
		r.Tenants[form.PlainGUID(id)] = s.Tenant
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
		seeded := e.Text("by") == "CloseDay" && e.Count("change") == change && strings.Contains(e.Text("reason"), form.DashedDay(r.Day))
		if !seeded || slices.ContainsFunc(r.book["infrastructure"][i:], func(f history.Entry) bool { return f.Day == e.Day && f.Props["confirmed"] == true }) {
			continue
		}
		var nearest *input
		for _, key := range r.keys[:len(r.Inputs)] {
			if in := r.inputs[key]; len(in.own) <= maxList && (nearest == nil || in.distance < nearest.distance) {
				nearest = in
			}
		}
		var providers []string
		for _, p := range r.book.At(change)["provider"] {
			providers = append(providers, p.Of)
		}
		list := dashed(providers...)
		if nearest != nil {
			if all := dashed(append(providers, nearest.own...)...); len(all) <= maxList {
				list = all
			}
		}
		r.Same(e.Where, e.Props, evidence.Props{"subscriptions": strings.Join(list, ",")})
	}
}

// catalogue reads the catalogue of meters that a day was settled by.
func (l *look) catalogue(sum string) map[string]billing.Meter {
	path := "daily/catalogue/" + sum + ".csv"
	meters, err := billing.Catalogue(l.ReadFile(path, sum, nil))
	evidence.Need(err == nil, path, "it is not a catalogue of meters")
	return meters
}

// checkConfirmed: what the stack said otherwise than the last revision was settled by
// waits for an operator, unless one has confirmed it.
func (l *look) checkConfirmed(where string) {
	var confirmed []string
	for r := range l.List(table.Decisions, l.cloudID, "confirm_"+l.day) {
		confirmed = append(confirmed, strings.Split(r.Text("what"), ",")...)
	}
	for _, p := range l.book.Parts(l.cloudID, l.day) { // the list that holds for the day by now, not one of another day, or of before
		if p.List.Found() {
			confirmed = append(append(confirmed, strings.Split(p.List.Text("against"), ",")...), hashOf(p.List.Subscriptions()))
		}
	}
	for _, d := range l.settled.Differs {
		l.Waits(slices.Contains(confirmed, d.Subscription+"="+d.Tenant+"@"+d.ObservedAt.UTC().Format(time.RFC3339Nano)), where, "subscription %s is charged as of tenant %q; the stack said %s at %s",
			d.Subscription, l.settled.Subscriptions[d.Subscription].Tenant, d.Tenant, form.Show(d.ObservedAt))
	}
	for _, s := range l.settled.Seen {
		l.Waits(slices.Contains(confirmed, s.Hash), where, "the stack named other infrastructure subscriptions than the registration: %s (hash %s)", strings.Join(s.Subscriptions, ", "), s.Hash)
	}
}

// unconfirmed: a list of infrastructure subscriptions that was recorded when a day was
// closed asks to be confirmed.
func (a *auditor) unconfirmed(cloudID string) (open []Finding) {
	book := history.ReadBook(&a.Reader, cloudID)
	for i, e := range book["infrastructure"] {
		holds := i+1 == len(book["infrastructure"]) || book["infrastructure"][i+1].Day != e.Day                               // the last one of its day
		if holds && e.Props["confirmed"] == false && history.On(book["registration"], e.Day).Props["expectsHours"] != false { // the canary's decides nothing
			open = append(open, Finding{Where: e.Where, What: "nobody has confirmed these infrastructure subscriptions, whose usage is free: " + e.Text("subscriptions")})
		}
	}
	return open
}
