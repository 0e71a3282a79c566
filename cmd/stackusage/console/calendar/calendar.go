// Package calendar is the console's calendar: which reported hours of a registration have
// come, by month, by year, and the hours of a day.
package calendar

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"stackusage/cmd/stackusage/console/page"
	"stackusage/shared/status"
	"stackusage/shared/usage"
)

//go:embed *.html
var files embed.FS

var templates = page.Parse(files, "*.html")

// Show makes the page: of a day, a year or, else, a month.
func Show(r *page.Request) (*page.Page, error) {
	name := r.Get("registration")
	p := &page.Page{Title: "Reported hours", Section: "/", Trail: []page.Link{{Text: "Overview", Href: "/"}}}
	if name == "" {
		p.Part(r, "hours", "", func(part *page.Part) error {
			field := r.RegistrationField()
			part.Form = &page.Form{Action: r.Path, Fields: []page.Field{field}}
			part.Lead = "Choose a registration."
			return nil
		})
		return p, nil
	}
	title := page.RegistrationName(r, name)
	p.Title = "Reported hours of " + title
	switch {
	case r.Get("day") != "":
		day, err := usage.ParseDay(r.Get("day"))
		if err != nil {
			return failed(r, p, err), nil
		}
		p.Trail = append(p.Trail, page.Link{Text: title, Href: page.Href(r.Path, "registration", name, "month", usage.MonthOf(day).String())})
		p.Title = "Hours of " + day.String()
		showDay(r, p, day)
	case r.Get("year") != "":
		year, err := strconv.Atoi(r.Get("year"))
		first, parseErr := usage.ParseDay(fmt.Sprintf("%04d-01-01", year))
		if err = errors.Join(err, parseErr); err != nil {
			return failed(r, p, fmt.Errorf("year %q: want a year, for example 2024", r.Get("year"))), nil
		}
		showYear(r, p, year, first)
	default:
		month, err := monthOf(r)
		if err != nil {
			return failed(r, p, err), nil
		}
		showMonth(r, p, month)
	}
	return p, nil
}

// failed is the page where it cannot be known what to show.
func failed(r *page.Request, p *page.Page, err error) *page.Page {
	p.Part(r, "hours", "", func(*page.Part) error { return err })
	return p
}

// monthOf is the month that is asked for, or that of the last reported hour.
func monthOf(r *page.Request) (usage.Month, error) {
	if text := r.Get("month"); text != "" {
		return usage.ParseMonth(text)
	}
	month := usage.MonthOf(usage.HourOf(r.Now).Day())
	err := page.Ask(r, func(s status.Status) error {
		for _, reg := range s.Registrations {
			if reg.LastHour != nil {
				month = usage.MonthOf(reg.LastHour.Day())
			}
		}
		return nil
	}, append([]string{"status"}, r.Flags("registration")...)...)
	return month, err
}

// entry is a line of a legend: a state, and how many hours have it.
type entry struct {
	look
	Count int
}

// legend lists the states that there are.
func legend(of map[state]int) (all []entry) {
	for s := conflict; s >= none; s-- {
		if of[s] > 0 {
			all = append(all, entry{looks[s], of[s]})
		}
	}
	slices.Reverse(all)
	return all
}

// square is a square of a picture.
type square struct {
	X, Y, Size int
	look
	Text, Href string
}

// CenterX is where the glyph stands.
func (s square) CenterX() int { return s.X + s.Size/2 }

// CenterY is its base line.
func (s square) CenterY() int { return s.Y + s.Size/2 + 4 }

// row is a row of squares.
type row struct {
	Y           int
	Label, Href string
	Squares     []square
}

// text is a text of a picture.
type text struct {
	X, Y int
	Text string
}

// picture is a picture of squares.
type picture struct {
	Label         string
	Width, Height int
	Heads         []text
	Rows          []row
	Legend        []entry
	Nav           []page.Link
	Note          string
}
