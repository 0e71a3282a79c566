package checks

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"stackusage/cmd/stackusage/cli"
	"stackusage/shared/status"
	"stackusage/shared/usage"
)

// Item is one line of stackusage status.
type Item struct {
	Kind    string `json:"kind"`
	CloudID string `json:"cloudId,omitempty"`
	Day     string `json:"usageDay,omitempty"`
	Text    string `json:"text"`
}

// Status is stackusage status.
func Status(e *cli.Env) *cobra.Command {
	var only *cli.Registration
	cmd := cli.Command("status", "Show what is open, and what waits for an operator", `Reads the same as GET /api/status of the function app, from storage.

KIND:
  agent           newest heartbeat of a stack's agent
  openDay         a usage day with something to close
  openRevision    a revision with batches that have no outcome yet
  finding         an observation that waits for a decision: stackusage finding list
  failedMessages  messages that failed for good, in table FailedMessages
  queue           messages that wait, about

It does not list rejected rows, nor files that are in conflict, rejected or not
registered: stackusage quarantine list, stackusage hour list --verdict conflict. How
late an agent is does not change the exit code.

--output json prints the object of GET /api/status, without what open days wait for.

Exit code: 0 nothing waits for an operator; 2 there are findings, failed messages or
records that commerce declined; 1 anything else.`, `
stackusage status
stackusage status --registration hamburg`, func(ctx context.Context) error {
		storage, cloudID, err := only.Filter(ctx)
		if err != nil {
			return err
		}
		s, err := status.Reader{Ledger: storage.Ledger, Registrations: storage.Registry(), Blobs: storage.Usage.Blobs, Landing: storage.Landing.Blobs,
			Queues: storage.Usage.Queues, Log: slog.New(slog.DiscardHandler), Now: time.Now}.Read(ctx)
		if err != nil {
			return err
		}
		keep(&s, cloudID)
		if e.JSON() {
			err = cli.Report(e, s)
		} else {
			err = cli.List(e, cli.Each(itemsOf(s)), cli.Table[Item]{
				Head:  []string{"KIND", "REGISTRATION", "USAGE DAY", "WHAT"},
				Cells: func(i Item) []any { return []any{i.Kind, storage.Name(ctx, i.CloudID), i.Day, i.Text} },
				None:  "nothing is open",
			})
		}
		if err == nil && waits(s) {
			err = cli.ErrDifferences
		}
		return err
	})
	only = e.AnyRegistration(cmd)
	return cmd
}

// keep leaves what is of one registration, or of none.
func keep(s *status.Status, cloudID string) {
	if cloudID == "" {
		return
	}
	other := func(d status.OpenDay) bool { return d.CloudID != cloudID }
	s.OpenDays, s.OpenRevisions = slices.DeleteFunc(s.OpenDays, other), slices.DeleteFunc(s.OpenRevisions, other)
	s.Agents = slices.DeleteFunc(s.Agents, func(a status.Agent) bool { return a.CloudID != cloudID })
	s.Findings = slices.DeleteFunc(s.Findings, func(f status.Finding) bool { return f.CloudID != cloudID })
}

// waits reports whether something waits for an operator.
func waits(s status.Status) bool {
	declined := func(d status.OpenDay) bool { return d.Declined > 0 }
	return len(s.Findings) > 0 || s.FailedMessages > 0 || slices.ContainsFunc(s.OpenDays, declined)
}

func itemsOf(s status.Status) (items []Item) {
	for _, a := range s.Agents {
		items = append(items, Item{"agent", a.CloudID, "", agentText(a)})
	}
	for _, d := range s.OpenDays {
		text := "open since " + usage.Point(d.Since)
		if d.Declined > 0 {
			text += fmt.Sprintf("; commerce declined %s (stackusage day list-declined)", cli.Count(d.Declined, "record"))
		}
		items = append(items, Item{"openDay", d.CloudID, d.UsageDay, text})
	}
	for _, d := range s.OpenRevisions {
		text := fmt.Sprintf("revision %d open since %s; %s without a response", d.Revision, usage.Point(d.Since), cli.Count(d.Unanswered, "batch"))
		if d.LastResponse != "" {
			text += fmt.Sprintf("; the last response: %.200q", d.LastResponse)
		}
		items = append(items, Item{"openRevision", d.CloudID, d.UsageDay, text})
	}
	for _, f := range s.Findings {
		items = append(items, Item{"finding", f.CloudID, f.UsageDay, f.Kind + ": " + f.Text})
	}
	if s.FailedMessages > 0 {
		items = append(items, Item{Kind: "failedMessages", Text: cli.Count(s.FailedMessages, "message") + " failed for good"})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Queues)) {
		if n := s.Queues[name]; n > 0 {
			items = append(items, Item{Kind: "queue", Text: fmt.Sprintf("%s on %s", cli.Count(n, "message"), name)})
		}
	}
	return items
}

func agentText(a status.Agent) string {
	h := a.Heartbeat
	switch {
	case a.Error != "":
		return a.Error
	case h == nil:
		return "no heartbeat in this month or the last"
	}
	parts := []string{"heartbeat " + usage.Point(h.At), "behind " + usage.Span(time.Duration(h.SecondsBehind)*time.Second)}
	if h.NextHour != nil {
		parts = append(parts, "next hour "+h.NextHour.String())
	}
	parts = append(parts, cli.Count(h.BacklogHours, "file")+" to be stored")
	if h.FailingHours+h.FailingFiles > 0 {
		parts = append(parts, fmt.Sprintf("failing: %s, %s", cli.Count(h.FailingHours, "hour"), cli.Count(h.FailingFiles, "file")))
	}
	if !h.CredentialEnd.IsZero() {
		parts = append(parts, "credential ends "+usage.Point(h.CredentialEnd))
	}
	return strings.Join(parts, ", ")
}
