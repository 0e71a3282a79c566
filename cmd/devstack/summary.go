package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"stackusage/cmd/stackusage/cli"
	"stackusage/internal/devstack/balance"
)

// printSummary prints the bill per meter and the balance sheet.
func (s *site) printSummary(ctx context.Context, sheet balance.Sheet, out io.Writer) error {
	body, err := get(ctx, s.commerce+"/v1/bill?format=json")
	if err != nil {
		return err
	}
	defer body.Close()
	var b bill
	if err := json.NewDecoder(body).Decode(&b); err != nil {
		return fmt.Errorf("read bill: %w", err)
	}
	for _, st := range b.Statements {
		fmt.Fprintf(out, "\nBill of %s for subscription %s, region Azure Stack\n\n", st.Month, st.BillingSubscriptionID)
		grid := cli.Grid{Head: []string{"METER", "CLASS", "QUANTITY", "UNIT", "RATE", "AMOUNT", "CURRENCY"}}
		for _, l := range st.Lines {
			name := l.MeterName
			switch {
			case name == "":
				name = l.MeterID
			case !strings.Contains(strings.ReplaceAll(name, " ", ""), strings.ReplaceAll(l.MeterSubCategory, " ", "")):
				name = l.MeterSubCategory + ", " + name
			}
			amount, currency := l.Amount, l.Currency
			if l.Rate == "" {
				amount, currency = "", "not priced"
			}
			grid.Row(name, l.MeterClass, cli.Number(short(l.Quantity)), l.Unit, cli.Number(l.Rate), cli.Number(amount), currency)
		}
		grid.Row("total", "", cli.Number(""), "", cli.Number(""), cli.Number(st.Total), st.Currency)
		if err := grid.Print(out); err != nil {
			return err
		}
		if st.Unpriced > 0 {
			fmt.Fprintf(out, "\nLines without a published price, not in the total: %d (docs/bill.md)\n", st.Unpriced)
		}
	}
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
	printProblems(out, sheet.Problems, 10)
	if sheet.Balanced {
		fmt.Fprintln(out, "\nbalanced: every row served is billed or quarantined, to the last digit")
	} else {
		fmt.Fprintln(out, "\nNOT BALANCED")
	}
	fmt.Fprintln(out, "results:", s.o.out)
	fmt.Fprintln(out, "see the bill in a browser:", keepOpen(os.Args[0], s.o))
	return nil
}

func printProblems(out io.Writer, problems []string, most int) {
	for i, p := range problems {
		if i == most {
			fmt.Fprintf(out, "and %d more problems: see balance.json\n", len(problems)-i)
			break
		}
		fmt.Fprintln(out, "PROBLEM:", p)
	}
}

// keepOpen is the command that shows the same usage as a run, and keeps it open.
func keepOpen(program string, o options) string {
	command := program + " up"
	switch {
	case o.recordings != "":
		command += " --recordings " + o.recordings
	case o.scenario != defaultScenario:
		command += " --scenario " + o.scenario
	}
	if o.registration != asIntegrated {
		command += " --registration " + o.registration
	}
	if o.seed != 1 {
		command += fmt.Sprint(" --seed ", o.seed)
	}
	return command
}

// short shows at most eight decimals of a quantity; the files have them all.
func short(quantity string) string {
	whole, fraction, _ := strings.Cut(quantity, ".")
	if len(fraction) <= 8 {
		return quantity
	}
	return whole + "." + fraction[:8] + "..."
}

func (s *site) printAddresses(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, line := range [][2]string{
		{"status of the app", s.host.URL() + "/api/status"},
		{"run Sweep now", "curl -X POST " + s.host.URL() + "/admin/functions/Sweep -H 'Content-Type: application/json' -d '{\"input\":\"\"}'"},
		{"stack", s.stackTLS},
		{"provider subscription", s.stack.Provider()},
		{"look at the agent", strings.Join(s.front.Environment(), " ") + " " + s.o.agent + " doctor --config " + filepath.Join(s.dir, firstAgent, "config.yaml")},
		{"bill", s.commerce + "/v1/bill?format=csv"},
		{"usage details file", s.commerce + "/v1/usage-details.csv"},
		{"log", filepath.Join(s.o.out, "host.log")},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	w.Flush()
	fmt.Fprintf(out, "\nTo use stackusage with it:\n  export UsageStorage='%s' LandingStorage='%s' STACKUSAGE_PRICES='%s'\n",
		s.settings["UsageStorage"], s.settings["LandingStorage"], s.pricesFile())
}

// pricesFile is where devstack up puts commerce's price sheet.
func (s *site) pricesFile() string {
	path := filepath.Join(s.o.out, "prices.csv")
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}
