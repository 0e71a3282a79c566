// Package history reads the history of a registration and says what holds on a day.
package history

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
	"stackusage/shared/verify/evidence"
	"stackusage/shared/verify/form"
)

// Book is the history of a registration by kind: registration, tenant, infrastructure
// and provider, each in order. Table Registrations, docs/formats/tables.md.
type Book map[string][]Entry

// Entry is one row: what holds from a usage day on.
type Entry struct {
	evidence.Row
	Of, Day, number string // of: the tenant of a mapping, or the provider subscription
}

func (e Entry) compare(f Entry) int {
	return cmp.Or(cmp.Compare(e.Of, f.Of), cmp.Compare(e.Day, f.Day), cmp.Compare(e.number, f.number))
}

// follows reports whether an entry begins after the end that another one says.
func (e Entry) follows(before Entry) bool {
	end := before.When("end")
	return !end.IsZero() && !e.When("start").Before(end)
}

// Subscriptions are those of a list.
func (e Entry) Subscriptions() []string {
	return slices.DeleteFunc(strings.Split(e.Text("subscriptions"), ","), func(s string) bool { return s == "" })
}

// ReadBook reads the history of a registration.
func ReadBook(a *evidence.Reader, cloudID string) Book {
	b := Book{}
	for r := range a.List(table.Registrations, cloudID, "") {
		kind, rest, _ := strings.Cut(r.Key, "_")
		e := Entry{Row: r}
		if form.Among(kind, "tenant", "provider") {
			e.Of, rest, _ = strings.Cut(rest, "_")
		}
		e.Day, e.number, _ = strings.Cut(rest, "_")
		b[kind] = append(b[kind], e)
	}
	for _, all := range b {
		slices.SortFunc(all, Entry.compare)
	}
	return b
}

// Changed is when it was changed last. What was put by hand counts from its start.
func (b Book) Changed() (at time.Time) {
	for _, e := range slices.Concat(b["registration"], b["tenant"], b["infrastructure"]) {
		if said := e.When("at"); !said.IsZero() {
			at = form.Later(at, said)
		} else {
			at = form.Later(at, e.When("start"))
		}
	}
	return at
}

// At is the history as it was after its first n changes. What was put by hand is of
// every version.
func (b Book) At(n int64) Book {
	then := Book{}
	for kind, all := range b {
		then[kind] = slices.DeleteFunc(slices.Clone(all), func(e Entry) bool { return e.Count("change") > n })
	}
	return then
}

// On is the entry that holds on a usage day. Days before the first entry belong to
// it, or to what corrects it.
func On(entries []Entry, day string) (held Entry) {
	for _, e := range entries {
		if e.Day <= day || e.Day == entries[0].Day {
			held = e
		}
	}
	return held
}

// stays divides the history at each end that an entry with a start of that end or
// later follows. An entry with an earlier start moves the end or takes it back;
// for the same day, it takes the place of the one that it disagrees with.
func (b Book) stays() (stays [][]Entry) {
	var held []Entry
	for _, e := range b["registration"] {
		for n := len(held); n > 0 && held[n-1].Day == e.Day && !e.follows(held[n-1]); n-- {
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

// Covers is the entry by which a reported hour counts: from the start that the entry of
// its day says until more hours after the end.
func (b Book) Covers(h form.Hour, more int) (by Entry) {
	for _, stay := range b.stays() {
		e := On(stay, h.Day())
		end := e.When("end")
		if !by.Found() && !h.Start().Before(e.When("start")) && (end.IsZero() || h < form.HourOf(end)+form.Hour(more)) {
			by = e
		}
	}
	return by
}

// Expects reports whether a reported hour is to come.
func (b Book) Expects(h form.Hour) bool {
	by := b.Covers(h, 0)
	return by.Found() && by.Props["expectsHours"] != false
}

// Part is what the registration says of a part of a usage day.
type Part struct {
	Until          time.Time         `json:"until,omitzero"`
	Registration   string            `json:"registration"`
	Billing        string            `json:"billingSubscriptionId"`
	Model          string            `json:"billingModel"`
	Region         string            `json:"region"`
	Reporting      string            `json:"reporting,omitempty"`
	Infrastructure []string          `json:"infrastructure"`
	Mappings       map[string]string `json:"mappings"`
	List           Entry             `json:"-"` // that Infrastructure is of, in a part that follows from Registrations
}

// Parts are all of a usage day: one, unless one registration ended inside the day and
// another began.
func (b Book) Parts(cloudID, day string) (parts []Part) {
	stays := b.stays()
	for i, stay := range stays {
		last, end := i+1 == len(stays), stay[len(stay)-1].When("end")
		if !last && !end.After(form.StartOf(day)) {
			continue
		}
		e := On(stay, day)
		p := Part{Registration: cmp.Or(e.Text("name"), "AzureStack-"+cloudID), Billing: e.Text("subscriptionId"), Model: e.Text("billingModel"),
			Region: e.Text("region"), Infrastructure: []string{}, Mappings: map[string]string{}}
		if e.Props["usageReportingEnabled"] == false {
			p.Reporting = "off"
		}
		first, mine := b.tenure(e)
		for _, list := range b["infrastructure"] {
			if mine(list) && list.Day <= max(day, first.Day) && (first.Day == b["registration"][0].Day || list.Day >= first.Day) {
				p.Infrastructure, p.List = list.Subscriptions(), list
			}
		}
		for _, m := range b["tenant"] {
			if e.Text("subscriptionKind") == "CSP" && p.Model == "PayAsYouUse" && mine(m) && m.Day <= day {
				p.Mappings[m.Of] = m.Text("subscriptionId")
			}
		}
		maps.DeleteFunc(p.Mappings, func(_, subscription string) bool { return subscription == "" })
		if !last && end.Before(form.EndOf(day)) {
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
func (b Book) tenure(e Entry) (first Entry, mine func(Entry) bool) {
	next, all := Entry{Day: "99999999"}, b["registration"] // next: the first one of the registration after it
	for i, have := range all {
		switch {
		case i > 0 && strings.EqualFold(have.Text("name"), all[i-1].Text("name")):
		case i == 0 || have.compare(e) <= 0:
			first = have
		case !next.Found():
			next = have
		}
	}
	since := func(said, began Entry) bool {
		if said.Count("change") > 0 && began.Count("change") > 0 {
			return said.Count("change") >= began.Count("change")
		} else if said.When("at").IsZero() || began.When("at").IsZero() {
			return said.Day >= began.Day
		}
		return !said.When("at").Before(began.When("at"))
	}
	return first, func(said Entry) bool {
		return (first.compare(all[0]) == 0 || since(said, first)) && (said.Day < next.Day || !since(said, next))
	}
}
