package details

import (
	"maps"

	"stackusage/shared/usage"
)

// Rate is what a unit of a meter costs; without Text, Why it is not known.
type Rate struct{ Text, Currency, Why string }

// Reasons why the price of a meter is not known.
const (
	noPrice      = "the file has no price of it"
	severalRates = "the file has several rates of it in the month"
)

// Month is the billing period of a usage day: 2019-12.
func Month(day usage.Day) string { return day.Start().Format("2006-01") }

// Rates collects what meters cost, by the rows of a file.
type Rates struct {
	prices map[group]map[Rate]bool
	skus   map[meterMonth]map[group]bool // under which billed meters a meter stands
	own    map[group]bool                // the billed meter has usage of the stack's own, which is free
}

// meterMonth is one of the stack's meters in a month; the stack's own usage of it
// stands apart.
type meterMonth struct {
	meterID string
	own     bool
	month   string
}

// NewRates returns rates of a file of which no row has been read.
func NewRates() *Rates {
	return &Rates{prices: map[group]map[Rate]bool{}, skus: map[meterMonth]map[group]bool{}, own: map[group]bool{}}
}

// Statement adds a row of section Statement.
func (r *Rates) Statement(s Statement) {
	of := group{s.Payer, s.SKU, s.Month}
	if r.prices[of] == nil {
		r.prices[of] = map[Rate]bool{}
	}
	why := ""
	if s.Rate == "" {
		why = noPrice
	}
	r.prices[of][Rate{s.Rate, s.Currency, why}] = true
}

// Row adds a row of section Daily Usage; own says that it is the stack's own usage.
func (r *Rates) Row(row Row, own bool) {
	of := group{row.Payer, row.SKU, Month(row.Day)}
	if own {
		r.own[of] = true
	}
	at := meterMonth{row.MeterID, own, of.month}
	if r.skus[at] == nil {
		r.skus[at] = map[group]bool{}
	}
	r.skus[at][of] = true
}

// Find returns the one rate of a meter, in normal form, in a month. A billed meter may
// have two: one for users' usage, and 0 for the stack's own.
func (r *Rates) Find(meterID string, own bool, month string) Rate {
	found := map[Rate]bool{}
	for of := range r.skus[meterMonth{meterID, own, month}] {
		prices := r.prices[of]
		if free, is := freeOf(prices); is && r.own[of] && len(prices) > 1 {
			prices = maps.Clone(prices)
			if delete(prices, free); own {
				prices = map[Rate]bool{free: true}
			}
		}
		maps.Copy(found, prices)
	}
	return TheOne(found, severalRates)
}

func freeOf(prices map[Rate]bool) (Rate, bool) {
	for p := range prices {
		if p.Text == "0" {
			return p, true
		}
	}
	return Rate{}, false
}

// TheOne returns the only rate there is; of several, none and why.
func TheOne(rates map[Rate]bool, why string) Rate {
	if len(rates) > 1 {
		return Rate{Why: why}
	}
	for r := range rates {
		return r
	}
	return Rate{Why: "the file does not have it"}
}
