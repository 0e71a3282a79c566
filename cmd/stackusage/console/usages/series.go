package usages

import (
	"cmp"
	"slices"
	"strings"

	"stackusage/cmd/stackusage/console/page"
	command "stackusage/cmd/stackusage/usages"
	"stackusage/shared/usage"
	"stackusage/shared/usagereport"
)

// maxSeries is how many groups the picture has; the others are one.
const maxSeries = 8

// measured is what the picture shows.
type measured struct {
	quantity bool
	meter    meterChoice // of quantities; without an ID one must be chosen
	all      *series     // quantities of all groups, where not all of them are in rows
}

// measure chooses amounts, or the quantities of one meter: those of different meters are
// never added.
func (a *answer) measure(r *page.Request) measured {
	m := measured{quantity: !a.priced || r.Get("measure") == quantities}
	if !m.quantity {
		return m
	}
	choices := a.meters
	if id := r.Get("meter"); id != "" || !slices.Contains(a.q.dims, usagereport.Meter) {
		if len(choices) == 1 {
			m.meter = choices[0]
		}
		return m
	}
	for i, c := range choices {
		if i == 0 || !a.priced && c.Lines > m.meter.Lines { // with amounts, the first is the biggest
			m.meter = c
		}
	}
	return m
}

// allOf sums the quantities of all groups, where there are more than the report has rows.
func (a *answer) allOf(r *page.Request, c *command.Question, o usagereport.Options) error {
	a.measured = a.measure(r)
	if !a.measured.quantity || a.measured.meter.ID == "" || a.others == nil {
		return nil
	}
	o.By, o.Compare, o.Only.Meter = []string{usagereport.Meter}, 0, a.measured.meter.ID
	report, err := c.Report(r, o)
	if err != nil {
		return err
	}
	defer report.Close()
	all := &series{Days: map[usage.Day]usage.Quantity{}}
	for row, err := range report.Rows() {
		if err != nil {
			return err
		}
		if row.State.InBill() && a.measured.has(row) {
			all.add(row, true)
		}
	}
	a.measured.all = all
	return nil
}

// has reports whether a row is of what is pictured.
func (m measured) has(row usagereport.Row) bool {
	return !m.quantity || row.MeterID == m.meter.ID && row.Unit == m.meter.Unit
}

func (s *series) add(row usagereport.Row, quantity bool) {
	value := func(amount, q *usage.Quantity) usage.Quantity {
		if quantity {
			amount = q
		}
		if amount == nil {
			return usage.Quantity{}
		}
		return *amount
	}
	s.Total = s.Total.Add(value(row.Amount, row.Quantity))
	for _, d := range row.Days {
		if v := value(d.Amount, d.Quantity); v.Sign() != 0 {
			s.Days[d.Day] = s.Days[d.Day].Add(v)
		}
	}
}

func (s *series) takeAway(t series) {
	s.Total = s.Total.Sub(t.Total)
	for day, q := range t.Days {
		s.Days[day] = s.Days[day].Sub(q)
	}
}

// series are the biggest groups, and all others as one. Usage that was carried in is with
// that of its group.
func (a *answer) series(r *page.Request) (all []series) {
	m := a.measured
	if m.quantity && m.meter.ID == "" {
		return nil
	}
	others := series{Label: "others", Days: map[usage.Day]usage.Quantity{}}
	groups := 0
	if a.others != nil {
		others.add(*a.others, m.quantity)
		groups = int(a.others.Others)
	}
	at := map[string]int{}
	for _, row := range a.pictured {
		if !m.has(row) {
			continue
		}
		label := a.label(row)
		key := label.Exact() + "\x00" + label.Text // the stack's own usage of a meter has its ID, too
		i, is := at[key]
		if !is {
			i, at[key] = len(all), len(all)
			all = append(all, series{Label: label.Text, Whole: label.Whole, Href: a.drill(r, row), Days: map[usage.Day]usage.Quantity{}})
		}
		all[i].add(row, m.quantity)
	}
	slices.SortStableFunc(all, func(x, y series) int { return y.Total.Abs().Sub(x.Total.Abs()).Sign() })
	all = slices.DeleteFunc(all, func(s series) bool { return s.Total.Sign() == 0 && len(s.Days) == 0 })
	for len(all) > maxSeries {
		last := all[len(all)-1]
		for day, q := range last.Days {
			others.Days[day] = others.Days[day].Add(q)
		}
		others.Total = others.Total.Add(last.Total)
		groups++
		all = all[:len(all)-1]
	}
	if m.all != nil {
		others.Days, others.Total = m.all.Days, m.all.Total
		for _, s := range all {
			others.takeAway(s)
		}
		groups = max(groups, 1)
	}
	total := others.Total
	for i := range all {
		all[i].Number = i + 1
		total = total.Add(all[i].Total)
	}
	if groups > 0 && (others.Total.Sign() != 0 || len(others.Days) > 0) {
		all = append(all, others)
	}
	for i := range all {
		all[i].Share = share(all[i].Total, total)
	}
	return all
}

