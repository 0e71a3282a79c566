package cli

import (
	"fmt"
	"strings"

	"stackusage/shared/openday"
	"stackusage/shared/usage"
	"stackusage/shared/usagelines"
)

// NotCovered says which days of a registration's month the lines of closed days lack or
// may still change.
func NotCovered(name string, month usage.Month, c usagelines.Coverage) (all []string) {
	if len(c.Never) > 0 {
		all = append(all, fmt.Sprintf("%s, %s: not closed yet: %s", name, month, Days(c.Never)))
	}
	if len(c.Open) > 0 {
		all = append(all, fmt.Sprintf("%s, %s: open: %s", name, month, marks(c.Open)))
	}
	return all
}

// Days shows days, those in a row as a range.
func Days(all []usage.Day) string {
	var texts []string
	for i := 0; i < len(all); {
		k := i
		for k+1 < len(all) && all[k+1] == all[k].Next() {
			k++
		}
		text := all[i].String()
		if k > i {
			text += " to " + all[k].String()
		}
		texts, i = append(texts, text), k+1
	}
	return strings.Join(texts, ", ")
}

// marks show open days with why they are open.
func marks(all []openday.Entry) string {
	var texts []string
	for _, m := range all {
		texts = append(texts, fmt.Sprintf("%s (%s)", m.Day, usagelines.WhyOpen(m)))
	}
	return strings.Join(texts, ", ")
}
