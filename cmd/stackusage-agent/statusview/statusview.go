// Package statusview prints the status of an agent.
package statusview

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"stackusage/agent/status"
	"stackusage/shared/usage"
)

// View is what status shows; without an agent that has run, only what is known without
// one. Its JSON is that of status --json.
type View struct {
	CloudID string   `json:"cloudId"`
	Spool   string   `json:"spool"`
	Open    []string `json:"open"` // what somebody has to look at

	NextDue usage.Hour `json:"nextHourDue"`   // read from the files
	Behind  int64      `json:"secondsBehind"` // since that was due
	*status.Status

	ByHand bool `json:"-"` // hours are exported
}

// Print prints it as a table for a person, at this time.
func (v View) Print(w io.Writer, now time.Time) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("registration", "%s", v.CloudID)
	row("spool", "%s", v.Spool)
	if s := v.Status; s != nil {
		row("reported", "%s, %s, by pid %d, version %s", usage.Point(s.Updated), usage.Ago(now, s.Updated), s.PID, OneLine(s.Version))
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
			row("stack response", "%s", OneLine(s.Waiting))
		}
		waiting := "waiting for upload"
		if v.ByHand {
			waiting = "waiting for export"
		}
		row(waiting, "%s, %s", usage.Count(s.BacklogHours, "hour"), usage.Count(s.BacklogBytes, "byte"))
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
			row("last error", "%s, %s: %s (fixed since)", usage.Point(f.Time), OneLine(f.Step), OneLine(f.Text))
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

// OneLine makes text of others fit for a table and a terminal.
func OneLine(text string) string {
	text = strings.Map(func(r rune) rune {
		if r != '\n' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
	return strings.ReplaceAll(text, "\n", "; ")
}