// share is a part of a total in per cent; empty where the total is not above 0.
func share(part, of usage.Quantity) string {
	if of.Sign() <= 0 {
		return ""
	}
	return strings.TrimPrefix(usagereport.Percent(part, of), "+")
}

// label is what the group of a row is called.
func (a *answer) label(row usagereport.Row) page.Cell {
	var texts, whole []string
	for _, d := range a.q.dims {
		c := a.cell(row, d)
		texts, whole = append(texts, c.Text), append(whole, c.Exact())
	}
	c := page.Text(strings.Join(texts, " · "))
	if w := strings.Join(whole, " · "); w != c.Text {
		c.Whole = w
	}
	return c
}

// cell is the value of a dimension.
func (a *answer) cell(row usagereport.Row, dimension string) page.Cell {
	named := func(name, id string) page.Cell {
		c := page.Text(cmp.Or(name, a.short[id], id))
		if c.Text != id {
			c.Whole = id
		}
		return c
	}
	switch dimension {
	case usagereport.Meter:
		return named(row.Meter, row.MeterID)
	case usagereport.Subscription:
		return named(row.SubscriptionName, row.Subscription)
	case usagereport.Tenant:
		return named(row.TenantName, row.Tenant)
	case usagereport.Resource:
		return named("", row.Resource)
	case usagereport.Registration:
		return named(row.Registration, row.CloudID)
	case usagereport.Day:
		return page.Text(row.Day)
	}
	return page.Text(row.Tags[strings.TrimPrefix(dimension, "tag:")])
}

// drill is the page of a row: the same, narrowed to its group, by what the group is made
// of.
func (a *answer) drill(r *page.Request, row usagereport.Row) string {
	params := []string{"skip-usage", "", "skip-beside", "", "month", a.q.month.String()}
	by := ""
	for _, d := range a.q.dims {
		switch d {
		case usagereport.Meter:
			params, by = append(params, "meter", a.meterParameter(row)), cmp.Or(by, usagereport.Resource)
		case usagereport.Subscription:
			params, by = append(params, "subscription", row.Subscription), cmp.Or(by, usagereport.Resource)
		case usagereport.Tenant:
			params, by = append(params, "tenant", row.Tenant), cmp.Or(by, usagereport.Subscription)
		case usagereport.Resource:
			params, by = append(params, "resource", row.Resource), cmp.Or(by, usagereport.Meter)
		case usagereport.Registration:
			params, by = append(params, "registration", row.CloudID), cmp.Or(by, usagereport.Meter)
		}
	}
	if by == "" { // tags are no filter
		return ""
	}
	return r.With(append(params, "by", by)...)
}

// meterParameter is the name of a meter, which tells the stack's own usage apart; where
// several meters have it, the ID.
func (a *answer) meterParameter(row usagereport.Row) string {
	name := strings.TrimSuffix(row.Meter, adminSuffix)
	for _, m := range a.meters {
		if m.Name == name && m.ID != row.MeterID {
			return row.MeterID
		}
	}
	return row.Meter
}
