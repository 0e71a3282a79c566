package verify

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// book is the history of a registration: table Registrations, docs/formats/tables.md.
type book struct {
	entries   []entry // of the registration, by day and number
	tenants   []entry // mappings, by tenant, day and number
	lists     []entry // of infrastructure subscriptions, by day and number
	providers []entry // subscriptions of activation keys
	changed   time.Time
}

// entry is one row: what holds from a usage day on.
type entry struct {
	row
	of          string // the tenant of a mapping, or the provider subscription
	day, number string
}

func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.of, f.of), cmp.Compare(e.day, f.day), cmp.Compare(e.number, f.number))
}

// follows reports whether an entry begins after the end that another one says.
func (e entry) follows(before entry) bool {
	end := before.when("end")
	return !end.IsZero() && !e.when("start").Before(end)
}

func (a *auditor) book(cloudID string) (b book) {
	for r := range a.list(table.Registrations, cloudID, "") {
		kind, rest, _ := strings.Cut(r.Key, "_")
		e, into := entry{row: r}, &b.entries
		switch kind {
		case "provider":
			b.providers = append(b.providers, entry{row: r, of: rest})
			continue
		case "tenant":
			e.of, rest, _ = strings.Cut(rest, "_")
			into = &b.tenants
		case "infrastructure":
			into = &b.lists
		case "registration":
		default:
			continue // of a change, whose rows say when
		}
		e.day, e.number, _ = strings.Cut(rest, "_")
		*into = append(*into, e)
		at := r.when("at")
		if at.IsZero() { // put by hand
			at = r.when("start")
		}
		b.changed = later(b.changed, at)
	}
	for _, all := range [][]entry{b.entries, b.tenants, b.lists} {
		slices.SortFunc(all, entry.compare)
	}
	return b
}

// on is the entry that holds on a usage day. Days before the first entry belong to
// it, or to what corrects it.
func (b book) on(day string) entry { return on(b.entries, day) }

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
	for _, e := range b.entries {
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

// within reports whether a reported hour lies in a stay: from the start of the
// entry of its day until more hours after its end.
func (b book) within(h hour, more int, is func(entry) bool) bool {
	return slices.ContainsFunc(b.stays(), func(stay []entry) bool {
		e := on(stay, h.day())
		end := e.when("end")
		return !h.start().Before(e.when("start")) && (end.IsZero() || h < hourOf(end)+hour(more)) && is(e)
	})
}

// accepts reports whether a reported hour counts: until settling hours after the
// end of the registration.
func (b book) accepts(h hour, settling int) bool {
	return b.within(h, settling, func(entry) bool { return true })
}

// expects reports whether a reported hour is to come.
func (b book) expects(h hour) bool {
	return b.within(h, 0, func(e entry) bool { return e.Props["expectsHours"] != false })
}

// at is the history as it was after its first n changes. What was put by hand is of
// every version.
func (b book) at(n int64) book {
	later := func(e entry) bool { return e.count("change") > n }
	b.entries, b.tenants = slices.DeleteFunc(slices.Clone(b.entries), later), slices.DeleteFunc(slices.Clone(b.tenants), later)
	b.lists, b.providers = slices.DeleteFunc(slices.Clone(b.lists), later), slices.DeleteFunc(slices.Clone(b.providers), later)
	return b
}

// parts is what the registration says of the parts of a usage day: of all of it, unless
// one registration ended inside the day and another began.
func (b book) parts(cloudID, day string) (parts []part) {
	stays := b.stays()
	for i, stay := range stays {
		last, end := i+1 == len(stays), stay[len(stay)-1].when("end")
		if !last && !end.After(startOf(day)) {
			continue
		}
		e := on(stay, day)
		p := part{Registration: cmp.Or(e.text("name"), "AzureStack-"+cloudID), Billing: e.text("subscriptionId"), Model: e.text("billingModel"),
			Region: e.text("region"), Infrastructure: []string{}, Mappings: map[string]string{}}
		if e.Props["usageReportingEnabled"] == false {
			p.Reporting = "off"
		}
		first, mine := b.tenure(e)
		for _, list := range b.lists {
			if mine(list) && list.day <= max(day, first.day) && (first.day == b.entries[0].day || list.day >= first.day) {
				p.Infrastructure = list.subscriptions()
			}
		}
		for _, m := range b.tenants {
			if e.text("subscriptionKind") == "CSP" && p.Model == "PayAsYouUse" && mine(m) && m.day <= day {
				p.Mappings[m.of] = m.text("subscriptionId")
			}
		}
		maps.DeleteFunc(p.Mappings, func(_, subscription string) bool { return subscription == "" })
		if !last && end.Before(endOf(day)) {
			p.Until = end.UTC()
		}
		if parts = append(parts, p); p.Until.IsZero() {
			break
		}
	}
	return parts
}

// subscriptions are those of a list.
func (e entry) subscriptions() []string {
	return strings.FieldsFunc(e.text("subscriptions"), func(r rune) bool { return r == ',' })
}

// tenure is the first entry of the registration, by its name, that an entry is of, and
// whether a mapping or a list was made under it.
func (b book) tenure(e entry) (first entry, mine func(entry) bool) {
	next := entry{day: "99999999"} // the first one of the registration after it
	for i, have := range b.entries {
		switch {
		case i > 0 && strings.EqualFold(have.text("name"), b.entries[i-1].text("name")):
		case i == 0 || have.compare(e) <= 0:
			first = have
		case !next.found():
			next = have
		}
	}
	since := func(said, began entry) bool {
		of, then := said.count("change"), began.count("change")
		at, start := said.when("at"), began.when("at")
		if of > 0 && then > 0 {
			return of >= then
		} else if at.IsZero() || start.IsZero() {
			return said.day >= began.day
		}
		return !at.Before(start)
	}
	return first, func(said entry) bool {
		return (first.compare(b.entries[0]) == 0 || since(said, first)) && (said.day < next.day || !since(said, next))
	}
}
