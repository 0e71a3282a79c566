// Package prices reads price lists and finds what a unit of a meter costs on a usage
// day (docs/formats/prices.md). A rate that is not known is never 0.
package prices

import (
	"cmp"
	"fmt"
	"slices"

	"stackusage/shared/meter"
	"stackusage/shared/registration"
	"stackusage/shared/usage"
)

// Price is what a unit of a meter costs from a day on.
type Price struct {
	MeterID   string // in normal form; empty if the list does not have the meter
	From      usage.Day
	Until     usage.Day // the first day that it no longer holds for; 0: no end
	MeterName string    // empty where the source has none
	Unit      string    // what one of the quantity is
	Rate      usage.Quantity
	Known     bool   // without it, Rate says nothing
	Note      string // where the rate comes from, why it is 0, or why it is not known
}

// List holds the prices of meters, commerce's and the stack's, in one currency.
type List struct {
	Currency string             // ISO 4217
	meters   map[string][]Price // by meter ID in normal form; the latest first
}

// New returns a list without prices.
func New(currency string) *List { return &List{Currency: currency, meters: map[string][]Price{}} }

// Add adds a price of a meter, whose ID is a GUID of any form. Two prices of a meter
// from one day on are an error.
func (l *List) Add(meterID string, p Price) error {
	p.MeterID = usage.NormalGUID(meterID)
	of := l.meters[p.MeterID]
	at, twice := slices.BinarySearchFunc(of, p.From, func(q Price, day usage.Day) int { return cmp.Compare(day, q.From) })
	if twice {
		return fmt.Errorf("meter %s has two prices from %s on", usage.DashedGUID(p.MeterID), p.From)
	}
	l.meters[p.MeterID] = slices.Insert(of, at, p)
	return nil
}

// Charge is what decides about the rate of a line.
type Charge struct {
	Day             usage.Day // that is billed
	MeterID         string    // the stack's, of any form
	CommerceMeterID string    // empty if it is not known
	Class           meter.Class
	Model           registration.BillingModel
}

// Of returns what a unit of a line costs: nothing where the line is free, else the rate
// of commerce's meter or, if the list does not have that on the day, of the stack's.
// Without a list no price is known.
func (l *List) Of(c Charge) Price {
	if l == nil {
		return Price{Note: "there is no price list"}
	}
	p, listed := l.on(c.CommerceMeterID, c.Day)
	if !listed {
		p, listed = l.on(c.MeterID, c.Day)
	}
	if !listed {
		p = Price{Note: "not on the price list on that day"}
	}
	if why := Free(c.Class, c.Model); why != "" {
		p.Rate, p.Known, p.Note = usage.Quantity{}, true, why
	}
	return p
}

func (l *List) on(meterID string, day usage.Day) (Price, bool) {
	for _, p := range l.meters[usage.NormalGUID(meterID)] {
		if p.From <= day {
			return p, p.Until == 0 || day < p.Until
		}
	}
	return Price{}, false
}

// Free returns why usage of a class under a billing model costs nothing whatever the
// price list says; empty if it is charged (docs/bill.md).
func Free(class meter.Class, model registration.BillingModel) string {
	switch {
	case model == registration.Development:
		return "Development: never charged"
	case model == registration.Capacity:
		return "Capacity: paid for by the year, not by usage"
	case class == meter.Admin:
		return "admin meter: reported, price zero"
	case class == meter.Informational:
		return "informational: charged through another meter"
	}
	return ""
}
