package rating

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/apd/v3"

	"stackusage/internal/devstack/commerce/record"
)

// ResourceCosts is what each resource cost one billing subscription in a month. Amounts are
// exact decimal text, not rounded to cents: the resources of a meter add up to quantity times
// rate of its bill lines to the last digit.
type ResourceCosts struct {
	Month        string         `json:"month"`
	Subscription string         `json:"billingSubscriptionId"`
	Currency     string         `json:"currency"`
	Resources    []ResourceCost `json:"resources"` // the dearest first
	Amount       string         `json:"amount"`
}

// ResourceCost is one of its resources. ARM compares URIs without regard to case; this is the
// spelling of the first record.
type ResourceCost struct {
	ResourceURI string          `json:"resourceUri"`
	Meters      []ResourceMeter `json:"meters"` // the dearest first
	Amount      string          `json:"amount"`
	Unpriced    int             `json:"unpriced"` // meters without a known price: they are not in the amount
	meters      map[lineKey]*ResourceMeter
	sum         apd.Decimal
}

// ResourceMeter is what a resource used of one meter at one rate. Without a known price it has
// neither rate nor amount.
type ResourceMeter struct {
	MeterID     string `json:"meterId"`
	MeterName   string `json:"meterName"`
	SubCategory string `json:"meterSubCategory,omitempty"`
	Unit        string `json:"unit"`
	Quantity    string `json:"quantity"`
	Rate        string `json:"rate"`
	Amount      string `json:"amount"`
	quantity    apd.Decimal
	rate        apd.Decimal
	sum         apd.Decimal
	unrated     bool
}

// ResourceCosts adds up a month of one billing subscription by resource and meter.
func (s Sheet) ResourceCosts(records []*record.Record, subscription, month string) (*ResourceCosts, error) {
	resources := make(map[string]*ResourceCost)
	for _, e := range records {
		r := s.Rate(e)
		name := strings.ToLower(e.ResourceURI)
		if resources[name] == nil {
			resources[name] = &ResourceCost{ResourceURI: e.ResourceURI, meters: make(map[lineKey]*ResourceMeter)}
		}
		meters, key := resources[name].meters, lineKey{meterID: r.MeterID, rate: r.price.rateText}
		if meters[key] == nil {
			meters[key] = &ResourceMeter{MeterID: r.MeterID, MeterName: r.MeterName, SubCategory: SubCategories[r.MeterID], Unit: r.Unit,
				Rate: r.price.rateText, rate: r.price.rate, unrated: r.unrated}
		}
		if err := addText(&meters[key].quantity, e.Quantity); err != nil {
			return nil, fmt.Errorf("rate resources: %w", err)
		}
	}
	out := &ResourceCosts{Month: month, Subscription: subscription, Currency: currency, Resources: []ResourceCost{}}
	var total apd.Decimal
	for _, r := range resources {
		if err := r.settle(); err != nil {
			return nil, fmt.Errorf("rate resource %s: %w", r.ResourceURI, err)
		}
		if _, err := exact.Add(&total, &total, &r.sum); err != nil {
			return nil, err
		}
	}
	byCost := func(a, b *ResourceCost) int {
		return cmp.Or(b.sum.Cmp(&a.sum), strings.Compare(strings.ToLower(a.ResourceURI), strings.ToLower(b.ResourceURI)))
	}
	for _, r := range slices.SortedFunc(maps.Values(resources), byCost) {
		out.Resources = append(out.Resources, *r)
	}
	out.Amount = canonical(&total)
	return out, nil
}

// settle sets the texts of a resource whose quantities are complete.
func (r *ResourceCost) settle() error {
	for _, m := range r.meters {
		if _, err := exact.Mul(&m.sum, &m.quantity, &m.rate); err != nil {
			return err
		}
		m.Quantity = canonical(&m.quantity)
		if m.unrated {
			r.Unpriced++
			continue
		}
		m.Amount = canonical(&m.sum)
		if _, err := exact.Add(&r.sum, &r.sum, &m.sum); err != nil {
			return err
		}
	}
	byCost := func(a, b *ResourceMeter) int {
		return cmp.Or(b.sum.Cmp(&a.sum), strings.Compare(a.MeterID, b.MeterID), strings.Compare(a.Rate, b.Rate))
	}
	for _, m := range slices.SortedFunc(maps.Values(r.meters), byCost) {
		r.Meters = append(r.Meters, *m)
	}
	r.Amount = canonical(&r.sum)
	return nil
}
