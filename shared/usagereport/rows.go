package usagereport

import (
	"iter"
	"math/big"
	"strings"

	"stackusage/shared/usage"
)

// Row is usage of one group in one state. Only the dimensions that are asked for are
// set. Quantities are there if all of it is of one meter; amounts if there is a price.
type Row struct {
	CloudID          string            `json:"cloudId,omitempty"`
	Registration     string            `json:"registration,omitempty"` // its name
	Tenant           string            `json:"tenant,omitempty"`
	TenantName       string            `json:"tenantName,omitempty"`
	Subscription     string            `json:"subscriptionId,omitempty"`
	SubscriptionName string            `json:"subscriptionName,omitempty"`
	Resource         string            `json:"resourceUri,omitempty"`
	Day              string            `json:"day,omitempty"` // of the month, where two are compared
	Tags             map[string]string `json:"tags,omitempty"`
	MeterID          string            `json:"meterId,omitempty"`
	Meter            string            `json:"meterName,omitempty"`
	Unit             string            `json:"unit,omitempty"`
	State            State             `json:"state"`
	Others           int64             `json:"others,omitempty"` // rows that this one stands for; it has no group then
	Lines            int64             `json:"lines"`
	Unpriced         int64             `json:"unpricedLines"` // of them; they have no amount

	Quantity       *usage.Quantity `json:"quantity,omitempty"`
	Amount         *usage.Quantity `json:"amount,omitempty"`
	QuantityBefore *usage.Quantity `json:"compareQuantity,omitempty"` // of the month that it is compared with
	AmountBefore   *usage.Quantity `json:"compareAmount,omitempty"`
	Change         *usage.Quantity `json:"change,omitempty"`        // of the amount; of the quantity, if there is no amount
	Percent        string          `json:"changePercent,omitempty"` // of what was before, one decimal; empty if that was 0
	Most           *Mover          `json:"most,omitempty"`
	Days           []DayFigures    `json:"-"` // with Options.PerDay, in order
}

// Mover is the meter that has at least half of a group's change.
type Mover struct {
	Meter  string         `json:"meterName"`
	Change usage.Quantity `json:"change"` // of the amount
}

// row is the row of the meters of a group.
func (r *run) row(meters []sum, byMeter bool) Row {
	row := Row{State: states[meters[0].State]}
	r.name(&row, meters[0])
	if byMeter {
		row.MeterID, row.Meter, row.Unit = usage.DashedGUID(meters[0].Meter), meters[0].meterName(), meters[0].Unit
	}
	var of [2]figures
	for _, m := range meters {
		of[0].add(m.Of[0])
		of[1].add(m.Of[1])
	}
	row.Lines, row.Unpriced = of[0].Lines, of[0].Unpriced
	priced := of[0].Lines+of[1].Lines > of[0].Unpriced+of[1].Unpriced
	before, now := of[1].Quantity, of[0].Quantity
	if byMeter {
		row.Quantity = &of[0].Quantity
	}
	if priced {
		row.Amount = &of[0].Amount
		before, now = of[1].Amount, of[0].Amount
	}
	if r.o.Compare == 0 || !priced && !byMeter {
		return row
	}
	if byMeter {
		row.QuantityBefore = &of[1].Quantity
	}
	if priced {
		row.AmountBefore = &of[1].Amount
	}
	change := now.Sub(before)
	row.Change, row.Percent = &change, Percent(change, before)
	if !byMeter {
		row.Most = mover(meters, change)
	}
	return row
}

// name sets the dimensions of a row.
func (r *run) name(row *Row, s sum) {
	for i, value := range strings.Split(s.Group, "\x00") {
		if i >= len(r.o.By) { // no dimension at all
			return
		}
		switch d := r.o.By[i]; d {
		case Subscription:
			row.Subscription, row.SubscriptionName = value, r.o.Names[value]
		case Tenant:
			row.Tenant, row.TenantName = value, r.o.Names[value]
		case Resource:
			row.Resource = s.Resource
		case Day:
			row.Day = value
		case Registration:
			row.CloudID, row.Registration = value, r.registrations[value]
		case Meter:
		default:
			if row.Tags == nil {
				row.Tags = map[string]string{}
			}
			row.Tags[strings.TrimPrefix(d, tagPrefix)] = value
		}
	}
}

// mover is the meter that has at least half of a change; nil if none has.
func mover(meters []sum, change usage.Quantity) *Mover {
	var most Mover
	for _, m := range meters {
		if c := m.Of[0].Amount.Sub(m.Of[1].Amount); c.Abs().Sub(most.Change.Abs()).Sign() > 0 {
			most = Mover{m.meterName(), c}
		}
	}
	if most.Change.Sign() == 0 || most.Change.Sign() != change.Sign() || most.Change.Abs().Add(most.Change.Abs()).Sub(change.Abs()).Sign() < 0 {
		return nil
	}
	return &most
}

// Percent is a change in per cent of what was before, with a sign and one decimal; empty
// where nothing was before.
func Percent(change, before usage.Quantity) string {
	if before.Sign() == 0 {
		return ""
	}
	c, _ := new(big.Rat).SetString(change.String())
	b, _ := new(big.Rat).SetString(before.Abs().String())
	text := c.Quo(c.Mul(c, big.NewRat(100, 1)), b).FloatString(1)
	if c.Sign() > 0 {
		text = "+" + text
	}
	return text
}

// Rows goes through the rows, the biggest first: those in the bill, and then those that
// are not, state by state. Of each section, one row stands for those beyond Top.
func (r *Report) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for i, err := range r.rows.shown() {
			if i.Row.Others > 0 {
				i.Row.Days = r.others[i.Row.State.section()]
			} else {
				i.Row.Days = r.days[i.N]
			}
			if !yield(i.Row, err) || err != nil {
				return
			}
		}
	}
}
