package reconcile

import (
	"stackusage/shared/reconcile/details"
	"stackusage/shared/reconcile/unfinished"
	"stackusage/shared/usage"
)

// Report is what a run found.
type Report struct {
	CloudID      string    `json:"cloudId"`
	From         usage.Day `json:"from"`
	To           usage.Day `json:"to"`
	MeterID      string    `json:"meterId,omitempty"`
	Subscription string    `json:"subscriptionId,omitempty"`
	Stack        string    `json:"stack"` // FromRows or FromFolder
	Bill         string    `json:"bill"`  // FromDailyUsage or FromFile

	Lines []Line     `json:"lines"`           // in order of meter and day; a meter's total is its last
	Hours []HourNote `json:"hours,omitempty"` // reported hours of the days that need a word
	Notes []string   `json:"notes,omitempty"`

	Unfinished unfinished.Usage `json:"unfinished"` // of the reported hours of the days

	Unexplained int `json:"unexplained"` // lines, totals aside, that the causes do not explain
}

// Where the two numbers come from.
const (
	FromRows       = "rows that landed"
	FromFolder     = "saved responses of the usage API"
	FromDailyUsage = "table DailyUsage"
	FromFile       = "usage details file"
)

// Line is one meter on one day, or over all of them.
type Line struct {
	MeterID string `json:"meterId"`
	Name    string `json:"name,omitempty"`
	Unit    string `json:"unit,omitempty"`
	Admin   bool   `json:"admin,omitempty"` // usage of the stack's own subscriptions, free
	Day     string `json:"usageDay"`        // 2019-12-10, or "total"

	Stack       usage.Quantity `json:"stack"`
	Bill        usage.Quantity `json:"bill"`
	Difference  usage.Quantity `json:"difference"` // Bill - Stack = the sum of Causes + Unexplained
	Causes      []Cause        `json:"causes"`
	Unexplained usage.Quantity `json:"unexplained"`

	Rate     string   `json:"rate,omitempty"` // of the usage details file, per unit
	Currency string   `json:"currency,omitempty"`
	NoRate   string   `json:"noRate,omitempty"` // why a file gives no rate, and so no amounts
	Amounts  *Amounts `json:"amounts,omitempty"`
}

// Amounts are quantities of a line times its rate, exact and not rounded.
type Amounts struct {
	Stack       usage.Quantity `json:"stack"`
	Bill        usage.Quantity `json:"bill"`
	Difference  usage.Quantity `json:"difference"`
	Unexplained usage.Quantity `json:"unexplained"`
}

// Total is the Day of a line over all days.
const Total = "total"

// price gives the line its amounts.
func (l *Line) price(rate details.Rate) {
	per, err := usage.ParseQuantity(rate.Text)
	if err != nil {
		l.NoRate = rate.Why
		return
	}
	l.Rate, l.Currency = rate.Text, rate.Currency
	l.Amounts = &Amounts{l.Stack.Mul(per), l.Bill.Mul(per), l.Difference.Mul(per), l.Unexplained.Mul(per)}
	for i := range l.Causes {
		amount := l.Causes[i].Quantity.Mul(per)
		l.Causes[i].Amount = &amount
	}
}

// HourNote is a reported hour, or several in a row of which the same holds.
type HourNote struct {
	First usage.Hour `json:"first"`
	Last  usage.Hour `json:"last"`
	What  string     `json:"what"`
}
