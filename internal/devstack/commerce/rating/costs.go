package rating

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/apd/v3"

	"stackusage/internal/devstack/commerce/record"
)

// DailyCosts is what each charged meter cost one billing subscription on each usage day of a
// month. Amounts are exact decimal text, not rounded to cents: the days of a
// meter add up to quantity times rate of its bill lines to the last digit.
// Meters at no price, and those without a known one, are left out.
type DailyCosts struct {
	Month        string      `json:"month"`
	Subscription string      `json:"billingSubscriptionId"`
	Currency     string      `json:"currency"`
	Days         []string    `json:"days"`   // every day from the first to the last with usage
	Meters       []MeterCost `json:"meters"` // the dearest first
	Amounts      []string    `json:"amounts"`
	Amount       string      `json:"amount"`
}

// MeterCost is one of its meters.
type MeterCost struct {
	MeterID     string   `json:"meterId"`
	MeterName   string   `json:"meterName"`
	SubCategory string   `json:"meterSubCategory,omitempty"`
	Amounts     []string `json:"amounts"` // one for each of Days
	Amount      string   `json:"amount"`
	byDay       map[string]*apd.Decimal
	sum         apd.Decimal
}

// DailyCosts adds up a month of one billing subscription by meter and day.
func (s Sheet) DailyCosts(records []*record.Record, subscription, month string) (*DailyCosts, error) {
	meters := make(map[string]*MeterCost)
	used := make(map[string]bool)
	for _, e := range records {
		r := s.Rate(e)
		used[e.UsageDate] = true
		if r.price.rate.IsZero() {
			continue
		}
		m := meters[r.MeterID]
		if m == nil {
			m = &MeterCost{MeterID: r.MeterID, MeterName: r.MeterName, SubCategory: SubCategories[r.MeterID], byDay: make(map[string]*apd.Decimal)}
			meters[r.MeterID] = m
		}
		var amount apd.Decimal
		err := addText(&amount, e.Quantity)
		if err == nil {
			_, err = exact.Mul(&amount, &amount, &r.price.rate)
		}
		if err == nil {
			err = m.add(e.UsageDate, &amount)
		}
		if err != nil {
			return nil, fmt.Errorf("rate days: %w", err)
		}
	}
	days, err := everyDay(used)
	if err != nil {
		return nil, err
	}
	out := &DailyCosts{Month: month, Subscription: subscription, Currency: currency, Days: days, Meters: []MeterCost{}, Amounts: []string{}}
	total := &MeterCost{byDay: make(map[string]*apd.Decimal)}
	byCost := func(a, b *MeterCost) int {
		if c := b.sum.Cmp(&a.sum); c != 0 {
			return c
		}
		return strings.Compare(a.MeterID, b.MeterID)
	}
	for _, m := range slices.SortedFunc(maps.Values(meters), byCost) {
		for day, amount := range m.byDay {
			if err := total.add(day, amount); err != nil {
				return nil, err
			}
		}
		m.settle(days)
		out.Meters = append(out.Meters, *m)
	}
	total.settle(days)
	out.Amounts, out.Amount = total.Amounts, total.Amount
	return out, nil
}

func (m *MeterCost) add(day string, amount *apd.Decimal) error {
	if m.byDay[day] == nil {
		m.byDay[day] = new(apd.Decimal)
	}
	if _, err := exact.Add(m.byDay[day], m.byDay[day], amount); err != nil {
		return err
	}
	_, err := exact.Add(&m.sum, &m.sum, amount)
	return err
}

// settle sets the texts of a meter whose days are complete.
func (m *MeterCost) settle(days []string) {
	m.Amounts = make([]string, len(days))
	for i, day := range days {
		m.Amounts[i] = "0"
		if amount := m.byDay[day]; amount != nil {
			m.Amounts[i] = canonical(amount)
		}
	}
	m.Amount = canonical(&m.sum)
}

// everyDay is each day from the first to the last of those used: a day without
// usage is a gap to be seen.
func everyDay(used map[string]bool) ([]string, error) {
	out := []string{}
	if len(used) == 0 {
		return out, nil
	}
	sorted := slices.Sorted(maps.Keys(used))
	last := sorted[len(sorted)-1]
	day, err := time.Parse(time.DateOnly, sorted[0])
	for text := sorted[0]; err == nil && text <= last; text = day.Format(time.DateOnly) {
		out = append(out, text)
		day = day.AddDate(0, 0, 1)
	}
	return out, err
}
