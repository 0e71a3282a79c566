package accountpage

import (
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

// subscriptionView is one subscription in one period.
type subscriptionView struct {
	monthView
	Model                string
	Charged, Rest        []lineView
	Unpriced             int
	Download             string
	Chart, ChartDark     string
	Narrow, NarrowDark   string
	NarrowHeight         int
	ChartText            string
	Meters               []string
	Days                 []dayView
	DayTotals            []string
	Resources, FreeOfAny resourceList
}

type dayView struct {
	Day     string
	Amounts []string
	Total   string
}

func (p *Page) subscription(w http.ResponseWriter, r *http.Request) error {
	statements, err := p.statements(r)
	if err != nil {
		return err
	}
	month, err := monthOf(r, statements)
	if err != nil {
		return err
	}
	st, found := statementOf(statements, month)
	head := monthView{ID: statements[0].BillingSubscriptionID, Period: periodText(month), Periods: periods(statements, month)}
	head.First, head.Last = bounds(month)
	title := "Usage and amount, " + head.Period
	if !found {
		head.Amount = moneyText("0.00", statements[0].Currency)
		p.render(w, r, http.StatusOK, "nothing", view{Title: title, Account: p.opts.Account, Data: head})
		return nil
	}
	head.Amount = moneyText(st.Total, st.Currency)
	v := subscriptionView{monthView: head, Model: models(st), Unpriced: st.Unpriced, Download: pageLink(head.ID, "/usage-details.csv", month)}
	if v.Charged, v.Rest, err = linesOf(st.Lines); err != nil {
		return err
	}
	costs, err := p.api.dailyCosts(r.Context(), head.ID, month)
	if err != nil {
		return err
	}
	if err := v.addCosts(costs, month); err != nil {
		return err
	}
	resources, err := p.api.resourceCosts(r.Context(), head.ID, month)
	if err != nil {
		return err
	}
	if v.Resources, v.FreeOfAny, err = resourcesOf(resources); err != nil {
		return err
	}
	p.render(w, r, http.StatusOK, "subscription", view{Title: title, Account: p.opts.Account, Data: v})
	return nil
}

// addCosts fills the chart and the table of its numbers.
func (v *subscriptionView) addCosts(costs dailyCosts, month string) error {
	if len(costs.Meters) == 0 {
		return nil
	}
	chart := pageLink(v.ID, "/costs.svg", month)
	v.Chart, v.ChartDark, v.Narrow, v.NarrowDark = chart, chart+"&look=dark", chart+"&look=narrow", chart+"&look=narrow-dark"
	v.NarrowHeight = looks["narrow"].height(costs)
	sum, err := fourDecimals(costs.Amount)
	if err != nil {
		return err
	}
	v.DayTotals = append(v.DayTotals, sum)
	for _, m := range costs.Meters {
		v.Meters = append(v.Meters, meterText(m.MeterSubCategory, m.MeterName))
		if sum, err = fourDecimals(m.Amount); err != nil {
			return err
		}
		v.DayTotals = append(v.DayTotals, sum)
	}
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
		v.Period, len(costs.Days), costs.Days[0], costs.Days[len(costs.Days)-1], strings.Join(v.Meters, ", "))
	return nil
}

// charged is the statement of a path and its query, which must be there.
func (p *Page) charged(r *http.Request) (statement, error) {
	statements, err := p.statements(r)
	if err != nil {
		return statement{}, err
	}
	month, err := monthOf(r, statements)
	if err != nil {
		return statement{}, err
	}
	st, found := statementOf(statements, month)
	if !found {
		return statement{}, notFound{"Nothing was charged to this subscription in that period."}
	}
	return st, nil
}

func (p *Page) costsChart(w http.ResponseWriter, r *http.Request) error {
	st, err := p.charged(r)
	if err != nil {
		return err
	}
	costs, err := p.api.dailyCosts(r.Context(), st.BillingSubscriptionID, st.Month)
	if err != nil {
		return err
	}
	look, known := looks[r.URL.Query().Get("look")]
	if !known {
		return notFound{"The chart has no such look."}
	}
	shown, err := chartOf(costs, periodText(st.Month), look)
	if err != nil {
		return err
	}
	p.render(w, r, http.StatusOK, "costs.svg", shown)
	return nil
}

func (p *Page) usageDetails(w http.ResponseWriter, r *http.Request) error {
	st, err := p.charged(r)
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
