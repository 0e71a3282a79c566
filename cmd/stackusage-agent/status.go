package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"stackusage/agent/config"
	"stackusage/agent/inspection"
	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// shown is what status shows; without an agent that has run, only what is known
// without one.
type shown struct {
	CloudID string   `json:"cloudId"`
	Spool   string   `json:"spool"`
	Open    []string `json:"open"` // what somebody has to look at

	NextDue usage.Hour `json:"nextHourDue"`   // read from the files
	Behind  int64      `json:"secondsBehind"` // since that was due
	*status.Status

	byHand bool // hours are exported
}

func (p *program) statusCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use: "status", Short: "Show the last hour, the next one, and what is open",
		Long: `Show the last hour, the next one, what waits and what failed. It reads the files of the
spool, changes nothing, and may run at any time.

Exit code: 0 nothing is open; 2 an hour is late, fails or is not uploaded, nothing can be
collected or uploaded, the spool is over a limit, or no agent runs; 1 it could not read the
spool.`,
		Example: `  stackusage-agent status
  stackusage-agent status --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return p.status(asJSON, cmd.OutOrStdout()) },
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON instead of a table")
	return cmd
}

func (p *program) status(asJSON bool, stdout io.Writer) error {
	conf, err := config.Read(p.config, p.getenv)
	if err != nil {
		return err
	}
	now := time.Now()
	view := shown{CloudID: conf.CloudID, Spool: spoolDir(conf), Open: []string{}, byHand: conf.Storage.None}
	found, err := inspection.Inspect(view.Spool, settings(conf), limits(conf), now)
	if err != nil {
		return err
	}
	view.NextDue, view.Behind, view.Status = found.Next, int64(found.Lag/time.Second), found.Status
	for _, what := range found.Open {
		view.Open = append(view.Open, oneLine(what))
	}
	if asJSON {
		out := json.NewEncoder(stdout)
		out.SetIndent("", "  ")
		err = out.Encode(view)
	} else {
		err = view.print(stdout, now)
	}
	if err == nil && len(view.Open) > 0 {
		err = openError{fmt.Errorf("%d open", len(view.Open))}
	}
	return err
}

func (v shown) print(w io.Writer, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("registration", "%s", v.CloudID)
	row("spool", "%s", v.Spool)
	if s := v.Status; s != nil {
		row("reported", "%s, %s ago, by pid %d, version %s", usage.Point(s.Updated), usage.Span(now.Sub(s.Updated)), s.PID, oneLine(s.Version))
		row("last hour collected", "%s", hourAt(s.LastSealed, s.LastCollected))
		row("last hour uploaded", "%s", hourAt(s.LastUploaded, s.LastUpload))
		row("next hour", "%s", v.NextDue)
		if v.Behind > 0 {
			row("behind", "%s", usage.Span(time.Duration(v.Behind)*time.Second))
		}
		if !s.NextRound.IsZero() {
			row("next round", "%s", usage.Point(s.NextRound))
		}
		if s.Waiting != "" {
			row("stack response", "%s", oneLine(s.Waiting))
		}
		waiting := "waiting for upload"
		if v.byHand {
			waiting = "waiting for export"
		}
		row(waiting, "%d hours, %d bytes", s.BacklogHours, s.BacklogBytes)
		if s.OldestSpooled != nil {
			row("oldest of these", "%s", s.OldestSpooled)
		}
		if !s.PartsSince.IsZero() {
			row("requests", "subscriber by subscriber since %s, as the stack is too slow for all at once", usage.Point(s.PartsSince))
		}
		if s.TenantsStale {
			row("subscriptions", "the stack's list could not be read; the last known one is used")
		}
		if s.Damaged > 0 {
			row("damaged files", "%d, set aside: look at the disk", s.Damaged)
		}
		switch f := s.LastError; {
		case f == nil:
			row("last error", "none")
		case s.CollectError == nil && s.UploadError == nil && len(s.FailingHours)+len(s.FailingFiles) == 0:
			row("last error", "%s, %s: %s (fixed since)", usage.Point(f.Time), oneLine(f.Step), oneLine(f.Text))
		}
	}
	if v.Status != nil {
		for _, what := range v.Status.Ending(now) {
			row("warning", "%s", what)
		}
	}
	if len(v.Open) == 0 {
		row("open", "nothing")
	}
	for _, what := range v.Open {
		row("open", "%s", what)
	}
	return t.Flush()
}

func hourAt(h *usage.Hour, at time.Time) string {
	switch {
	case h == nil:
		return "none"
	case at.IsZero():
		return h.String()
	}
	return h.String() + ", at " + usage.Point(at)
}

// oneLine makes text of others fit for a table and a terminal.
func oneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "\n", "; ")
}
