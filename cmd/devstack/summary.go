package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"stackusage/cmd/devstack/results"
	"stackusage/cmd/devstack/view"
	"stackusage/internal/devstack/balance"
)

// printSummary prints the bill per meter and the balance sheet.
func (s *site) printSummary(ctx context.Context, sheet balance.Sheet, out io.Writer) error {
	b, err := results.ReadBill(ctx, s.commerce)
	if err != nil {
		return err
	}
	if err := b.Print(out); err != nil {
		return err
	}
	results.PrintSheet(out, sheet)
	fmt.Fprintln(out, "results:", s.o.out)
	fmt.Fprintln(out, "see the bill in a browser:", keepOpen(os.Args[0], s.o))
	return nil
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
		{"log", s.o.logFile()},
	} {
		fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	w.Flush()
}

// toolSettings are the environment of stackusage.
func (s *site) toolSettings() []view.Setting {
	return []view.Setting{{Name: "UsageStorage", Value: s.settings["UsageStorage"]}, {Name: "LandingStorage", Value: s.settings["LandingStorage"]},
		{Name: "STACKUSAGE_PRICES", Value: s.pricesFile()}}
}

// printWays says how to look at what is running. It returns the console, nil if there is none.
func (s *site) printWays(ctx context.Context, page view.Account, out io.Writer) *view.Console {
	page.Print(out)
	tool, err := filepath.Abs(s.o.tool)
	if err != nil {
		tool = s.o.tool
	}
	console, err := view.StartConsole(ctx, tool, s.o.ports.Console, s.toolSettings())
	if err != nil {
		fmt.Fprintf(out, "The console did not start: %v\n\n", err)
	} else {
		s.closers = append(s.closers, console.Stop)
		fmt.Fprintf(out, "See what stackusage knows in a browser:\n  console  %s   works once\n\n", console.Address)
	}
	view.PrintExports(out, filepath.Dir(tool), s.toolSettings())
	return console
}

// pricesFile is where devstack up puts commerce's price sheet.
func (s *site) pricesFile() string {
	path := filepath.Join(s.o.out, "prices.csv")
	if absolute, err := filepath.Abs(path); err == nil {
		return absolute
	}
	return path
}
