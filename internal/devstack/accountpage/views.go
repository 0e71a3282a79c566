package accountpage

import (
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// listedSubscription is one row of the list: its last period.
type listedSubscription struct {
	ID, Link, Model, Period, Amount string
	Unpriced                        int
}

func (p *Page) subscriptions(w http.ResponseWriter, r *http.Request) error {
	bill, err := p.api.bill(r.Context(), "")
	if err != nil {
		return err
	}
	last := make(map[string]statement)
	var ids []string
	for _, st := range bill.Statements {
		before, known := last[st.BillingSubscriptionID]
		if !known {
			ids = append(ids, st.BillingSubscriptionID)
		}
		if st.Month >= before.Month {
			last[st.BillingSubscriptionID] = st
		}
	}
	slices.Sort(ids)
	var rows []listedSubscription
	for _, id := range ids {
		st := last[id]
		rows = append(rows, listedSubscription{ID: id, Link: pageLink(id, "", st.Month), Model: models(st),
			Period: periodText(st.Month), Amount: moneyText(st.Total, st.Currency), Unpriced: st.Unpriced})
	}
	p.render(w, r, http.StatusOK, "subscriptions", view{Title: "Subscriptions", Account: p.opts.Account, Data: rows})
	return nil
}

// period is a choice of the form.
type period struct {
	Value, Text string
	Chosen      bool
}

// subscriptionView is one subscription in one period.
type subscriptionView struct {
	ID, Model, Period, Range, Amount string
	Periods                          []period
	Lines                            []lineView
	Unpriced                         int
	Download, Chart, ChartText       string
	Meters                           []string
	Days                             []dayView
	DayTotals                        []string
}

type lineView struct {
	Meter, ID, Class, Quantity, Unit, Rate, Amount, Note string
}

type dayView struct {
	Day     string
	Amounts []string
	Total   string
}

func (p *Page) subscription(w http.ResponseWriter, r *http.Request) error {
	st, months, err := p.statement(r)
	if err != nil {
		return err
	}
	id := st.BillingSubscriptionID
	costs, err := p.api.dailyCosts(r.Context(), id, st.Month)
	if err != nil {
		return err
	}
	first, last := bounds(st.Month)
	v := subscriptionView{
		ID: id, Model: models(st), Period: periodText(st.Month), Range: first + " to " + last, Amount: moneyText(st.Total, st.Currency),
		Unpriced: st.Unpriced, Download: pageLink(id, "/usage-details.csv", st.Month), Chart: pageLink(id, "/costs.svg", st.Month),
	}
	for _, month := range months {
		v.Periods = append(v.Periods, period{month, periodText(month), month == st.Month})
	}
	slices.SortStableFunc(st.Lines, byCharge)
	for _, l := range st.Lines {
		v.Lines = append(v.Lines, lineOf(l))
	}
	if err := v.addCosts(costs, periodText(st.Month)); err != nil {
		return err
	}
	p.render(w, r, http.StatusOK, "subscription", view{Title: "Usage and amount, " + v.Period, Account: p.opts.Account, Data: v})
	return nil
}

// addCosts fills the table beside the chart.
func (v *subscriptionView) addCosts(costs dailyCosts, period string) error {
	if len(costs.Meters) == 0 {
		return nil
	}
	for _, m := range costs.Meters {
		v.Meters = append(v.Meters, meterText(m.MeterSubCategory, m.MeterName))
		sum, err := fourDecimals(m.Amount)
		if err != nil {
			return err
		}
		v.DayTotals = append(v.DayTotals, sum)
	}
	sum, err := fourDecimals(costs.Amount)
	if err != nil {
		return err
	}
	v.DayTotals = append(v.DayTotals, sum)
	for i, day := range costs.Days {
		row := dayView{Day: day}
		for _, m := range costs.Meters {
			text, err := fourDecimals(m.Amounts[i])
			if err != nil {
				return err
			}
			row.Amounts = append(row.Amounts, text)
		}
		if row.Total, err = fourDecimals(costs.Amounts[i]); err != nil {
			return err
		}
		v.Days = append(v.Days, row)
	}
	v.ChartText = fmt.Sprintf("Daily cost by meter in %s, %d days from %s to %s: %s. The same numbers are in the table below.",
		period, len(costs.Days), costs.Days[0], costs.Days[len(costs.Days)-1], strings.Join(v.Meters, ", "))
	return nil
}

// statement is the one that a path and its query ask for, and the months that
// there are, the latest first.
func (p *Page) statement(r *http.Request) (statement, []string, error) {
	id, err := subscriptionID(r)
	if err != nil {
		return statement{}, nil, err
	}
	bill, err := p.api.bill(r.Context(), id)
	if err != nil {
		return statement{}, nil, err
	}
	if len(bill.Statements) == 0 {
		return statement{}, nil, notFound{"Nothing was charged to this subscription."}
	}
	slices.SortFunc(bill.Statements, func(a, b statement) int { return strings.Compare(b.Month, a.Month) })
	var months []string
	for _, st := range bill.Statements {
		months = append(months, st.Month)
	}
	want := cmp.Or(r.URL.Query().Get("period"), months[0])
	i := slices.Index(months, want)
	if i < 0 {
		return statement{}, nil, notFound{"Nothing was charged to this subscription in that period."}
	}
	return bill.Statements[i], months, nil
}

func (p *Page) costsChart(w http.ResponseWriter, r *http.Request) error {
	st, _, err := p.statement(r)
	if err != nil {
		return err
	}
	costs, err := p.api.dailyCosts(r.Context(), st.BillingSubscriptionID, st.Month)
	if err != nil {
		return err
	}
	shown, err := chartOf(costs, periodText(st.Month))
	if err != nil {
		return err
	}
	p.render(w, r, http.StatusOK, "costs.svg", shown)
	return nil
}

func (p *Page) usageDetails(w http.ResponseWriter, r *http.Request) error {
	st, _, err := p.statement(r)
	if err != nil {
		return err
	}
	id := st.BillingSubscriptionID
	file, err := p.api.get(r.Context(), "/v1/usage-details.csv", url.Values{"subscription": {id}, "month": {st.Month}})
	if err != nil {
		return err
	}
	defer file.Close()
	w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="usage-details-%s-%s.csv"`, id, st.Month))
	if _, err := io.Copy(w, file); err != nil {
		panic(http.ErrAbortHandler) // half a file must not look like a whole one
	}
	return nil
}

func pageLink(id, what, month string) string {
	return "/subscriptions/" + id + what + "?" + url.Values{"period": {month}}.Encode()
}

// byCharge orders lines for reading: what is charged first, the rest by class
// and name.
func byCharge(a, b billLine) int {
	charged := func(l billLine) int {
		switch {
		case l.Rate == "":
			return 1
		case l.Rate == "0":
			return 2
		}
		return 0
	}
	class := func(l billLine) int {
		return slices.Index([]string{"full", "unknown", "informational", "admin"}, l.MeterClass)
	}
	return cmp.Or(cmp.Compare(charged(a), charged(b)), cmp.Compare(class(a), class(b)), strings.Compare(a.MeterName, b.MeterName))
}

func lineOf(l billLine) lineView {
	out := lineView{Meter: meterText(l.MeterSubCategory, l.MeterName), ID: l.MeterID, Class: l.MeterClass, Quantity: l.Quantity, Unit: l.Unit, Rate: l.Rate, Note: l.Note}
	if l.Rate == "" {
		out.Rate, out.Amount = "not known", "not priced"
	} else {
		out.Amount = l.Amount
	}
	return out
}
