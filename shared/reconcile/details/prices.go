package details

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"stackusage/shared/prices"
	"stackusage/shared/usage"
)

// Prices reads a usage details file as a price list. The rate of a statement row holds
// for its month, for the billed meter and for the stack's meters in the daily rows below
// it. A rate of 0 beside another one is that of free usage. Where several are left, the
// file does not tell on which day or for whom each holds, and the price is not known.
func Prices(in io.Reader) (*prices.List, error) {
	b := billPrices{rates: map[meterOfMonth]map[Rate]bool{}, billedAs: map[meterOfMonth]map[string]bool{}, names: map[string]Row{}}
	if err := Read(in, b.statement, b.row); err != nil {
		return nil, err
	}
	l := prices.New(b.currency)
	for of, rates := range b.rates {
		if err := b.add(l, of, rates); err != nil {
			return nil, err
		}
	}
	for of, skus := range b.billedAs {
		if b.rates[of] != nil { // it is a billed meter, too
			continue
		}
		all := map[Rate]bool{}
		for sku := range skus {
			maps.Copy(all, b.rates[meterOfMonth{sku, of.month}])
		}
		if err := b.add(l, of, all); err != nil {
			return nil, err
		}
	}
	return l, nil
}

type meterOfMonth struct{ meter, month string }

type billPrices struct {
	currency string
	rates    map[meterOfMonth]map[Rate]bool   // of billed meters
	billedAs map[meterOfMonth]map[string]bool // the billed meters of one of the stack's
	names    map[string]Row                   // a row of each meter
}

func (b *billPrices) statement(s Statement) error {
	if b.currency == "" {
		b.currency = s.Currency
	}
	if s.Currency != b.currency {
		return fmt.Errorf("amounts in %.10q and %.10q: one currency is expected", b.currency, s.Currency)
	}
	rate := s.Rate
	if rate != "" {
		q, err := usage.ParseQuantity(rate)
		if err != nil {
			return err
		}
		rate = q.String() // 0.00 is 0
	}
	of := meterOfMonth{s.SKU, s.Month}
	if b.rates[of] == nil {
		b.rates[of] = map[Rate]bool{}
	}
	b.rates[of][Rate{Text: rate}] = true
	return nil
}

func (b *billPrices) row(r Row) error {
	of := meterOfMonth{r.MeterID, Month(r.Day)}
	if b.billedAs[of] == nil {
		b.billedAs[of] = map[string]bool{}
	}
	b.billedAs[of][r.SKU] = true
	b.names[r.MeterID], b.names[r.SKU] = r, r
	return nil
}

func (b *billPrices) add(l *prices.List, of meterOfMonth, rates map[Rate]bool) error {
	first, err := time.Parse("2006-01", of.month)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Collect(maps.Keys(rates)), func(r Rate) bool { return len(rates) > 1 && r.Text == "0" })
	p := prices.Price{
		From: usage.HourOf(first).Day(), Until: usage.HourOf(first.AddDate(0, 1, 0)).Day(),
		MeterName: b.names[of.meter].MeterName, Unit: b.names[of.meter].Unit, Note: severalRates,
	}
	switch {
	case len(left) == 1 && left[0].Text == "":
		p.Note = noPrice
	case len(left) == 1:
		if p.Rate, err = usage.ParseQuantity(left[0].Text); err != nil {
			return err
		}
		p.Known, p.Note = true, "usage details of "+of.month
	}
	return l.Add(of.meter, p)
}
