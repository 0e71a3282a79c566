package calendar

import (
	"fmt"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/hours"
	"stackusage/shared/hourlog"
	"stackusage/shared/usage"
)

// state is how a reported hour is. Of several, the one that needs a person most holds.
type state int

const (
	none    state = iota // no file, and none is expected
	waiting              // the file may still come
	landed
	empty // the file has no rows
	late
	excluded
	givenUp  // missing, and recorded as never to come
	rejected // rows in quarantine that nobody has decided, or a file that was rejected
	missing
	conflict
)

// look is how a state is shown: colour is not the only carrier.
type look struct{ Name, Class, Glyph string }

var looks = map[state]look{
	none: {"not expected", "f-none", ""}, waiting: {"waiting", "f-waiting", ""}, landed: {"landed", "f-landed", ""}, empty: {"empty", "f-empty", "–"},
	late: {"late", "f-late", "·"}, excluded: {"excluded", "f-waiting", "e"}, givenUp: {"will not come", "f-waiting", "×"},
	rejected: {"rejected rows", "f-rejected", "r"}, missing: {"missing", "f-missing", "×"}, conflict: {"conflict", "f-conflict", "!"},
}

func (s state) String() string { return looks[s].Name }

// hour is what the calendar knows of a reported hour.
type hour struct {
	State          state
	Rows, Rejected int64 // of the accepted file
	Undecided      int64
	Files          int // that landed
	came           bool
}

// take adds a row of hour list.
func (h *hour) take(r hours.Row) {
	seen := none
	switch hourlog.Verdict(r.Verdict) {
	case hours.Missing:
		seen = missing
		if r.Decided != nil {
			seen = givenUp
		}
	case hours.Waiting:
		seen = waiting
	case hourlog.Accepted:
		h.Rows, h.Rejected, h.Undecided, h.came = r.Accepted, r.Rejected, r.Undecided, true
		switch {
		case r.Undecided > 0:
			seen = rejected
		case r.Late:
			seen = late
		case r.Records == 0:
			seen = empty
		default:
			seen = landed
		}
	case hourlog.Conflict:
		seen = conflict
	case hourlog.Rejected, hourlog.Unregistered:
		seen = rejected
	case hourlog.Excluded:
		seen = excluded
	}
	if r.Blob != "" {
		h.Files++
	}
	h.State = max(h.State, seen)
}

// text says all of an hour.
func (h hour) text(at usage.Hour) string {
	parts := []string{at.String() + ": " + h.State.String()}
	if h.came {
		parts = append(parts, cli.Count(h.Rows, "row"))
	}
	if h.Rejected > 0 {
		parts = append(parts, fmt.Sprintf("%d rejected", h.Rejected))
	}
	if h.Undecided > 0 {
		parts = append(parts, fmt.Sprintf("%d undecided", h.Undecided))
	}
	if h.Files > 1 {
		parts = append(parts, cli.Count(h.Files, "file"))
	}
	return strings.Join(parts, ", ")
}

// span is the reported hours of some days.
type span struct {
	First, Last usage.Day
	Hours       map[usage.Hour]*hour
	command     []string
}

// read asks for the hours of some days.
func read(r *page.Request, first, last usage.Day) (*span, error) {
	s := &span{First: first, Last: last, Hours: map[usage.Hour]*hour{},
		command: append(append([]string{"hour", "list"}, r.Flags("registration")...), "--from", first.String(), "--to", last.String())}
	err := page.Ask(r, func(rows cli.Rows) error {
		for v, err := range rows.All {
			if err != nil {
				return err
			}
			row := v.Row.(hours.Row)
			for at, of := row.Hour, row.Range(); at <= of.Last; at++ {
				if at < first.First() || at >= last.Next().First() {
					continue
				}
				if s.Hours[at] == nil {
					s.Hours[at] = &hour{}
				}
				s.Hours[at].take(row)
			}
		}
		return nil
	}, s.command...)
	return s, err
}

// sums are those of a day, or of all.
type sums struct {
	Of                        map[state]int
	Rows, Rejected, Undecided int64
	Worst                     state
}

func (s *span) sums(first, last usage.Day) sums {
	all := sums{Of: map[state]int{}}
	for at := first.First(); at < last.Next().First(); at++ {
		h := s.Hours[at]
		if h == nil {
			continue
		}
		all.Of[h.State]++
		all.Rows, all.Rejected, all.Undecided = all.Rows+h.Rows, all.Rejected+h.Rejected, all.Undecided+h.Undecided
		all.Worst = max(all.Worst, h.State)
	}
	return all
}
