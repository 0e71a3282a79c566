// Package overview is the first page of the console: is all well, and how far is each
// stack.
package overview

import (
	"cmp"
	"context"
	"embed"
	"fmt"
	"html/template"
	"strings"

	"golang.org/x/sync/errgroup"

	"stackusage/cmd/stackusage/checks"
	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/cmd/stackusage/days"
	"stackusage/cmd/stackusage/hours"
	"stackusage/cmd/stackusage/usages"
	"stackusage/shared/hourlog"
	"stackusage/shared/status"
	"stackusage/shared/usage"
)

//go:embed *.html
var files embed.FS

var templates = page.Parse(files, "*.html")

// at once is how many registrations are read at the same time.
const atOnce = 4

// card is what the page says of a registration.
type card struct {
	status.Registration
	Health   string
	Bad      bool
	Progress string
	LastDay  string        // closed
	Rows     template.HTML // of the last hours, as a picture
	Month    string        // of the last closed day
	ToDate   *page.Cell    // what is in the bill of the month; nil: there are no prices, or it is not read
	Currency string
	Reading  string   // what the amount lacks
	Notes    []string // what could not be read
}

// view is the state of all.
type view struct {
	Cards    []*card
	Findings []finding
	Looked   string
}

// finding is a finding with the words that people read.
type finding struct {
	status.Finding
	ID    string // of the first finding of a registration: its card leads there
	Title string
	Text  string
	Look  page.Link // the page that shows it; without an address: none
	Next  []next
}

// next is a command to run.
type next struct{ Lead, Command, Note string }

// Show makes the page.
func Show(r *page.Request) (*page.Page, error) {
	p := &page.Page{Title: "Overview", Section: "/"}
	var v view
	p.Part(r, "registrations", "Registrations", func(part *page.Part) error {
		part.Command = []string{"status"}
		err := page.Ask(r, func(s status.Status) error {
			v = of(s)
			return nil
		}, part.Command...)
		if err != nil {
			return err
		}
		var group errgroup.Group
		group.SetLimit(atOnce)
		for _, c := range v.Cards {
			group.Go(func() error { c.read(r); return nil })
		}
		_ = group.Wait() // what a card lacks stands in it
		return part.Render(templates, "cards", v)
	})
	if len(v.Findings) > 0 {
		p.Part(r, "findings", "Findings", func(part *page.Part) error { return part.Render(templates, "findings", v) })
	}
	return p, nil
}

// of is the words for a status.
func of(s status.Status) (v view) {
	for _, reg := range s.Registrations {
		v.Cards = append(v.Cards, &card{Registration: reg, Health: checks.Health(reg), Bad: reg.Problems > 0, Progress: checks.Progress(reg)})
	}
	seen := map[string]bool{}
	for _, f := range s.Findings {
		shown := finding{Finding: f, Title: cmp.Or(f.Registration, "app"), Text: f.Text, Look: look(f)}
		if f.CloudID != "" && !seen[f.CloudID] {
			seen[f.CloudID] = true
			shown.ID = "findings-" + f.CloudID
		}
		if !f.Since.IsZero() && !strings.Contains(f.Text, "since") {
			shown.Text += ", since " + usage.Point(f.Since)
		}
		for i, step := range f.Next {
			n := next{Lead: "next:", Command: step.Command, Note: step.Note}
			if i > 0 {
				n.Lead = "or:"
			}
			shown.Next = append(shown.Next, n)
		}
		v.Findings = append(v.Findings, shown)
	}
	v.Looked = checks.Looked(s)
	return v
}

// sparkDays are the reported days whose hours the picture has.
const sparkDays = 3

// closedDays is how far back the last closed day is looked for.
const closedDays = 45

