package verify

import (
	"cmp"
	"maps"
	"strings"
)

// at is the history as it was after its first n changes. What was put by hand is of
// every version.
func (b book) at(n int64) book {
	keep := func(all []entry) (kept []entry) {
		for _, e := range all {
			if count(e.Props, "change") <= n {
				kept = append(kept, e)
			}
		}
		return kept
	}
	return book{entries: keep(b.entries), tenants: keep(b.tenants), lists: keep(b.lists)}
}

// parts is what the registration says of the parts of a usage day: of all of it, unless
// one registration ended inside the day and another began.
func (b book) parts(cloudID, day string) (parts []part) {
	stays := b.stays()
	for i, stay := range stays {
		last, end := i+1 == len(stays), stay[len(stay)-1].end().start()
		if !last && !end.After(startOf(day)) {
			continue
		}
		e := book{entries: stay}.on(day)
		p := part{Registration: cmp.Or(text(e.Props, "name"), "AzureStack-"+cloudID), Billing: text(e.Props, "subscriptionId"), Model: text(e.Props, "billingModel"),
			Region: text(e.Props, "region"), Infrastructure: []string{}, Mappings: map[string]string{}}
		if e.Props["usageReportingEnabled"] == false {
			p.Reporting = "off"
		}
		first, mine := b.tenure(e)
		for _, list := range b.lists {
			if day := max(day, first.day); mine(list) && list.day <= day && (first.day == b.entries[0].day || list.day >= first.day) {
				p.Infrastructure = strings.FieldsFunc(text(list.Props, "subscriptions"), func(r rune) bool { return r == ',' })
			}
		}
		for _, m := range b.tenants {
			if text(e.Props, "subscriptionKind") == "CSP" && p.Model == "PayAsYouUse" && mine(m) && m.day <= day {
				p.Mappings[m.of] = text(m.Props, "subscriptionId")
			}
		}
		maps.DeleteFunc(p.Mappings, func(_, subscription string) bool { return subscription == "" })
		if !last && end.Before(endOf(day)) {
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
	var next *entry
	for i, have := range b.entries {
		began := i == 0 || !strings.EqualFold(text(have.Props, "name"), text(b.entries[i-1].Props, "name"))
		if began && have.compare(e) > 0 {
			next = &b.entries[i]
			break
		} else if began {
			first = have
		}
	}
	since := func(said, began entry) bool {
		of, then := count(said.Props, "change"), count(began.Props, "change")
		at, start := when(said.Props, "at"), when(began.Props, "at")
		if of > 0 && then > 0 {
			return of >= then
		} else if at.IsZero() || start.IsZero() {
			return said.day >= began.day
		}
		return !at.Before(start)
	}
	return first, func(said entry) bool {
		return (first.compare(b.entries[0]) == 0 || since(said, first)) && (next == nil || said.day < next.day || !since(said, *next))
	}
}

func (e entry) compare(f entry) int {
	return cmp.Or(cmp.Compare(e.of, f.of), cmp.Compare(e.day, f.day), cmp.Compare(e.number, f.number))
}
