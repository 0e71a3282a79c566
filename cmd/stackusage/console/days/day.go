package days

import (
	"errors"
	"fmt"
	"slices"

	"stackusage/cmd/stackusage/batches"
	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/shared/daily"
	"stackusage/shared/outbox"
	"stackusage/shared/status"
	"stackusage/shared/usage"
)

// ShowDay is the page of one day.
func ShowDay(r *page.Request) (*page.Page, error) {
	of, text := r.Get("registration"), r.Get("day")
	p := &page.Page{Title: "Usage day " + text, Section: "/", Trail: trail(r, of, page.Link{Text: "Usage days", Href: page.Href("/days", "registration", of)})}
	day, err := usage.ParseDay(text)
	if err != nil || of == "" {
		p.Title = "Usage day"
		return p, chooseDay(p, r, err)
	}
	var open bool
	p.Part(r, "revisions", "Revisions", func(part *page.Part) error {
		part.Command = []string{"day", "list", "--registration", of, "--from", day.String(), "--to", day.String()}
		view := dayView{Before: dayHref(of, day-1), After: dayHref(of, day+1), Day: day.String(), Registration: of, Month: day.String()[:len("2024-03")]}
		return page.Ask(r, func(rows cli.Rows) error {
			all, err := read(rows)
			if err != nil {
				return err
			}
			of, err := batchesOf(r, of, day.String())
			if err != nil {
				part.Notes = append(part.Notes, "Batches cannot be read: "+page.Explain(err))
			}
			for _, d := range all {
				open = open || d.State != "" && d.State != awaited
				view.Steps = append(view.Steps, step{d, of[d.Revision]})
			}
			return part.Render(templates, "day", view)
		}, part.Command...)
	})
	if open || r.CSV() == "open" {
		p.Part(r, "open", "Open", func(part *page.Part) error {
			part.Command = []string{"status", "--registration", of}
			return page.Ask(r, func(s status.Status) error {
				other := func(d status.OpenDay) bool { return d.UsageDay != day.String() }
				s.OpenDays, s.OpenRevisions = slices.DeleteFunc(s.OpenDays, other), slices.DeleteFunc(s.OpenRevisions, other)
				return part.Show(r, openTable(s, false))
			}, part.Command...)
		})
	}
	p.Part(r, "lines", "Lines", func(part *page.Part) error { return lines(r, part, of, day) })
	return p, nil
}

// chooseDay asks for what the address lacks.
func chooseDay(p *page.Page, r *page.Request, err error) error {
	p.Part(r, "choose", "", func(part *page.Part) error {
		part.Form = &page.Form{Action: r.Path, Fields: []page.Field{r.RegistrationField(), {Name: "day", Label: "Usage day", Kind: "date", Value: r.Get("day")}}}
		if r.Get("day") == "" || err == nil {
			err = errors.New("choose a registration and a usage day")
		}
		return err
	})
	return nil
}

// awaited is the state of a day for which nothing has landed.
const awaited = "awaited"

// dayView is a day with its revisions.
type dayView struct {
	Day, Month, Registration, Before, After string
	Steps                                   []step
}

// step is a revision.
type step struct {
	row
	Batches []batches.Row
}

func dayHref(registration string, day usage.Day) string {
	return page.Href("/day", "registration", registration, "day", day.String())
}

// HourHref leads to a reported hour.
func (s step) HourHref(h usage.Hour) string {
	return page.Href("/hour", "registration", s.CloudID, "hour", h.String())
}

// Changed says of hours what became of them, in order.
func (s step) Changed() (all []changed) {
	for _, c := range []changed{{"missing", s.Missing}, {"arrived", s.Arrived}, {"replaced by another file", s.Replaced}, {"removed", s.Removed}} {
		if len(c.Hours) > 0 {
			all = append(all, c)
		}
	}
	return all
}

// changed is what became of hours.
type changed struct {
	What  string
	Hours []usage.Hour
}

// Text counts them.
func (c changed) Text() string { return cli.Count(len(c.Hours), "hour") + " " + c.What }

// Reported says how many hours the revision has.
func (s step) Reported() string {
	if s.Complete {
		return fmt.Sprintf("%d, all of them", s.Inputs)
	}
	return fmt.Sprintf("%d of %d", s.Inputs, s.Inputs+int64(len(s.Missing)))
}

// Remarks are what is particular about the revision.
func (s step) Remarks() (texts []string) {
	if s.Reporting == daily.ReportingOff {
		texts = append(texts, "Usage reporting was off: usage is counted, and billed nowhere.")
	}
	if s.Waived > 0 {
		texts = append(texts, cli.Count(s.Waived, "line")+" not billed by the decision of an operator.")
	}
	if s.Repeat > 0 {
		texts = append(texts, fmt.Sprintf("Records that commerce declined are sent again, repeat %d.", s.Repeat))
	}
	return texts
}

// Never says why a day was never closed.
func (s step) Never() string {
	if s.State == awaited {
		return "Nothing has landed for it yet."
	}
	return "Usage has landed, and no revision has it yet."
}

// Outcomes counts the records of the batches by what commerce said.
func (s step) Outcomes() (texts []string) {
	var sums [6]int64
	for _, b := range s.Batches {
		open := b.Records
		if b.State == string(outbox.BatchDone) {
			open = 0
		}
		for i, n := range []int64{b.Accepted, b.Duplicate, b.Conflict, b.Rejected, b.Expired, open} {
			sums[i] += n
		}
	}
	for i, name := range []string{"accepted", "duplicate", "in conflict", "rejected", "expired", "without an outcome"} {
		if sums[i] > 0 {
			texts = append(texts, fmt.Sprintf("%s %s", page.CellOf(sums[i]).Text, name))
		}
	}
	return texts
}

// batchesOf are the batches of a day by revision.
func batchesOf(r *page.Request, registration, day string) (map[int64][]batches.Row, error) {
	of := map[int64][]batches.Row{}
	err := page.Ask(r, func(rows cli.Rows) error {
		for v, err := range rows.All {
			if err != nil {
				return err
			}
			b, is := v.Row.(batches.Row)
			if !is {
				return fmt.Errorf("batch list has a row of %T", v.Row)
			}
			of[int64(b.Revision)] = append(of[int64(b.Revision)], b)
		}
		return nil
	}, "batch", "list", "--all", "--registration", registration, "--day", day)
	return of, err
}
