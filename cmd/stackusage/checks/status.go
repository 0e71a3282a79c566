package checks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/closing"
	"stackusage/shared/status"
	"stackusage/shared/telemetry"
	"stackusage/shared/usage"
)

const aboutStatus = `One line for each registration, and below it what somebody should know: each finding
with since when, and the command to run next. PROBLEM needs a person; NOTICE does not.

--output json prints the object of GET /api/status: findings have a stable code, which
docs/operations.md explains and alert rules use. --output csv prints a row for each
finding, and one for each registration without any.

SETTLING_HOURS, CLOSE_DELAY, REOPEN_DELAY and COMMERCE_LATENESS_LIMIT in the environment
are those of the function app; unset, they have the same defaults.

Exit code: 0 all is well; 2 there is a problem; 1 storage cannot be read, or the call is
wrong.`

// watchEvery is how often --watch reads the status.
const watchEvery = 30 * time.Second

// Status is stackusage status.
func Status(e *cli.Env) *cobra.Command {
	var only *cli.Registration
	var watch bool
	cmd := cli.Command("status", "Report whether all is well, and what to do if not", aboutStatus, `
stackusage status
stackusage status --registration hamburg --watch
stackusage status --output json`, func(ctx context.Context) error {
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		rules, err := rulesOf(e.Getenv, storage.Settling)
		if err != nil {
			return err
		}
		log, err := telemetry.NewTextLogger(e.Stderr, "warn")
		if err != nil {
			return err
		}
		r := status.Reader{Tables: storage.Tables, Registrations: storage.Registry(), Blobs: storage.Usage.Blobs, Landing: storage.Landing.Blobs,
			Queues: storage.Usage.Queues, Log: log, Now: time.Now, Only: cloudID,
			Closer: &closing.Closer{Tables: storage.Tables, Rules: rules, Now: time.Now}}
		last := time.Now()
		r.Progress = func(done, of int) {
			if time.Since(last) >= every {
				last = time.Now()
				fmt.Fprintf(e.Stderr, "status: %d of %s looked at\n", done, cli.Count(of, "registration"))
			}
		}
		show := func() error {
			last = time.Now()
			s, err := r.Read(ctx)
			if err != nil {
				return err
			}
			return printStatus(e, s, watch)
		}
		for {
			err := show()
			if !watch || err != nil && !errors.Is(err, cli.ErrDifferences) {
				return err
			}
			select {
			case <-ctx.Done():
				return err
			case <-time.After(watchEvery):
			}
		}
	})
	only = e.AnyRegistration(cmd)
	cmd.Flags().BoolVar(&watch, "watch", false, "read it again every "+usage.Span(watchEvery)+", until you interrupt it")
	return cmd
}

// rulesOf are the rules by which the function app closes days, from its settings.
func rulesOf(getenv func(string) string, settling time.Duration) (closing.Rules, error) {
	rules := closing.Rules{SettlingHours: int(settling / time.Hour), CloseDelay: 48 * time.Hour, ReopenDelay: 6 * time.Hour}
	for name, into := range map[string]*time.Duration{"CLOSE_DELAY": &rules.CloseDelay, "REOPEN_DELAY": &rules.ReopenDelay, "COMMERCE_LATENESS_LIMIT": &rules.LatenessLimit} {
		if text := getenv(name); text != "" {
			var err error
			if *into, err = time.ParseDuration(text); err != nil {
				return rules, fmt.Errorf("setting %s: %q is not a duration like 15m or 48h", name, text)
			}
		}
	}
	return rules, nil
}

// healthy is the severity of the row in CSV of a registration without findings.
const healthy status.Severity = "healthy"

