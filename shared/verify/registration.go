package verify

import (
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// book is the history of a registration: table Registrations, docs/formats/tables.md.
type book struct {
	entries []entry // of the registration, by day and number
	tenants []entry // mappings, by tenant, day and number
	lists   []entry // of infrastructure subscriptions, by day and number
	changed time.Time
}

// entry is one row: what holds from a usage day on.
type entry struct {
	table.Props
	of          string // the tenant of a mapping
	day, number string
}

func (e entry) start() hour { return hourOf(when(e.Props, "start")) }

// end is the first hour that is not expected any more; 0: none.
func (e entry) end() hour {
	if end := when(e.Props, "end"); !end.IsZero() {
		return hourOf(end)
	}
	return 0
}

func (a *auditor) book(cloudID string) (b book) {
	for row := range a.list(table.Registrations, cloudID, "") {
		kind, rest, _ := strings.Cut(row.Key, "_")
		e, into := entry{Props: row.Props}, &b.entries
		switch kind {
		case "tenant":
			e.of, rest, _ = strings.Cut(rest, "_")
			into = &b.tenants
		case "infrastructure":
			into = &b.lists
		case "registration":
		default:
			continue // of a change, whose rows say when, or of a provider
		}
		e.day, e.number, _ = strings.Cut(rest, "_")
		*into = append(*into, e)
		at := when(row.Props, "at")
		if at.IsZero() { // put by hand
			at = when(row.Props, "start")
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
func (b book) on(day string) (held entry) {
	for _, e := range b.entries {
		if e.day <= day || e.day == b.entries[0].day {
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
	follows := func(e entry) bool {
		before := held[len(held)-1]
		return before.end() != 0 && e.start() >= before.end()
	}
	for _, e := range b.entries {
		for len(held) > 0 && held[len(held)-1].day == e.day && !follows(e) {
			held = held[:len(held)-1]
		}
		held = append(held, e)
	}
	for i, e := range held {
		if i == 0 || held[i-1].end() != 0 && e.start() >= held[i-1].end() {
			stays = append(stays, nil)
		}
		stays[len(stays)-1] = append(stays[len(stays)-1], e)
	}
	return stays
}

// within reports whether a reported hour lies in a stay: from the start of the
// entry of its day until more hours after its end.
func (b book) within(h hour, more int, is func(entry) bool) bool {
	for _, stay := range b.stays() {
		e := book{entries: stay}.on(h.day())
		if h >= e.start() && (e.end() == 0 || h < e.end()+hour(more)) && is(e) {
			return true
		}
	}
	return false
}

// accepts reports whether a reported hour counts: until settling hours after the
// end of the registration.
func (b book) accepts(h hour, settling int) bool {
	return b.within(h, settling, func(entry) bool { return true })
}

// expects reports whether a reported hour is to come.
func (b book) expects(h hour) bool {
	return b.within(h, 0, func(e entry) bool { expects, said := e.Props["expectsHours"].(bool); return expects || !said })
}
