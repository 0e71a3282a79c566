package days

import (
	"fmt"
	"slices"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/daybook"
	"stackusage/shared/usage"
)

// Changes are what a revision is made of that the one before was not. Of a day with so
// many inputs that UsageDays does not list them, they are not known.
type Changes struct {
	Arrived     []usage.Hour `json:"arrivedHours,omitempty"`  // reported hours that the revision before did not have
	Replaced    []usage.Hour `json:"replacedHours,omitempty"` // reported hours with another file than before
	Removed     []usage.Hour `json:"removedHours,omitempty"`  // reported hours without an accepted file any more
	CarriedFrom []string     `json:"carriedFrom,omitempty"`   // days whose usage this one bills, too
	Repeat      int64        `json:"repeat,omitempty"`        // which automatic repeat of what commerce declined it is
}

// changesOf compares a revision with the one before it; nil: there is none.
func changesOf(before *daybook.Revision, r daybook.Revision) (c Changes) {
	c.Repeat = r.Attempt
	hours, carried, known := inputsOf(r)
	if !known {
		return c
	}
	was, had := map[usage.Hour]string{}, map[string]bool(nil)
	if before != nil {
		if was, had, known = inputsOf(*before); !known {
			return c
		}
		for hour, file := range hours {
			switch old, there := was[hour]; {
			case !there:
				c.Arrived = append(c.Arrived, hour)
			case old != file:
				c.Replaced = append(c.Replaced, hour)
			}
		}
	}
	for hour := range was {
		if _, there := hours[hour]; !there {
			c.Removed = append(c.Removed, hour)
		}
	}
	for day := range carried {
		if !had[day] {
			c.CarriedFrom = append(c.CarriedFrom, day)
		}
	}
	for _, all := range [][]usage.Hour{c.Arrived, c.Replaced, c.Removed} {
		slices.Sort(all)
	}
	slices.Sort(c.CarriedFrom)
	return c
}

// inputsOf reads the list of inputs in UsageDays: reported hours with their files, and
// days that something was carried from. known is false for a list that was too long.
func inputsOf(r daybook.Revision) (hours map[usage.Hour]string, carried map[string]bool, known bool) {
	hours, carried = map[usage.Hour]string{}, map[string]bool{}
	if strings.HasPrefix(r.Inputs, "sha256:") {
		return hours, carried, false
	}
	for input := range strings.SplitSeq(r.Inputs, ",") {
		first, rest, _ := strings.Cut(input, "_")
		if hour, err := usage.ParseCompactHour(first); err == nil {
			hours[hour] = rest
		} else if day, err := usage.ParseDay(strings.SplitN(rest, "_", 2)[0]); first == "carry" && err == nil {
			carried[day.String()] = true
		}
	}
	return hours, carried, true
}

// Text says what changed; empty if nothing did.
func (c Changes) Text() string {
	var texts []string
	add := func(n int, what, did string) {
		if n > 0 {
			texts = append(texts, cli.Count(n, what)+" "+did)
		}
	}
	add(len(c.Arrived), "hour", "arrived")
	add(len(c.Replaced), "hour", "replaced")
	add(len(c.Removed), "hour", "removed")
	if len(c.CarriedFrom) > 0 {
		texts = append(texts, "usage of "+strings.Join(c.CarriedFrom, ", ")+" carried in")
	}
	if c.Repeat > 0 {
		texts = append(texts, fmt.Sprintf("declined records sent again (%d)", c.Repeat))
	}
	return strings.Join(texts, ", ")
}