// read reads the last hours and the last closed day.
func (c *card) read(r *page.Request) {
	if c.LastHour == nil {
		return
	}
	last := c.LastHour.Day()
	c.note(page.Ask(r, func(rows cli.Rows) error {
		var counts []int64
		for v, err := range rows.All {
			if err != nil {
				return err
			}
			if h := v.Row.(hours.Row); h.Verdict == string(hourlog.Accepted) {
				counts = append(counts, h.Records)
			}
		}
		c.Rows = page.Sparkline(counts, "rows of the last reported hours")
		return nil
	}, "hour", "list", "--registration", c.CloudID, "--from", (last - sparkDays + 1).String(), "--to", last.String()))
	c.note(page.Ask(r, func(rows cli.Rows) error {
		for v, err := range rows.All {
			if err != nil {
				return err
			}
			if d := v.Row.(days.Row); !d.Closed.IsZero() {
				c.LastDay = d.Day
			}
		}
		return nil
	}, "day", "list", "--registration", c.CloudID, "--from", (last - closedDays).String(), "--to", last.String()))
	if c.LastDay != "" {
		c.note(c.toDate(r))
	}
}

// toDate sums the month of the last closed day: what is read of it, while the rest is read
// in the background.
func (c *card) toDate(r *page.Request) error {
	c.Month = c.LastDay[:len("2024-03")]
	args := []string{"usage", "--month", c.Month, "--by", "registration", "--registration", c.CloudID}
	return page.Ask(r, func(q *usages.Question) error {
		o := q.Options
		o.CachedOnly = true
		report, err := q.Report(r, o)
		if err != nil {
			return err
		}
		defer report.Close()
		if !report.Priced {
			return nil
		}
		amount := page.Amount(report.Total[0].Amount)
		c.ToDate, c.Currency = &amount, o.Prices.Currency
		open := 0
		for _, u := range report.Unread {
			if u.Open {
				open++
			}
		}
		if open > 0 {
			c.Reading = "without " + cli.Count(open, "day") + " that commerce has not answered"
		}
		if len(report.Unread) > open {
			c.Reading = cli.Count(len(report.Unread), "day") + " still to be read; reload the page"
			job := r.Jobs.Start("month to date "+c.Month+" "+c.CloudID, func(ctx context.Context, doing func(string)) error {
				return q.Fill(ctx, func(done, total int) { doing(fmt.Sprintf("%d of %d days", done, total)) })
			})
			return job.Err
		}
		return nil
	}, append(args, r.Prices...)...)
}

func (c *card) note(err error) {
	if err != nil {
		c.Notes = append(c.Notes, page.Explain(err))
	}
}

// look is the page that shows what a finding is about.
func look(f status.Finding) page.Link {
	switch f.Code {
	case status.HoursMissing, status.HoursAccepted, status.StackSilent, status.HourConflict, status.FileRejected, status.FileUnregistered:
		return lookAtHours(f)
	case status.RowsUndecided:
		return page.Link{Text: "Rejected rows", Href: page.Href("/quarantine", "registration", f.CloudID, "state", string(hourlog.RowRejected))}
	case status.DayOverdue, status.DayWaits, status.RecordsDeclined:
		if f.UsageDay != "" {
			return page.Link{Text: "Usage day " + f.UsageDay, Href: page.Href("/day", "registration", f.CloudID, "day", f.UsageDay)}
		}
		return page.Link{Text: "Usage days", Href: page.Href("/days", "registration", f.CloudID)}
	case status.BatchRefused, status.BatchUnanswered, status.CredentialsRefused:
		return page.Link{Text: "Batches", Href: page.Href("/batches", "registration", f.CloudID)}
	case status.DecisionWaits:
		return page.Link{Text: "Observations", Href: page.Href("/findings", "registration", f.CloudID)}
	case status.MessagesFailed, status.MessagesPoisoned:
		return page.Link{Text: "Messages", Href: "/messages"}
	}
	return page.Link{}
}

// lookAtHours is the hour of a finding that names one, or the month of the first of them.
func lookAtHours(f status.Finding) page.Link {
	all := page.Link{Text: "Reported hours", Href: page.Href("/calendar", "registration", f.CloudID)}
	if len(f.Details) == 0 {
		return all
	}
	first, more, _ := strings.Cut(f.Details[0], " ")
	at, err := usage.ParsePoint(first)
	if err != nil {
		return all
	}
	hour := usage.HourOf(at)
	if len(f.Details) > 1 || strings.HasPrefix(more, "to ") {
		all.Href = page.Href("/calendar", "registration", f.CloudID, "month", usage.MonthOf(hour.Day()).String())
		return all
	}
	return page.Link{Text: "Hour " + hour.String(), Href: page.Href("/hour", "registration", f.CloudID, "hour", hour.String())}
}
