package verify

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"stackusage/shared/table"
)

// book is the history of a registration: table Registrations, docs/formats/tables.md.
type book struct {
	entries []entry // of the registration, by day and number
	changed time.Time
}

// entry is one row: what holds from a usage day on.
type entry struct {
	table.Props
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

func (l *look) readBook() {
	for row := range l.list(table.Registrations, l.cloudID, "") {
		if rest, is := strings.CutPrefix(row.Key, "registration_"); is {
			day, number, _ := strings.Cut(rest, "_")
			l.book.entries = append(l.book.entries, entry{row.Props, day, number})
		}
		at := when(row.Props, "at")
		if at.IsZero() { // put by hand
			at = when(row.Props, "start")
		}
		l.book.changed = later(l.book.changed, at)
	}
	slices.SortFunc(l.book.entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.day, b.day), cmp.Compare(a.number, b.number)) })
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

// accepts reports whether a reported hour counts: until settling hours after the
// end of the registration.
func (b book) accepts(h hour, settling int) bool {
	e := b.on(h.day())
	return e.Props != nil && (e.end() == 0 || h < e.end()+hour(settling))
}

// expects reports whether a reported hour is to come.
func (b book) expects(h hour) bool {
	e := b.on(h.day())
	return e.Props != nil && h >= e.start() && (e.end() == 0 || h < e.end())
}
