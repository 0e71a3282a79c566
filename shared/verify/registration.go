package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// book is the history of a registration by kind: registration, tenant, infrastructure
// and provider, each in order. Table Registrations, docs/formats/tables.md.
type book map[string][]entry

// entry is one row: what holds from a usage day on.
type entry struct {
	row
	of, day, number string // of: the tenant of a mapping, or the provider subscription
}

func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.of, f.of), cmp.Compare(e.day, f.day), cmp.Compare(e.number, f.number))
}

// follows reports whether an entry begins after the end that another one says.
func (e entry) follows(before entry) bool {
	end := before.when("end")
	return !end.IsZero() && !e.when("start").Before(end)
}

// subscriptions are those of a list.
func (e entry) subscriptions() []string {
	return slices.DeleteFunc(strings.Split(e.text("subscriptions"), ","), func(s string) bool { return s == "" })
}

func (a *auditor) book(cloudID string) book {
	b := book{}
	for r := range a.list(table.Registrations, cloudID, "") {
		kind, rest, _ := strings.Cut(r.Key, "_")
		e := entry{row: r}
		if among(kind, "tenant", "provider") {
			e.of, rest, _ = strings.Cut(rest, "_")
		}
		e.day, e.number, _ = strings.Cut(rest, "_")
		b[kind] = append(b[kind], e)
	}
	for _, all := range b {
		slices.SortFunc(all, entry.compare)
	}
	return b
}

// changed is when it was changed last. What was put by hand counts from its start.
func (b book) changed() (at time.Time) {
	for _, e := range slices.Concat(b["registration"], b["tenant"], b["infrastructure"]) {
		if said := e.when("at"); !said.IsZero() {
			at = later(at, said)
		} else {
			at = later(at, e.when("start"))
		}
	}
	return at
}

// at is the history as it was after its first n changes. What was put by hand is of
// every version.
func (b book) at(n int64) book {
	then := book{}
	for kind, all := range b {
		then[kind] = slices.DeleteFunc(slices.Clone(all), func(e entry) bool { return e.count("change") > n })
	}
	return then
}

// on is the entry that holds on a usage day. Days before the first entry belong to
// it, or to what corrects it.
func on(entries []entry, day string) (held entry) {
	for _, e := range entries {
		if e.day <= day || e.day == entries[0].day {
			held = e
		}
	}
	return held
}

// stays divides the history at each end that an entry with a start of that end or
// later follows. An entry with an earlier start moves the end or takes it back;
// for the same day, it takes the place of the one that it disagrees with.
func (b book) stays() (stays [][]entry) {
	var held []entry
	for _, e := range b["registration"] {
		for n := len(held); n > 0 && held[n-1].day == e.day && !e.follows(held[n-1]); n-- {
			held = held[:n-1]
		}
		held = append(held, e)
	}
	for i, e := range held {
		if i == 0 || e.follows(held[i-1]) {
			stays = append(stays, nil)
		}
		stays[len(stays)-1] = append(stays[len(stays)-1], e)
	}
	return stays
}

// covers is the entry by which a reported hour counts: from the start that the entry of
// its day says until more hours after the end.
func (b book) covers(h hour, more int) (by entry) {
	for _, stay := range b.stays() {
		e := on(stay, h.day())
		end := e.when("end")
		if !by.found() && !h.start().Before(e.when("start")) && (end.IsZero() || h < hourOf(end)+hour(more)) {
			by = e
		}
	}
	return by
}

// expects reports whether a reported hour is to come.
func (b book) expects(h hour) bool {
	by := b.covers(h, 0)
	return by.found() && by.Props["expectsHours"] != false
}

// part is what the registration says of a part of a usage day.
type part struct {
	Until          time.Time         `json:"until,omitzero"`
	Registration   string            `json:"registration"`
	Billing        string            `json:"billingSubscriptionId"`
	Model          string            `json:"billingModel"`
	Region         string            `json:"region"`
	Reporting      string            `json:"reporting,omitempty"`
	Infrastructure []string          `json:"infrastructure"`
	Mappings       map[string]string `json:"mappings"`
	list           entry             // that Infrastructure is of, in a part that follows from Registrations
}

// parts are all of a usage day: one, unless one registration ended inside the day and
// another began.
func (b book) parts(d dayID) (parts []part) {
	stays := b.stays()
	for i, stay := range stays {
		last, end := i+1 == len(stays), stay[len(stay)-1].when("end")
		if !last && !end.After(startOf(d.day)) {
			continue
		}
		e := on(stay, d.day)
		p := part{Registration: cmp.Or(e.text("name"), "AzureStack-"+d.cloudID), Billing: e.text("subscriptionId"), Model: e.text("billingModel"),
			Region: e.text("region"), Infrastructure: []string{}, Mappings: map[string]string{}}
		if e.Props["usageReportingEnabled"] == false {
			p.Reporting = "off"
		}
		first, mine := b.tenure(e)
		for _, list := range b["infrastructure"] {
			if mine(list) && list.day <= max(d.day, first.day) && (first.day == b["registration"][0].day || list.day >= first.day) {
				p.Infrastructure, p.list = list.subscriptions(), list
			}
		}
		for _, m := range b["tenant"] {
			if e.text("subscriptionKind") == "CSP" && p.Model == "PayAsYouUse" && mine(m) && m.day <= d.day {
				p.Mappings[m.of] = m.text("subscriptionId")
			}
		}
		maps.DeleteFunc(p.Mappings, func(_, subscription string) bool { return subscription == "" })
		if !last && end.Before(endOf(d.day)) {
			p.Until = end
		}
		if parts = append(parts, p); p.Until.IsZero() {
			break
		}
	}
	return parts
}

// tenure is the first entry of the registration, by its name, that an entry is of, and
// whether a mapping or a list was made under it.
func (b book) tenure(e entry) (first entry, mine func(entry) bool) {
	next, all := entry{day: "99999999"}, b["registration"] // next: the first one of the registration after it
	for i, have := range all {
		switch {
		case i > 0 && strings.EqualFold(have.text("name"), all[i-1].text("name")):
		case i == 0 || have.compare(e) <= 0:
			first = have
		case !next.found():
			next = have
		}
	}
	since := func(said, began entry) bool {
		if said.count("change") > 0 && began.count("change") > 0 {
			return said.count("change") >= began.count("change")
		} else if said.when("at").IsZero() || began.when("at").IsZero() {
			return said.day >= began.day
		}
		return !said.when("at").Before(began.when("at"))
	}
	return first, func(said entry) bool {
		return (first.compare(all[0]) == 0 || since(said, first)) && (said.day < next.day || !since(said, next))
	}
}
