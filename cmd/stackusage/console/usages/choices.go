package usages

import (
	"cmp"
	"slices"

	"stackusage/cmd/stackusage/cli"
	"stackusage/cmd/stackusage/console/page"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// filters are what the page is narrowed by, and how to do without.
func (a *answer) filters(r *page.Request, v *view) {
	for _, name := range filters {
		value := r.Get(name)
		if value == "" {
			continue
		}
		c := page.Text(value)
		switch {
		case name == usagereport.Meter && len(a.meters) > 0:
			c = page.Text(cmp.Or(a.shownMeter(value), a.meters[0].Name))
			c.Whole = a.meters[0].ID
		case name == usagereport.Resource:
			c = page.Text(cli.Resource(value))
			c.Whole = value
		case name == usagereport.Subscription || name == usagereport.Tenant:
			if known := a.o.Names[usage.DashedGUID(value)]; known != "" {
				c = page.Cell{Text: known, Whole: value}
			}
		}
		v.Filters = append(v.Filters, filter{name, c.Text, c.Title(), r.With(name, "", "skip-usage", "", "skip-beside", "")})
	}
}

// shownMeter is the text, if it is the name of a meter.
func (a *answer) shownMeter(text string) string {
	for _, m := range a.meters {
		if text == m.Name || text == m.Name+adminSuffix {
			return text
		}
	}
	return ""
}

// measures are the choices of what the picture shows.
func (a *answer) measures(r *page.Request, v *view) {
	if a.priced && (r.Get("meter") != "" || slices.Contains(a.q.dims, usagereport.Meter)) {
		for _, m := range []struct{ value, text string }{{"", "Cost"}, {quantities, "Quantity"}} {
			v.Measures = append(v.Measures, dimension{m.text, r.With("measure", m.value), (m.value == quantities) == a.measured.quantity})
		}
	}
	if a.compare != 0 && a.priced { // quantities are in order of meters
		for _, m := range []struct{ value, text string }{{"", "Amount"}, {byChange, "Change"}} {
			v.Orders = append(v.Orders, dimension{m.text, r.With("sort", m.value, "skip-usage", "", "skip-beside", ""), r.Get("sort") == m.value})
		}
	}
	if !a.measured.quantity || len(a.meters) < 2 {
		return
	}
	for _, m := range a.meters {
		v.Choices = append(v.Choices, dimension{m.Name, r.With("meter", m.ID, "skip-usage", "", "skip-beside", ""), m.ID == a.measured.meter.ID && m.Unit == a.measured.meter.Unit})
	}
}

// form chooses the month and the registration.
func (q question) form(r *page.Request) *page.Form {
	f := &page.Form{Action: "/usage", Keep: map[string]string{}}
	for _, name := range append([]string{"by", "measure", "sort"}, filters...) {
		if value := r.Get(name); value != "" {
			f.Keep[name] = value
		}
	}
	f.Fields = []page.Field{{Name: "month", Label: "Month", Kind: "month", Value: q.month.String()}}
	compare := []page.Option{{Text: "the month before", Chosen: r.Get("compare") == ""}, {Value: compareNone, Text: "nothing", Chosen: r.Get("compare") == compareNone}}
	if q.compare != 0 && r.Get("compare") != "" {
		compare = append(compare, page.Option{Value: q.compare.String(), Text: q.compare.String(), Chosen: true})
	}
	f.Fields = append(f.Fields, page.Field{Name: "compare", Label: "Compared with", Options: compare})
	f.Fields = append(f.Fields, r.RegistrationField())
	return f
}