// printStatus prints the status. The error is ErrDifferences if there is a problem.
func printStatus(e *cli.Env, s status.Status, clear bool) error {
	var err error
	switch {
	case e.View != nil:
		return e.View(s)
	case e.JSON():
		err = cli.Report(e, s)
	case e.Tables():
		if clear && terminal(e.Stdout) {
			fmt.Fprint(e.Stdout, "\x1b[H\x1b[2J")
		}
		err = printForPeople(e.Stdout, s)
	default:
		err = cli.List(e, cli.Each(rowsOf(s)), cli.Table[status.Finding]{})
	}
	for _, f := range s.Findings {
		if err == nil && f.Severity == status.Problem {
			err = cli.ErrDifferences
		}
	}
	return err
}

func terminal(out io.Writer) bool {
	file, is := out.(*os.File)
	if !is {
		return false
	}
	about, err := file.Stat()
	return err == nil && about.Mode()&os.ModeCharDevice != 0
}

func rowsOf(s status.Status) []status.Finding {
	rows := s.Findings
	for _, r := range s.Registrations {
		if r.Problems+r.Notices == 0 {
			rows = append(rows, status.Finding{Severity: healthy, Registration: r.Title(), CloudID: r.CloudID, Text: Progress(r)})
		}
	}
	return rows
}

func printForPeople(out io.Writer, s status.Status) error {
	var grid cli.Grid
	width := len("app")
	for _, r := range s.Registrations {
		grid.Row(r.Title(), Health(r), Progress(r))
		width = max(width, len(r.Title()))
	}
	if err := grid.Print(out); err != nil {
		return err
	}
	if len(s.Findings) > 0 && len(s.Registrations) > 0 {
		fmt.Fprintln(out)
	}
	indent := strings.Repeat(" ", len("PROBLEM  ")+width+2)
	for _, f := range s.Findings {
		title := f.Registration
		if title == "" {
			title = "app"
		}
		text := f.Text
		if !f.Since.IsZero() && !strings.Contains(text, "since") {
			text += ", since " + usage.Point(f.Since)
		}
		fmt.Fprintf(out, "%-7s  %-*s  %s\n", strings.ToUpper(string(f.Severity)), width, title, text)
		for _, d := range f.Details {
			fmt.Fprintln(out, indent+d)
		}
		for i, step := range f.Next {
			lead := "next: "
			if i > 0 {
				lead = "or:   "
			}
			if step.Note != "" {
				step.Command += "   (" + step.Note + ")"
			}
			fmt.Fprintln(out, indent+lead+step.Command)
		}
	}
	if len(s.Registrations)+len(s.Findings) > 0 {
		fmt.Fprintln(out)
	}
	_, err := fmt.Fprintln(out, Looked(s))
	return err
}

// Health is how a registration is, in a few words.
func Health(r status.Registration) string {
	var parts []string
	if r.Problems > 0 {
		parts = append(parts, cli.Count(r.Problems, "problem"))
	}
	if r.Notices > 0 {
		parts = append(parts, cli.Count(r.Notices, "notice"))
	}
	switch {
	case r.Name == "":
		parts = append(parts, "not registered")
	case r.Problems == 0:
		parts = append([]string{"healthy"}, parts...)
	}
	return strings.Join(parts, ", ")
}

// Progress is how far a stack has come.
func Progress(r status.Registration) string {
	text := "nothing accepted yet"
	if r.LastHour != nil {
		text = "last hour " + r.LastHour.String()
		if r.Behind > 0 {
			text = "behind " + usage.Span(time.Duration(r.Behind)*time.Second) + ", " + text
		}
	}
	if r.OpenDays > 0 {
		text += ", " + cli.Count(r.OpenDays, "open day")
	}
	return text
}

// Looked is what the status has looked at.
func Looked(s status.Status) string {
	text := fmt.Sprintf("%s, %s checked", cli.Count(len(s.Registrations), "registration"), cli.Count(s.Checked, "open item"))
	if s.Sweep == nil {
		return text + ", Sweep has not run"
	}
	text += fmt.Sprintf(", Sweep ran %s (%s)", usage.Point(s.Sweep.At), usage.Ago(s.Now, s.Sweep.At)) // it may run while the status is read
	if s.Sweep.Version != "" {
		text += ", app " + s.Sweep.Version
	}
	return text
}
