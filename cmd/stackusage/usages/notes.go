package usages

import (
	"fmt"
	"slices"
	"strings"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/usagereport"
)

// notes are those of the report and of the table.
func (v *view) notes() []string {
	all := notes(v.report, v.o)
	for _, row := range v.rows {
		if row.Others > 0 && v.o.Top == maxRows {
			all = append(all, fmt.Sprintf("the table has the biggest %d rows; --output csv has all", maxRows))
			break
		}
	}
	if v.rounded {
		all = append(all, "numbers are rounded here; --output json has every digit")
	}
	return all
}

// notes say what an answer does not cover.
func notes(r *usagereport.Report, o usagereport.Options) (all []string) {
	for _, c := range r.Coverage {
		for i, covered := range c.Months {
			month := o.Month
			if i > 0 && o.Compare == 0 {
				break
			}
			if i > 0 {
				month = o.Compare
			}
			all = append(all, cli.NotCovered(c.Name, month, covered)...)
		}
	}
	if !r.Priced {
		all = append(all, "there are no prices, so there are no amounts: --prices, --bill and STACKUSAGE_PRICES name them")
	}
	if n := len(r.Unpriced); r.Priced && n > 0 {
		text := fmt.Sprintf("no price known for %s: the lines of it have no amount", cli.Count(n, "meter"))
		if n > 1 {
			text = strings.Replace(text, "of it", "of them", 1)
		}
		if !slices.Contains(o.By, usagereport.Meter) {
			text += "; --by meter lists them"
		}
		all = append(all, text)
	}
	return all
}
