package accountpage

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"
)

// monthView is what every page of a subscription's month shows.
type monthView struct {
	ID, Period, First, Last, Amount string
	Periods                         []period
}

// period is a choice of the form.
type period struct {
	Value, Text string
	Chosen      bool
}

// statements are those of the subscription that a path names, the latest first.
func (p *Page) statements(r *http.Request) ([]statement, error) {
	id, err := subscriptionID(r)
	if err != nil {
		return nil, err
	}
	bill, err := p.api.bill(r.Context(), id)
	if err != nil {
		return nil, err
	}
	if len(bill.Statements) == 0 {
		return nil, notFound{"Nothing was charged to this subscription."}
	}
	slices.SortFunc(bill.Statements, func(a, b statement) int { return strings.Compare(b.Month, a.Month) })
	return bill.Statements, nil
}

// monthOf is the month that a query asks for, the latest with a statement if it asks for none.
func monthOf(r *http.Request, statements []statement) (string, error) {
	month := cmp.Or(r.URL.Query().Get("period"), statements[0].Month)
	if _, err := time.Parse("2006-01", month); err != nil {
		return "", notFound{"The address names no month. A month is written like 2019-12."}
	}
	return month, nil
}

func statementOf(statements []statement, month string) (statement, bool) {
	i := slices.IndexFunc(statements, func(st statement) bool { return st.Month == month })
	if i < 0 {
		return statement{}, false
	}
	return statements[i], true
}

// periods are the months to choose from, the latest first: those from the first to the last
// statement, also where nothing was charged, and the one that is shown.
func periods(statements []statement, chosen string) (out []period) {
	months := []string{chosen}
	first, last := statements[len(statements)-1].Month, statements[0].Month
	at, err := time.Parse("2006-01", first)
	for month := first; err == nil && month <= last; month = at.Format("2006-01") {
		months = append(months, month)
		at = at.AddDate(0, 1, 0)
	}
	slices.Sort(months)
	months = slices.Compact(months)
	slices.Reverse(months)
	for _, month := range months {
		out = append(out, period{month, periodText(month), month == chosen})
	}
	return out
}
