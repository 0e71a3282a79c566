package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"stackusage/agent"
	"stackusage/agent/config"
	"stackusage/agent/inspection"
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
	*agent.Status
}

func status(args []string, getenv func(string) string, stdout, stderr io.Writer) error {
	fs := flagSet("status", stderr)
	path := configFlag(fs, getenv)
	asJSON := fs.Bool("json", false, "print JSON")
	if _, err := parse(fs, args); err != nil {
		return err
	}
	conf, err := config.Read(*path, getenv)
	if err != nil {
		return err
	}
	now := time.Now()
	view := shown{CloudID: conf.CloudID, Spool: spoolDir(conf), Open: []string{}}
	found, err := inspection.Inspect(view.Spool, settings(conf), limits(conf), now)
	if err != nil {
		return err
	}
	view.NextDue, view.Behind, view.Status = found.Next, int64(found.Lag/time.Second), found.Status
	for _, what := range found.Open {
		view.Open = append(view.Open, oneLine(what))
	}
	if *asJSON {
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
		row("told", "%s, %s ago, by pid %d, version %s", point(s.Updated), now.Sub(s.Updated).Round(time.Second), s.PID, oneLine(s.Version))
		row("last hour collected", "%s", hourAt(s.LastSealed, s.LastCollected))
		row("last hour dropped", "%s", hourAt(s.LastDropped, s.LastDrop))
		row("next hour", "%s", v.NextDue)
		if v.Behind > 0 {
			row("behind", "%s", (time.Duration(v.Behind) * time.Second).Round(time.Minute))
		}
		if !s.NextRound.IsZero() {
			row("next round", "%s", point(s.NextRound))
		}
		if s.Waiting != "" {
			row("the stack says", "%s", oneLine(s.Waiting))
		}
		row("wait to be dropped", "%d hours, %d bytes", s.BacklogHours, s.BacklogBytes)
		if s.OldestSpooled != nil {
			row("oldest of them", "%s", *s.OldestSpooled)
		}
		if !s.PartsSince.IsZero() {
			row("asked", "subscriber by subscriber since %s, as the stack is too slow for all at once", point(s.PartsSince))
		}
		if s.TenantsStale {
			row("subscriptions", "the stack's list could not be read; hours have the last known one")
		}
		if s.Damaged > 0 {
			row("damaged files", "%d, set aside: look at the disk", s.Damaged)
		}
		switch f := s.LastError; {
		case f == nil:
			row("last error", "none")
		case s.CollectError == nil && s.DropError == nil && len(s.FailingHours)+len(s.FailingFiles) == 0:
			row("last error", "%s, %s: %s (mended since)", point(f.Time), oneLine(f.Step), oneLine(f.Text))
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

// point is a point in time, and an hour by hourAt one that --from takes.
func point(at time.Time) string { return at.UTC().Format("2006-01-02 15:04:05 UTC") }

func hourAt(h *usage.Hour, at time.Time) string {
	switch {
	case h == nil:
		return "none"
	case at.IsZero():
		return h.String()
	}
	return h.String() + ", at " + point(at)
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
