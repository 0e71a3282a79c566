package results

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"stackusage/internal/devstack/balance"
)

// PrintSheet prints a balance sheet, and its first problems.
func PrintSheet(out io.Writer, sheet balance.Sheet) {
	fmt.Fprintf(out, "\nBalance sheet\n\n")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	uneven := 0
	days := map[string]bool{}
	for _, l := range sheet.Lines {
		days[l.UsageDay] = true
		if !l.Balanced {
			uneven++
		}
	}
	for _, line := range [][2]any{
		{"reported hours served", sheet.HoursServed}, {"reported hours that count", sheet.HoursCounted},
		{"rows served", sheet.RowsServed}, {"rows accepted", sheet.RowsAccepted}, {"rows quarantined", sheet.RowsQuarantined},
		{"usage days", strings.Join(slices.Sorted(maps.Keys(days)), " ")}, {"records billed", sheet.Records},
		{"sums compared (meter and day)", len(sheet.Lines)}, {"sums that differ", uneven},
		{"open days, revisions", fmt.Sprintf("%d, %d", sheet.OpenDays, sheet.OpenRevisions)},
		{"messages queued, poisoned, failed", fmt.Sprintf("%d, %d, %d", sheet.QueuedMessages, sheet.PoisonMessages, sheet.FailedMessages)},
	} {
		fmt.Fprintf(w, "%v\t%v\n", line[0], line[1])
	}
	w.Flush()
	PrintProblems(out, sheet.Problems, 10)
	if sheet.Balanced {
		fmt.Fprintln(out, "\nbalanced: every row served is billed or quarantined, to the last digit")
	} else {
		fmt.Fprintln(out, "\nNOT BALANCED")
	}
}

// PrintProblems prints as many of the problems of a balance sheet.
func PrintProblems(out io.Writer, problems []string, most int) {
	for i, p := range problems {
		if i == most {
			fmt.Fprintf(out, "and %d more problems: see balance.json\n", len(problems)-i)
			break
		}
		fmt.Fprintln(out, "PROBLEM:", p)
	}
}
